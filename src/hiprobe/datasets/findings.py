"""What a check finds, how serious it is, and the exit code for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hiprobe.datasets.manifest import Manifest
from hiprobe.errors import DatasetDiffersError, DatasetError, DatasetLeakError


class FindingKind(NamedTuple):
    """A kind of finding.

    Attributes:
        heading: above the findings of this kind in a report.
        short: in the line that counts the faults; empty for a remark.
        error: the error whose exit code says so; None for a remark.
    """

    heading: str
    short: str = ""
    error: type[DatasetError] | None = None


_MISSING, _LEAK, _DIFFERS = DatasetError, DatasetLeakError, DatasetDiffersError

# In the order of the report.
KINDS: Mapping[str, FindingKind] = {
    "missing": FindingKind("missing videos", "missing", _MISSING),
    "unreadable": FindingKind(
        "videos that cannot be read (left out of the manifest)", "unreadable", _MISSING
    ),
    "damaged": FindingKind(
        "videos that break off, or pictures that are missing between others", "damaged", _MISSING
    ),
    "unsplit": FindingKind("videos whose split is not known", "without a split", _DIFFERS),
    "overlap": FindingKind("videos that lie in the folders of two splits", "in two splits", _LEAK),
    "leak": FindingKind("near-duplicates across splits", "near-duplicates across splits", _LEAK),
    "source": FindingKind("sources that are in two splits", "sources in two splits", _LEAK),
    "count": FindingKind(
        "counts that differ from the published ones", "different counts", _DIFFERS
    ),
    "frames": FindingKind(
        "frame counts that differ from the published ones", "different frame counts", _DIFFERS
    ),
    "spans": FindingKind("spans that do not fit", "spans that do not fit", _DIFFERS),
    "beyond": FindingKind("spans that end after their video (cut at its end)"),
    "copy": FindingKind("second copies of a video (not used)"),
    "placed": FindingKind(
        "videos in the folder of another split than the published one (that one is used)"
    ),
    "alike": FindingKind("near-duplicates within a split that count as different sources"),
    "shared": FindingKind("recordings with videos in two splits, as published"),
    "unknown": FindingKind("files that are not part of the data set (not used)"),
}

# The most serious first: what cannot be used, what makes results wrong, what changes them.
_BY_GRAVITY = (_MISSING, _LEAK, _DIFFERS)


# What each exit code of a check says.
EXIT_WORDS: Mapping[int, str] = {
    0: "all is well",
    DatasetError.exit_code: "something is missing or cannot be read",
    DatasetLeakError.exit_code: "a video is in two splits",
    DatasetDiffersError.exit_code: "something differs from what is published",
}


@dataclass(frozen=True)
class CheckFinding:
    """One thing found: its kind (one of `KINDS`), the video that it is about, and a sentence."""

    kind: str
    video: str
    text: str

    @property
    def is_fault(self) -> bool:
        """Whether it makes the check fail; others are remarks."""
        return KINDS[self.kind].error is not None


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

    def of(self, kind: str) -> tuple[CheckFinding, ...]:
        """Findings of one kind."""
        return tuple(f for f in self.findings if f.kind == kind)

    @property
    def exit_code(self) -> int:
        """0, or that of the most serious fault."""
        found = {KINDS[f.kind].error for f in self.findings}
        return next((error.exit_code for error in _BY_GRAVITY if error in found), 0)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
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
    """Findings in the order of the report, those of one kind together."""
    order = list(KINDS)
    return tuple(sorted(findings, key=lambda f: order.index(f.kind)))
