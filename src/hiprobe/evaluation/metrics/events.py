"""Metrics of events: stretches of frames above a threshold against the spans of the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frames import ScoredFrames

Spans = NDArray[np.int64]
"""int64 `[spans, 2]`, half-open, in frames of the joined test set, in order."""


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
    """False alarms at the highest threshold that reaches a recall of events."""

    recall: float
    reached: float
    threshold: float
    false_alarms: int
    per_hour: float


def runs(mask: NDArray[np.bool_], offsets: NDArray[np.int64]) -> Spans:
    """Maximal stretches of True that do not cross from one video into the next."""
    marked = mask.astype(np.int8)
    before = np.concatenate(([0], marked[:-1]))
    before[offsets[:-1]] = 0
    after = np.concatenate((marked[1:], [0]))
    after[offsets[1:] - 1] = 0
    starts = np.flatnonzero((marked == 1) & (before == 0))
    ends = np.flatnonzero((marked == 1) & (after == 0)) + 1
    return np.stack((starts, ends), axis=1).astype(np.int64)


def match_events(*, detected: Spans, true: Spans, iou: float) -> EventScores:
    """Match events one to one, the pair of highest IoU first.

    Args:
        iou: least intersection over union of a match, above 0 and at most 1.

    Raises:
        EvaluationError: `iou` is out of range.
    """
    if not 0 < iou <= 1:
        raise EvaluationError(f"IoU is {iou}; give a value above 0 and at most 1")
    rows, columns, overlaps = _overlapping(detected, true)
    good = np.flatnonzero(overlaps >= iou)
    taken_rows: set[int] = set()
    taken_columns: set[int] = set()
    for pair in good[np.argsort(-overlaps[good], kind="stable")]:
        row, column = int(rows[pair]), int(columns[pair])
        if row not in taken_rows and column not in taken_columns:
            taken_rows.add(row)
            taken_columns.add(column)
    return EventScores(iou, len(taken_rows), len(detected), len(true))


def false_alarms_per_hour(
    frames: ScoredFrames, *, true: Spans, recall: float, fps: float
) -> AlarmRate:
    """False alarms per hour of video at the highest threshold that finds enough events.

    A true event is found when one of its frames scores at least the threshold. A false alarm is
    a stretch of such frames that touches no abnormal frame.

    Raises:
        EvaluationError: no event is true, or recall is not above 0 and at most 1.
    """
    if not 0 < recall <= 1 or not len(true):
        raise EvaluationError(
            f"recall is {recall} and there are {len(true)} true events; give a recall above 0 "
            "and at most 1, and at least one event"
        )
    peaks = np.array([frames.scores[start:end].max() for start, end in true])
    needed = math.ceil(recall * len(peaks) - 1e-9)
    threshold = float(np.sort(peaks)[-needed])
    stretches = runs(frames.scores >= threshold, frames.offsets)
    touched = np.concatenate(([0], np.cumsum(frames.labels)))
    alarms = int((touched[stretches[:, 1]] == touched[stretches[:, 0]]).sum())
    hours = len(frames.scores) / fps / 3600
    reached = float((peaks >= threshold).mean())
    return AlarmRate(recall, reached, threshold, alarms, alarms / hours)


def _overlapping(
    a: Spans, b: Spans
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of spans that share a frame, and their IoU. `b` may overlap itself."""
    rows, columns = np.nonzero((a[:, None, 0] < b[None, :, 1]) & (b[None, :, 0] < a[:, None, 1]))
    shared = np.minimum(a[rows, 1], b[columns, 1]) - np.maximum(a[rows, 0], b[columns, 0])
    union = (a[rows, 1] - a[rows, 0]) + (b[columns, 1] - b[columns, 0]) - shared
    return rows, columns, shared / union
