"""The manifest's contract: one row for each video of a data set, checked when built."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from hiprobe.errors import LabelError
from hiprobe.evaluation.to_frames import MAX_FRAMES
from hiprobe.evaluation.truth import NORMAL, EndConvention

FORMAT = "hiprobe-manifest"
VERSION = 1

SPLITS = ("", "train", "val", "test")
"""Empty where a data set has no split."""

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ManifestRow:
    """One video of a data set: where it is, what happens in it and when.

    Attributes:
        video: path of the file (or, where a set ships so, of the folder with its frames).
        name: what the published lists call it; joins it to truth and scores.
        class_name: what happens in it, as the data set says it; several joined by `+`.
        label: 0 normal, 1 anomalous.
        split: one of `SPLITS`.
        source: the recording it comes from; folds and subsets never split a source.
        frame_count: frames that the video has; None where nobody has counted.
        fps: frames a second; None where unknown.
        spans: abnormal stretches, half-open, in frames counted from 0. A normal video has none;
            an anomalous one without any is not annotated.
    """

    video: Path
    name: str
    class_name: str
    label: int
    split: str = ""
    source: str = ""
    frame_count: int | None = None
    fps: float | None = None
    spans: Spans = ()

    def __post_init__(self) -> None:
        if not self.name or not self.class_name:
            raise LabelError(f"{self.video}: name {self.name!r}, class {self.class_name!r}: empty")
        if self.label not in (0, 1) or self.split not in SPLITS:
            raise LabelError(
                f"{self.name}: label {self.label!r}, split {self.split!r}; labels are 0 (normal) "
                "and 1 (anomalous), splits train, val, test or empty"
            )
        if self.frame_count is not None and not 1 <= self.frame_count <= MAX_FRAMES:
            raise LabelError(
                f"{self.name}: {_short(self.frame_count)} frames; a video has 1 to {MAX_FRAMES:,}"
            )
        if "\0" in str(self.video):
            raise LabelError(f"{self.name}: {str(self.video)!r} can be no file's name")
        if self.fps is not None and not (isfinite(self.fps) and self.fps > 0):
            raise LabelError(f"{self.name}: {self.fps} frames a second; it must be above 0")
        self._check_spans()
        if not self.source:
            object.__setattr__(self, "source", self.name)

    def _check_spans(self) -> None:
        if self.spans and not self.label:
            raise LabelError(f"{self.name} is normal, but has abnormal spans; correct one of them")
        most = MAX_FRAMES if self.frame_count is None else self.frame_count
        for start, end in self.spans:
            if not 0 <= start < end <= most:
                raise LabelError(
                    f"{self.name}: span {_short(start)}-{_short(end)} does not fit into "
                    f"{'an unknown number of' if self.frame_count is None else self.frame_count} "
                    "frames; spans are half-open and count from 0"
                )

    @property
    def annotated(self) -> bool:
        """Whether it is known which frames are abnormal."""
        return not self.label or bool(self.spans)

    @property
    def classes(self) -> tuple[str, ...]:
        """Its classes one by one; `("normal",)` for a normal video."""
        return tuple(self.class_name.split("+")) if self.label else (NORMAL,)


@dataclass(frozen=True)
class Manifest:
    """All videos of one data set, in a fixed order.

    Attributes:
        dataset: name, such as `ucf-crime`.
        rows: each with its own name and its own path.
        span_set: which of the published sets of spans was taken.
        end: how the published spans were read when they were made half-open.
        note: how these rows came about, such as the seed of a draw.
    """

    dataset: str
    rows: tuple[ManifestRow, ...]
    span_set: str = "official"
    end: EndConvention = "half-open"
    note: str = ""

    def __post_init__(self) -> None:
        if not self.rows:
            raise LabelError(f"the manifest of {self.dataset} has no rows; a set has videos")
        for what, values in (
            ("name", [(r.split, r.name) for r in self.rows]),
            ("video", [str(r.video) for r in self.rows]),
        ):
            twice = [v for v, count in Counter(values).items() if count > 1]
            if twice:
                raise LabelError(f"the manifest of {self.dataset} has {what} {twice[0]!r} twice")

    def split(self, *names: str) -> tuple[ManifestRow, ...]:
        """Rows of these splits, in order."""
        return tuple(r for r in self.rows if r.split in names)


def _short(number: int) -> str:
    """A whole number as text; Python refuses to write one of thousands of digits."""
    return str(number) if abs(number) < 10**20 else "more than 10^20"
