"""ROC-AUC and step-wise average precision, under any weighting of the videos."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frames import ScoredFrames


class LegacyMetricWarning(UserWarning):
    """A metric is in use that is kept for comparison with older papers only."""


@dataclass(frozen=True)
class Ranking:
    """Frames in falling order of score, sorted once, so that a bootstrap need not sort again.

    Frames of one video and one score are one entry. A draw of videos is a weight for each.

    Attributes:
        owners: intp `[entries]`, the video of an entry.
        positives, negatives: float64 `[entries]`, its counts of frames.
        ends: intp `[scores]`, the last entry of each distinct score.
    """

    owners: NDArray[np.intp]
    positives: NDArray[np.float64]
    negatives: NDArray[np.float64]
    ends: NDArray[np.intp]

    @classmethod
    def of(cls, frames: ScoredFrames) -> Ranking:
        """Sort frames by falling score, then by video."""
        index = frames.video_index
        order = np.argsort(-frames.scores, kind="stable")  # stable: videos stay in order
        scores, owners, labels = frames.scores[order], index[order], frames.labels[order]
        new_score = np.concatenate(([True], scores[1:] != scores[:-1]))
        begins = np.flatnonzero(new_score | np.concatenate(([True], owners[1:] != owners[:-1])))
        positives = np.add.reduceat(labels, begins, dtype=np.float64)
        sizes = np.diff(np.concatenate((begins, [len(scores)])))
        ends = np.concatenate((np.flatnonzero(new_score[begins])[1:], [len(begins)])) - 1
        return cls(owners[begins], positives, sizes - positives, ends)

    def counts(
        self, weights: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """True and false positives, float64 `[scores]`, at each falling threshold."""
        positives, negatives = self.positives, self.negatives
        if weights is not None:
            own = weights[self.owners]
            positives, negatives = positives * own, negatives * own
        return np.cumsum(positives)[self.ends], np.cumsum(negatives)[self.ends]

    def auc_and_precision(self, weights: NDArray[np.float64] | None = None) -> tuple[float, float]:
        """ROC-AUC (ties count half) and average precision; NaN where a class is absent."""
        hits, alarms = self.counts(weights)
        return _auc(hits, alarms), _average_precision(hits, alarms)


def roc_auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve: the chance that an abnormal frame outranks a normal one.

    Raises:
        EvaluationError: one class is absent, or scores and labels differ in length.
    """
    return _auc(*_ranking(scores, labels, both=True).counts())


def average_precision(scores: ArrayLike, labels: ArrayLike) -> float:
    """Average precision, step-wise: sum over thresholds of (R_n - R_{n-1}) P_n.

    Raises:
        EvaluationError: no frame is abnormal, or scores and labels differ in length.
    """
    return _average_precision(*_ranking(scores, labels, both=False).counts())


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
    hits, alarms = _ranking(scores, labels, both=False).counts()
    recall = np.concatenate(([0.0], hits / hits[-1]))
    precision = np.concatenate(([1.0], hits / (hits + alarms)))
    return float(np.trapezoid(precision, recall))


def _ranking(scores: ArrayLike, labels: ArrayLike, *, both: bool) -> Ranking:
    truth = np.asarray(labels, dtype=np.bool_)
    if not truth.any() or (both and truth.all()):
        raise EvaluationError(
            f"{int(truth.sum())} of {len(truth)} frames are abnormal; the metric needs "
            f"{'both classes' if both else 'at least one'}"
        )
    frames = ScoredFrames(np.asarray(scores, dtype=np.float64), truth, np.array([0, len(truth)]))
    return Ranking.of(frames)


def _auc(hits: NDArray[np.float64], alarms: NDArray[np.float64]) -> float:
    if not hits[-1] or not alarms[-1]:
        return float("nan")
    new_hits, new_alarms = np.diff(hits, prepend=0.0), np.diff(alarms, prepend=0.0)
    return float(new_alarms @ (hits - new_hits / 2) / (hits[-1] * alarms[-1]))


def _average_precision(hits: NDArray[np.float64], alarms: NDArray[np.float64]) -> float:
    if not hits[-1]:
        return float("nan")
    steps = np.diff(hits, prepend=0.0)
    found = np.flatnonzero(steps)  # thresholds without a hit add nothing
    precision = hits[found] / (hits[found] + alarms[found])
    return float(steps[found] @ precision / hits[-1])
