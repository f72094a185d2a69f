"""Ranking metrics of frame scores, and how well probabilities are calibrated."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frame_scores import ScoredFrames, check_length

# Counts of entries, intp.
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Ranking:
    """Abnormal and normal frames, sorted once, so that a bootstrap need not sort again.

    A draw of videos is a weight for each. Both metrics need counts at the scores of abnormal
    frames only, which are few; see `auc_and_precision`.

    Attributes:
        above, through: intp `[abnormal entries]`, how many normal entries lie above the score
            of each abnormal entry, and how many do not lie below it.
        tied: intp `[abnormal entries]`, how many abnormal entries do not lie below it.
    """

    abnormal: Entries
    normal: Entries
    above: Places
    through: Places
    tied: Places

    @classmethod
    def of(cls, frames: ScoredFrames) -> Ranking:
        """Sort the frames of all videos."""
        index, labels = frames.video_index, frames.labels
        abnormal = Entries.of(frames.scores[labels], index[labels])
        normal = Entries.of(frames.scores[~labels], index[~labels])
        return cls(
            abnormal,
            normal,
            normal.places(abnormal.scores, "left"),
            normal.places(abnormal.scores, "right"),
            abnormal.places(abnormal.scores, "right"),
        )

    def auc_and_precision(self, weights: NDArray[np.float64] | None = None) -> tuple[float, float]:
        """ROC-AUC (ties count half) and step-wise average precision.

        AUC = sum over abnormal frames of the normal frames below, plus half of those level with
        it, over all pairs (Mann-Whitney). AP = mean over abnormal frames of the precision at
        their own score. NaN where a class is absent.

        Args:
            weights: float64 `[videos]`; None counts each video once.
        """
        area, precision = self.aucs_and_precisions(weights)
        return float(area), float(precision)

    def aucs_and_precisions(
        self, weights: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The same for many draws at once, float64 `[draws]` each.

        Args:
            weights: float64 `[draws, videos]`.
        """
        hits, alarms = self.abnormal.cumulated(weights), self.normal.cumulated(weights)
        positives, negatives = hits[..., -1], alarms[..., -1]
        own, found, wrong = np.diff(hits), hits[..., self.tied], alarms[..., self.through]
        # An entry of a video that was not drawn may have nothing at or above it.
        seen = found + wrong
        shares = np.divide(found, seen, out=np.zeros_like(seen), where=seen > 0)
        outranked = negatives[..., None] - (alarms[..., self.above] + wrong) / 2
        with np.errstate(invalid="ignore"):  # 0 / 0 where a class is absent
            precision = _paired(own, shares) / positives
            area = _paired(own, outranked) / (positives * negatives)
        return area, precision


def roc_auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve: the chance that an abnormal frame outranks a normal one.

    Raises:
        EvaluationError: one class is absent, or scores and labels differ in length.
    """
    return _ranking(scores, labels, both=True).auc_and_precision()[0]


def average_precision(scores: ArrayLike, labels: ArrayLike) -> float:
    """Average precision, step-wise: sum over thresholds of (R_n - R_{n-1}) P_n.

    Raises:
        EvaluationError: no frame is abnormal, or scores and labels differ in length.
    """
    return _ranking(scores, labels, both=False).auc_and_precision()[1]


class LegacyMetricWarning(UserWarning):
    """A metric is in use that is kept for comparison with older papers only."""


def legacy_trapezoid_pr_area(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the precision-recall curve by the trapezoid rule, as older code reports it.

    It interpolates between thresholds and so flatters scores with few distinct values.

    Warns:
        LegacyMetricWarning: always.
    """
    warnings.warn(
        "the trapezoid rule flatters coarse scores; report average_precision instead",
        LegacyMetricWarning,
        stacklevel=2,
    )
    _ranking(scores, labels, both=False)  # checks them
    # a highest score first, ties as one step: they cannot be ranked among each other
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    level = np.asarray(scores)[order]
    last = np.concatenate((level[1:] != level[:-1], [True]))
    hits = np.cumsum(np.asarray(labels, dtype=np.bool_)[order])[last]
    seen = np.flatnonzero(last) + 1
    recall = np.concatenate(([0.0], hits / hits[-1]))
    return float(np.trapezoid(np.concatenate(([1.0], hits / seen)), recall))


