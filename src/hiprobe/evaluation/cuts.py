"""Segments that contain a cut of a joined video, measured apart from the others.

A cut is itself a change, so a scorer that only feels changes would look good on a video in which
every event begins with one. How it scores cuts between two normal clips shows whether it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.metrics import roc_auc
from hiprobe.timeline import Timeline

Span = tuple[float, float]

# A cut this near to the edge of a segment or of an event lies on it.
TOUCH_SECONDS = 1e-3

_Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class CutMeasures:
    """Segments of one joined video against its truth, with and without those that hold a cut.

    A segment counts as anomalous where at least half of its time lies in the truth, and as an
    alarm where its smoothed score lies above the threshold. Segments without a score are left
    out.

    Attributes:
        segments, straddling: all that are scored, and those with a cut inside.
        auc, auc_without_straddling: ROC-AUC of the smoothed score over segments; None where
            one class is absent.
        normal_segments, normal_straddling: normal segments, and those with a cut inside.
        false_alarms, false_alarms_straddling: alarms among the same.
        normal_cuts, normal_cuts_alarmed: cuts between two normal clips, and those at which a
            segment that holds the cut, or begins with it, gives an alarm.
        event_cuts, event_cuts_alarmed: the same of cuts at which an event begins or ends.
    """

    segments: int
    straddling: int
    auc: float | None
    auc_without_straddling: float | None
    normal_segments: int
    normal_straddling: int
    false_alarms: int
    false_alarms_straddling: int
    normal_cuts: int
    normal_cuts_alarmed: int
    event_cuts: int
    event_cuts_alarmed: int

    def to_json(self) -> dict[str, Any]:
        """All counts by name."""
        return asdict(self)

    def sentences(self) -> tuple[str, ...]:
        """The same in words."""
        return (
            f"AUC over segments {_number(self.auc)}; without the {self.straddling} of "
            f"{self.segments} that contain a join {_number(self.auc_without_straddling)}",
            f"false alarms: {self.false_alarms} of {self.normal_segments} normal segments, of "
            f"which {self.false_alarms_straddling} contain a join of two clips (as do "
            f"{self.normal_straddling} of all normal segments)",
            f"alarms at joins: {self.normal_cuts_alarmed} of {self.normal_cuts} between two normal "
            f"clips, {self.event_cuts_alarmed} of {self.event_cuts} at the edge of an event",
        )


def measure_cuts(
    timeline: Timeline, *, truth_spans: Sequence[Span], cuts_seconds: Sequence[float]
) -> CutMeasures:
    """Measure a scored joined video.

    Args:
        timeline: its segments with their smoothed scores, and the threshold of alarms.
        truth_spans: anomalous stretches, half-open, in seconds.
        cuts_seconds: moments at which one clip ends and the next begins.
    """
    scored = np.isfinite(timeline.smoothed)
    start, end = timeline.start_seconds[scored], timeline.end_seconds[scored]
    score = timeline.smoothed[scored]
    truth = _mostly_inside(start, end, truth_spans)
    cuts = np.array(cuts_seconds, dtype=np.float64)[:, None]
    # Arrays of cuts by segments: a joined video has a few dozen cuts.
    goes_on = cuts < end - TOUCH_SECONDS
    straddling = ((start + TOUCH_SECONDS < cuts) & goes_on).any(axis=0)
    alarm = score > timeline.threshold
    # Here a segment that begins with the cut counts too.
    alarmed = ((start - TOUCH_SECONDS < cuts) & goes_on & alarm).any(axis=1)
    edges = np.array(truth_spans, dtype=np.float64).ravel()
    at_event = (np.abs(cuts - edges) < TOUCH_SECONDS).any(axis=1)
    return CutMeasures(
        segments=len(score),
        straddling=int(straddling.sum()),
        auc=_auc(score, truth),
        auc_without_straddling=_auc(score[~straddling], truth[~straddling]),
        normal_segments=int((~truth).sum()),
        normal_straddling=int((~truth & straddling).sum()),
        false_alarms=int((~truth & alarm).sum()),
        false_alarms_straddling=int((~truth & alarm & straddling).sum()),
        normal_cuts=int((~at_event).sum()),
        normal_cuts_alarmed=int((alarmed & ~at_event).sum()),
        event_cuts=int(at_event.sum()),
        event_cuts_alarmed=int((alarmed & at_event).sum()),
    )


def _mostly_inside(
    start: NDArray[np.float64], end: NDArray[np.float64], spans: Sequence[Span]
) -> _Bools:
    """Segments of which at least half lies in spans that do not overlap."""
    inside = np.zeros(len(start))
    for low, high in spans:
        inside += np.clip(np.minimum(end, high) - np.maximum(start, low), 0.0, None)
    return np.asarray(inside >= (end - start) / 2, dtype=np.bool_)


def _auc(scores: NDArray[np.float64], truth: _Bools) -> float | None:
    try:
        return roc_auc(scores, truth)
    except EvaluationError:  # one class only
        return None


def _number(area: float | None) -> str:
    return "undefined (one class only)" if area is None else f"{area:.3f}"
