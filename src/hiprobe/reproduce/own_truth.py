"""Data sets that bring frame-level truth of their own, and perhaps a test split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hiprobe.datasets.manifest import Manifest, ManifestRow, read_manifest
from hiprobe.datasets.subset import draw_subset
from hiprobe.errors import HiProbeError
from hiprobe.reproduce.request import DataSource


@dataclass(frozen=True)
class OwnTruth:
    """Videos whose abnormal frames are known.

    Attributes:
        manifest: the whole data set.
        labelled: with a test split: videos of the training split that a fit may see, for each
            seed; None without a test split.
    """

    manifest: Manifest
    labelled: tuple[Manifest, ...] | None

    @property
    def tested(self) -> tuple[ManifestRow, ...]:
        """Videos that can be tested by frame: of the test split where there is one."""
        rows = self.manifest.rows if self.labelled is None else self.manifest.split("test")
        return tuple(r for r in rows if r.annotated and r.frame_count)

    @property
    def fitted(self) -> Manifest | None:
        """With a test split: the videos that are fitted on under any seed."""
        if self.labelled is None:
            return None
        names = {r.name for drawn in self.labelled for r in drawn.rows}
        rows = tuple(r for r in self.manifest.split("train") if r.name in names)
        return Manifest(self.manifest.dataset, rows, self.manifest.span_set, self.manifest.end)


def own_truth(data: DataSource, *, seeds: Sequence[int], share: float) -> OwnTruth | None:
    """The frame-level truth of a data set; None where only clips are labelled.

    Args:
        share: part of the training split that is labelled, drawn anew for each seed.
    """
    try:
        manifest = read_manifest(path=data.path)
    except HiProbeError:  # a folder, or a table of stretches: not a manifest of whole videos
        return None
    if not any(r.spans for r in manifest.rows):
        return None
    train, test = manifest.split("train"), manifest.split("test")
    if {r.label for r in train} != {0, 1} or not any(r.annotated and r.frame_count for r in test):
        return OwnTruth(manifest, None)
    drawn = tuple(draw_subset(manifest, fraction=share, seed=s, split="train") for s in seeds)
    return OwnTruth(manifest, drawn)
