"""From windows that overlap to spans that do not: the one place where a frame gets one score.

Whether windows overlap is seen in their times, so that states need to say nothing of it. Scores
of segments that follow one another pass as they are. What comes out, half-open spans in order,
is read by all that follows as segments are.

A frame's score is the mean of the windows over it or, causal, that of the last window that ended
before it. The windows between two gaps, a piece, are taken by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiprobe.segment import TOUCH_SECONDS, pieces
from hiprobe.timeline import Overlap

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SpanScores:
    """Scores of spans that touch or have a gap between them.

    Attributes:
        start_seconds, end_seconds: float64 `[spans]`, half-open, in order.
        scores: float64 `[spans]`; NaN where all windows failed or, causal, before the first window
            of a piece has ended.
        overlap: how windows became spans; "none" where they were spans already.
    """

    start_seconds: _Floats
    end_seconds: _Floats
    scores: _Floats
    overlap: Overlap


def spans_of_windows(
    start_seconds: ArrayLike, end_seconds: ArrayLike, scores: ArrayLike, *, is_causal: bool
) -> SpanScores:
    """One score for each moment, from windows that may overlap.

    Causal, the last window of a piece has no frame after it, so no span has its score. A piece in
    which no window ends before it does, of one window as a rule, keeps the mean of its windows: it
    would have no score at all otherwise.

    Args:
        start_seconds, end_seconds, scores: `[windows]`, in order of time; NaN where the backbone
            gave up.
        is_causal: no frame's score depends on what comes after it.
    """
    start, end, values = (
        np.asarray(a, dtype=np.float64) for a in (start_seconds, end_seconds, scores)
    )
    if not (start[1:] < end[:-1] - TOUCH_SECONDS).any():
        return SpanScores(start, end, values, "none")
    end = np.maximum.accumulate(end)
    resolve = _last_ended if is_causal else _means
    parts = [resolve(start[p], end[p], values[p]) for p in pieces(start, end)]
    edges, found = zip(*parts, strict=True)
    return SpanScores(
        start_seconds=np.concatenate([e[:-1] for e in edges]),
        end_seconds=np.concatenate([e[1:] for e in edges]),
        scores=np.concatenate(found),
        overlap="last" if is_causal else "mean",
    )


def _means(start: _Floats, end: _Floats, values: _Floats) -> tuple[_Floats, _Floats]:
    """Edges `[spans + 1]` and scores `[spans]` of a piece: each edge of a window is one."""
    edges = np.unique(np.concatenate([start, end]))
    first = np.searchsorted(end, edges[:-1], side="right")
    stop = np.searchsorted(start, edges[:-1], side="right")
    known = np.isfinite(values)
    # Sums of slices, not differences of running sums: those would leave a rest of the last digits.
    slices = np.stack([first, stop], axis=1).ravel()
    total, count = (
        np.add.reduceat(np.append(column, 0.0), slices)[::2]
        for column in (np.where(known, values, 0.0), known.astype(np.float64))
    )
    return edges, np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def _last_ended(start: _Floats, end: _Floats, values: _Floats) -> tuple[_Floats, _Floats]:
    """As `_means`: nothing, then each window's score from its end to that of the next."""
    if not end[0] < end[-1]:
        return np.array([start[0], end[-1]]), np.array([_mean(values)])
    ends = np.unique(end)
    # Of windows that end together, the last one to begin.
    last = np.searchsorted(end, ends[:-1], side="right") - 1
    return np.concatenate([start[:1], ends]), np.concatenate([[np.nan], values[last]])


def _mean(values: _Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
