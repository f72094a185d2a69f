"""Metrics that look at one video at a time, and the table by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frames import ScoredFrames
from hiprobe.evaluation.metrics.ranking import Ranking
from hiprobe.evaluation.truth import NORMAL


@dataclass(frozen=True)
class ClassRow:
    """One anomaly class: its videos together with all normal ones.

    `within_video` is the mean over its videos alone; NaN where no video has both kinds of frame.
    """

    name: str
    videos: int
    positive_frames: int
    auc: float
    average_precision: float
    within_video: float


def within_video_auc(frames: ScoredFrames) -> NDArray[np.float64]:
    """ROC-AUC inside each video, float64 `[videos]`; NaN where a video has one kind of frame.

    From the sum of mid-ranks of the abnormal frames (Mann-Whitney), all videos at once.
    """
    index = frames.video_index
    order = np.lexsort((frames.scores, index))
    scores, owners, labels = frames.scores[order], index[order], frames.labels[order]
    new = np.concatenate(([True], (scores[1:] != scores[:-1]) | (owners[1:] != owners[:-1])))
    begins = np.flatnonzero(new)
    sizes = np.diff(np.concatenate((begins, [len(scores)])))
    middle = begins - frames.offsets[owners[begins]] + (sizes + 1) / 2
    ranks = np.repeat(middle, sizes)
    count = frames.video_count
    rank_sums = np.bincount(owners, weights=ranks * labels, minlength=count)
    hits = np.bincount(owners, weights=labels, minlength=count)
    pairs = hits * (np.diff(frames.offsets) - hits)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pairs > 0, (rank_sums - hits * (hits + 1) / 2) / pairs, np.nan)


def mean_and_median(values: NDArray[np.float64]) -> tuple[float, float]:
    """Macro mean and median of the videos that have a value; NaN where none has."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    return float(known.mean()), float(np.median(known))


def video_level(frames: ScoredFrames) -> ScoredFrames:
    """One score for each video, the highest of its frames, against whether it is anomalous."""
    highest = np.maximum.reduceat(frames.scores, frames.offsets[:-1])
    return ScoredFrames(highest, frames.anomalous, np.arange(frames.video_count + 1))


def class_table(frames: ScoredFrames, classes: Sequence[Sequence[str]]) -> tuple[ClassRow, ...]:
    """One row for each anomaly class, by name; a video of two classes counts in both.

    Args:
        classes: the classes of each video, `("normal",)` for a normal one.

    Raises:
        EvaluationError: there is not one entry for each video.
    """
    if len(classes) != frames.video_count:
        raise EvaluationError(f"{len(classes)} classes for {frames.video_count} videos")
    within = within_video_auc(frames)
    is_normal = np.array([tuple(c) == (NORMAL,) for c in classes])
    names = sorted({name for own in classes for name in own} - {NORMAL})
    rows = []
    for name in names:
        own = np.array([name in c for c in classes])
        part = frames.of_videos(own | is_normal)
        auc, precision = Ranking.of(part).auc_and_precision()
        positive, mean = int(part.labels.sum()), mean_and_median(within[own])[0]
        rows.append(ClassRow(name, int(own.sum()), positive, auc, precision, mean))
    return tuple(rows)