def binary(scores: ArrayLike, *, threshold: ArrayLike) -> NDArray[np.float64]:
    """1 where the score exceeds the threshold, 0 elsewhere."""
    return (np.asarray(scores, dtype=np.float64) > np.asarray(threshold)).astype(np.float64)


def gated(scores: ArrayLike, *, threshold: ArrayLike) -> NDArray[np.float64]:
    """The score where it exceeds the threshold, 0 elsewhere."""
    values = np.asarray(scores, dtype=np.float64)
    return np.where(values > np.asarray(threshold), values, 0.0)


@dataclass(frozen=True)
class Calibration:
    """Brier score (mean squared error) and expected calibration error over equal-width bins."""

    brier: float
    expected_error: float
    bins: int


def calibration(scores: ArrayLike, labels: ArrayLike, *, bins: int = 15) -> Calibration:
    """Brier score (Brier 1950) and expected calibration error (Naeini et al., AAAI 2015).

    ECE = sum over bins of n_b / n |mean score - share of abnormal frames|; bins of equal width
    on [0, 1], the last one closed.

    Args:
        scores: float `[frames]`, in [0, 1].
        labels: 0 or 1 `[frames]`.

    Raises:
        EvaluationError: a score is NaN or outside [0, 1], `bins` is below 1, or scores and
            labels differ in length.
    """
    values = np.asarray(scores, dtype=np.float64)
    truth = np.asarray(labels, dtype=np.bool_).astype(np.float64)
    check_length("scores", len(values), len(truth))
    if not len(values) or bins < 1 or not ((values >= 0) & (values <= 1)).all():
        raise EvaluationError(
            f"calibration needs scores within [0, 1] and at least 1 bin, got {len(values)} "
            f"scores and {bins} bins; give probabilities"
        )
    # A score of 1 belongs to the last bin.
    place = np.minimum((values * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, weights=values - truth, minlength=bins)
    return Calibration(
        float(np.mean((values - truth) ** 2)), float(np.abs(gap).sum() / len(values)), bins
    )


def _ranking(scores: ArrayLike, labels: ArrayLike, *, both: bool) -> Ranking:
    given = np.asarray(labels)
    truth = given.astype(np.bool_)
    if given.ndim != 1 or np.ndim(scores) != 1 or (given != truth).any():
        raise EvaluationError(
            f"scores of shape {np.shape(scores)}, labels of shape {given.shape}; give one score "
            "and one label, 0 or 1, for each frame"
        )
    if not truth.any() or (both and truth.all()):
        raise EvaluationError(
            f"{int(truth.sum())} of {len(truth)} frames are abnormal; the metric needs "
            f"{'both classes' if both else 'at least one'}"
        )
    frames = ScoredFrames(np.asarray(scores, dtype=np.float64), truth, np.array([0, len(truth)]))
    return Ranking.of(frames)


@dataclass(frozen=True)
class Entries:
    """Frames of one video with the same score, counted together; highest scores first.

    Attributes:
        owners: intp `[entries]`, the video.
        counts: float64 `[entries]`, how many frames.
        scores: float64 `[entries]`.
    """

    owners: NDArray[np.intp]
    counts: NDArray[np.float64]
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, scores: NDArray[np.float64], owners: NDArray[np.intp]) -> Entries:
        """Sort and count; frames arrive video by video."""
        order = np.argsort(-scores, kind="stable")  # stable: videos stay in order
        scores, owners = scores[order], owners[order]
        change = (scores[1:] != scores[:-1]) | (owners[1:] != owners[:-1])
        begins = np.flatnonzero(np.concatenate(([len(scores) > 0], change)))
        counts = np.diff(np.concatenate((begins, [len(scores)]))).astype(np.float64)
        return cls(owners[begins], counts, scores[begins])

    def cumulated(self, weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """float64 `[..., entries + 1]`: frames in the first 0, 1, ... entries, videos weighted.

        Args:
            weights: `[..., videos]`.
        """
        counts = self.counts if weights is None else weights[..., self.owners] * self.counts
        total = np.zeros((*counts.shape[:-1], counts.shape[-1] + 1))
        np.cumsum(counts, axis=-1, out=total[..., 1:])
        return total

    def places(self, scores: NDArray[np.float64], side: Literal["left", "right"]) -> Places:
        """How many entries lie above each score (left), or not below it (right)."""
        return np.searchsorted(-self.scores, -scores, side=side)


def _paired(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inner products over the last axis."""
    return np.asarray(np.einsum("...i,...i->...", a, b))
