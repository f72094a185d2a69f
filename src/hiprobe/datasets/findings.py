"""What a check finds, how grave it is, and the exit code that says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hiprobe.datasets.manifest import Manifest
from hiprobe.errors import DatasetDiffersError, DatasetError, DatasetLeakError

Kind = Literal[
    "missing",
    "unreadable",
    "damaged",
    "unsplit",
    "overlap",
    "leak",
    "source",
    "count",
    "frames",
    "spans",
    "beyond",
    "copy",
    "placed",
    "alike",
    "shared",
    "unknown",
]

HEADINGS: Mapping[Kind, str] = {
    "missing": "missing videos",
    "unreadable": "videos that cannot be read (left out of the manifest)",
    "damaged": "videos that break off, or pictures that are missing between others",
    "unsplit": "videos whose split is not known",
    "overlap": "videos that lie in the folders of two splits",
    "leak": "near-duplicates across splits",
    "source": "sources that are in two splits",
    "count": "counts that differ from the published ones",
    "frames": "frame counts that differ from the published ones",
    "spans": "spans that do not fit",
    "beyond": "spans that end after their video (cut at its end)",
    "copy": "second copies of a video (not used)",
    "placed": "videos in the folder of another split than the published one (that one is used)",
    "alike": "near-duplicates within a split that count as different sources",
    "shared": "recordings with videos in two splits, as published",
    "unknown": "files that are not part of the data set (not used)",
}
"""In the order of the report."""

SHORT: Mapping[Kind, str] = {
    "missing": "missing",
    "unreadable": "unreadable",
    "damaged": "damaged",
    "unsplit": "without a split",
    "overlap": "in two splits",
    "leak": "near-duplicates across splits",
    "source": "sources in two splits",
    "count": "different counts",
    "frames": "different frame counts",
    "spans": "spans that do not fit",
}
"""Kinds of faults for the line that counts them."""

_ERRORS: Mapping[Kind, type[DatasetError]] = {
    "missing": DatasetError,
    "unreadable": DatasetError,
    "damaged": DatasetError,
    "overlap": DatasetLeakError,
    "leak": DatasetLeakError,
    "source": DatasetLeakError,
    "unsplit": DatasetDiffersError,
    "count": DatasetDiffersError,
    "frames": DatasetDiffersError,
    "spans": DatasetDiffersError,
}
"""Kinds that are faults; the others are remarks."""

_ORDER = (DatasetError, DatasetLeakError, DatasetDiffersError)
"""The gravest first: what cannot be used, what makes results wrong, what moves them."""


EXIT_WORDS: Mapping[int, str] = {
    0: "all is well",
    DatasetError.exit_code: "something is missing or cannot be read",
    DatasetLeakError.exit_code: "a video is in two splits",
    DatasetDiffersError.exit_code: "something differs from what is published",
}
"""What each exit code of a check says."""


@dataclass(frozen=True)
class CheckFinding:
    """One thing found; `video` names what it is about."""

    kind: Kind
    video: str
    text: str

    @property
    def is_fault(self) -> bool:
        """False for a remark."""
        return self.kind in _ERRORS


@dataclass(frozen=True)
class CheckReport:
    """A checked data set.

    Attributes:
        manifest: what can be used; None where nothing can.
        folders: number of videos by first folder below the root.
        counts: videos found by split.
        published: the published counts of the splits that were looked at.
        quick: whether damage inside the videos was left unseen.
    """

    manifest: Manifest | None
    findings: tuple[CheckFinding, ...]
    folders: Mapping[str, int]
    counts: Mapping[str, int]
    published: Mapping[str, int]
    quick: bool

    def of(self, kind: Kind) -> tuple[CheckFinding, ...]:
        """Findings of one kind."""
        return tuple(f for f in self.findings if f.kind == kind)

    @property
    def exit_code(self) -> int:
        """0, or that of the gravest fault."""
        found = {_ERRORS[f.kind] for f in self.findings if f.is_fault}
        return next((error.exit_code for error in _ORDER if error in found), 0)

    def to_json(self) -> dict[str, Any]:
        """For a JSON document."""
        return {
            "format": "hiprobe-data-check",
            "version": 1,
            "dataset": self.manifest.dataset if self.manifest else None,
            "exit_code": self.exit_code,
            "quick": self.quick,
            "folders": dict(self.folders),
            "counts": dict(self.counts),
            "published": dict(self.published),
            "summary": dict(Counter(f.kind for f in self.findings)),
            "findings": [
                {"kind": f.kind, "fault": f.is_fault, "video": f.video, "text": f.text}
                for f in self.findings
            ],
        }


def by_kind(findings: Sequence[CheckFinding]) -> tuple[CheckFinding, ...]:
    """In the order of the report, faults of one kind together."""
    order = list(HEADINGS)
    return tuple(sorted(findings, key=lambda f: order.index(f.kind)))
