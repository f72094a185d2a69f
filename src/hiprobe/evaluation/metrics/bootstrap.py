"""Metrics by video and class, and their intervals over draws of the videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frame_scores import ScoredFrames
from hiprobe.evaluation.metrics.ranking import Ranking
from hiprobe.evaluation.truth import NORMAL

# Metrics that get an interval, in the order of the table.
HEADLINES = ("auc", "average_precision", "auc_anomalous", "average_precision_anomalous",
             "within_video_mean", "video_auc")  # fmt: skip


# Each draw holds a number for each video; an interval of 95 % settles long before.
MAX_DRAWS = 100_000


@dataclass(frozen=True)
class Interval:
    """Percentile interval; `draws` counts those in which the metric was defined."""

    low: float
    high: float
    draws: int


@dataclass(frozen=True)
class PairedDifference:
    """First minus second on the same videos, its interval, and a two-sided p-value."""

    difference: float
    interval: Interval
    p_value: float


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
    # The last key of lexsort counts first: by video, then by score.
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


def video_weights(*, videos: int, draws: int, seed: int = 0) -> NDArray[np.float64]:
    """How often each video is drawn, float64 `[draws, videos]`, by seed (Efron 1979).

    Raises:
        EvaluationError: no videos, or too few or too many draws.
    """
    if not 1 <= draws <= MAX_DRAWS or videos < 1:
        raise EvaluationError(
            f"{draws} draws of {videos} videos: give 1 to {MAX_DRAWS:,} draws of at least 1 video"
        )
    chances = np.full(videos, 1 / videos)
    # Counts say all that a draw with replacement does: its order is of no interest.
    counts = np.random.default_rng(seed).multinomial(videos, chances, size=draws)
    return counts.astype(np.float64)


def metric_draws(
    frames: ScoredFrames, weights: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Every headline metric under every draw, float64 `[draws]` each; NaN where undefined.

    Args:
        weights: float64 `[draws, videos]`; ones give the metrics of the test set itself.
    """
    # Each set of frames is sorted once; a draw then only weighs its videos.
    keep = frames.anomalous
    whole = _ranked(Ranking.of(frames), weights)
    part = np.full((len(weights), 2), np.nan)
    if keep.any():
        part = _ranked(Ranking.of(frames.of_videos(keep)), weights[:, keep])
    video = _ranked(Ranking.of(video_level(frames)), weights)
    within = _weighted_mean(within_video_auc(frames), weights)
    columns = (whole[:, 0], whole[:, 1], part[:, 0], part[:, 1], within, video[:, 0])
    return dict(zip(HEADLINES, columns, strict=True))


def interval(values: NDArray[np.float64], *, level: float = 0.95) -> Interval:
    """Percentile interval of the draws that have a value; NaN where none has.

    Raises:
        EvaluationError: the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise EvaluationError(f"level is {level}; give a value between 0 and 1, such as 0.95")
    known = values[~np.isnan(values)]
    if not len(known):
        return Interval(float("nan"), float("nan"), 0)
    low, high = np.quantile(known, ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(low), float(high), len(known))


def paired_test(
    first: ScoredFrames, second: ScoredFrames, *, draws: int = 1000, seed: int = 0
) -> dict[str, PairedDifference]:
    """Compare two methods on the same videos: both are scored on the same draws.

    p = 2 (min(#(d <= 0), #(d >= 0)) + 1) / (draws + 1), at most 1 (Davison and Hinkley 1997,
    section 4.2): never below 2 / (draws + 1), and 1 for the same scores. NaN where no draw has
    the metric. Swapping the two turns the sign of the difference and leaves p as it is. A
    bootstrap is overconfident on few videos: of two equal methods it called 1 in 20
    different at p < 0.05 on 40 videos and more, and 1 in 10 on 12 videos.

    Args:
        first, second: scores of the same frames by two methods.
        draws: bootstrap draws of videos.

    Returns:
        One difference for each of `HEADLINES`.

    Raises:
        EvaluationError: the two do not have the same frames and labels.
    """
    same = np.array_equal(first.offsets, second.offsets)
    if not same or not np.array_equal(first.labels, second.labels):
        raise EvaluationError("the two sets of scores have other videos or labels; use one truth")
    drawn = video_weights(videos=first.video_count, draws=draws, seed=seed)
    weights = np.concatenate((np.ones((1, first.video_count)), drawn))
    a, b = metric_draws(first, weights), metric_draws(second, weights)
    return {name: _paired(a[name] - b[name]) for name in HEADLINES}


def _paired(differences: NDArray[np.float64]) -> PairedDifference:
    drawn = differences[1:][~np.isnan(differences[1:])]
    # Differences of 0 count on both sides, so that equal methods have p = 1.
    tail = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p_value = min(1.0, 2 * (tail + 1) / (len(drawn) + 1)) if len(drawn) else float("nan")
    return PairedDifference(float(differences[0]), interval(drawn), p_value)


def _ranked(ranking: Ranking, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([ranking.auc_and_precision(row) for row in weights])


def _weighted_mean(
    values: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    total = weights[:, known].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, weights[:, known] @ values[known] / total, np.nan)
