"""Metrics of events: stretches of frames above a threshold against the spans of the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frame_scores import ScoredFrames

# int64 `[spans, 2]`, half-open, in frames of the joined test set, in order.
Spans = NDArray[np.int64]


@dataclass(frozen=True)
class EventScores:
    """Precision, recall and F1 of events at one IoU; 0 where a denominator is 0."""

    iou: float
    found: int
    detected: int
    true: int

    @property
    def precision(self) -> float:
        """Share of the detected events that match a true one."""
        return self.found / self.detected if self.detected else 0.0

    @property
    def recall(self) -> float:
        """Share of the true events that a detected one matches."""
        return self.found / self.true if self.true else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.detected + self.true
        return 2 * self.found / both if both else 0.0


@dataclass(frozen=True)
class AlarmRate:
    """False alarms at the highest threshold that reaches a recall of events.

    Attributes:
        reached: the recall there; above `recall` where events tie.
        per_hour: false alarms per hour of video, normal and abnormal.
        normal_share: share of the normal frames that are under an alarm, true or false. An
            alarm that never ends counts as one; here it shows.
    """

    recall: float
    reached: float
    threshold: float
    false_alarms: int
    per_hour: float
    normal_share: float


def runs(mask: NDArray[np.bool_], offsets: NDArray[np.int64]) -> Spans:
    """Maximal stretches of True that do not cross from one video into the next.

    Args:
        mask: bool `[frames]`.
        offsets: int64 `[videos + 1]`, as in `ScoredFrames`.
    """
    # What comes before a video's first frame and after its last one counts as unmarked.
    marked = mask.astype(np.int8)
    before = np.concatenate(([0], marked[:-1]))
    before[offsets[:-1]] = 0
    after = np.concatenate((marked[1:], [0]))
    after[offsets[1:] - 1] = 0
    starts = np.flatnonzero((marked == 1) & (before == 0))
    ends = np.flatnonzero((marked == 1) & (after == 0)) + 1
    return np.stack((starts, ends), axis=1).astype(np.int64)


def match_events(*, detected: Spans, true: Spans, iou: float) -> EventScores:
    """Match as many events one to one as can be matched.

    A pair may match where its intersection over union is at least `iou`. Of all ways to pair
    them, one with most pairs is counted (maximum bipartite matching, Hopcroft and Karp 1973),
    so that neither the order of the events nor ties move the result.

    Args:
        detected: in order and without overlap, as `runs` gives them.
        iou: least intersection over union of a match, above 0 and at most 1.

    Raises:
        EvaluationError: `iou` is out of range, or detected events overlap or are out of order.
    """
    if not 0 < iou <= 1:
        raise EvaluationError(f"IoU is {iou}; give a value above 0 and at most 1")
    if (detected[1:, 0] < detected[:-1, 1]).any() or (detected[:, 0] >= detected[:, 1]).any():
        raise EvaluationError(
            "detected events overlap, are empty or out of order; give them as `runs` does"
        )
    rows, columns, overlaps = _overlapping(detected, true)
    good = overlaps >= iou
    found = _most_pairs(rows[good], columns[good], shape=(len(detected), len(true)))
    return EventScores(iou, found, len(detected), len(true))


def false_alarms_per_hour(
    frames: ScoredFrames, *, true: Spans, recall: float, fps: float
) -> AlarmRate:
    """False alarms per hour of video at the highest threshold that finds enough events.

    A true event is found when one of its frames scores at least the threshold. A false alarm is
    a stretch of such frames that touches no abnormal frame.

    Args:
        frames: the scores of all videos.
        true: the events, int64 `[spans, 2]`, in frames of the joined test set.
        recall: share of the events that must be found.
        fps: frames a second.

    Raises:
        EvaluationError: no event is true, or recall is not above 0 and at most 1.
    """
    if not 0 < recall <= 1 or not len(true):
        raise EvaluationError(
            f"recall is {recall} and there are {len(true)} true events; give a recall above 0 "
            "and at most 1, and at least one event"
        )
    peaks = np.array([frames.scores[start:end].max() for start, end in true])
    # 0.7 * 10 is 7.000000000000001 in floats: without the slack one more would be needed.
    needed = math.ceil(recall * len(peaks) - 1e-9)
    threshold = float(np.sort(peaks)[-needed])
    # A stretch is false where the count of abnormal frames does not grow over it.
    stretches = runs(frames.scores >= threshold, frames.offsets)
    touched = np.concatenate(([0], np.cumsum(frames.labels)))
    alarms = int((touched[stretches[:, 1]] == touched[stretches[:, 0]]).sum())
    hours = len(frames.scores) / fps / 3600
    reached, normal = float((peaks >= threshold).mean()), frames.scores[~frames.labels]
    share = float((normal >= threshold).mean()) if len(normal) else float("nan")
    return AlarmRate(recall, reached, threshold, alarms, alarms / hours, share)


def _most_pairs(
    rows: NDArray[np.int64], columns: NDArray[np.int64], *, shape: tuple[int, int]
) -> int:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    if not len(rows):
        return 0
    graph = csr_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=shape)
    return int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())


def _overlapping(
    a: Spans, b: Spans
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of spans that share a frame, and their IoU. `a` is in order, `b` need not be."""
    # Each of `b` shares frames with a range of `a`; the ranges are then written out one by one.
    first = np.searchsorted(a[:, 1], b[:, 0], side="right")
    last = np.searchsorted(a[:, 0], b[:, 1], side="left")
    counts = np.maximum(last - first, 0)
    columns = np.repeat(np.arange(len(b)), counts)
    rows = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    shared = np.minimum(a[rows, 1], b[columns, 1]) - np.maximum(a[rows, 0], b[columns, 0])
    union = (a[rows, 1] - a[rows, 0]) + (b[columns, 1] - b[columns, 0]) - shared
    return rows, columns, shared / union
