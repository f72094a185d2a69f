"""Gaps between the segments of a video: stretches of time without pictures.

A segment ends where the next one starts, except before a gap, where it ends with its last frame.
So states and timelines hold their gaps in the times of their segments, and all that asks for gaps
asks here.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

TOUCH_SECONDS = 1e-3
"""Segments this near to each other touch: times in files are rounded."""

Span = tuple[float, float]


def after_gap(start_seconds: ArrayLike, end_seconds: ArrayLike) -> NDArray[np.bool_]:
    """Which segments begin behind a gap, bool `[segments]`; the first one never does.

    Args:
        start_seconds, end_seconds: `[segments]`, in order of time.
    """
    start, end = _times(start_seconds, end_seconds)
    found = np.zeros(len(start), dtype=np.bool_)
    found[1:] = start[1:] - end[:-1] > TOUCH_SECONDS
    return found


def gap_spans(start_seconds: ArrayLike, end_seconds: ArrayLike) -> tuple[Span, ...]:
    """The gaps, half-open, in seconds."""
    start, end = _times(start_seconds, end_seconds)
    behind = np.flatnonzero(after_gap(start, end))
    return tuple((float(end[i - 1]), float(start[i])) for i in behind)


def pieces(start_seconds: ArrayLike, end_seconds: ArrayLike) -> list[slice]:
    """Segments without a gap between them, as slices that together hold all segments."""
    start, end = _times(start_seconds, end_seconds)
    if not len(start):
        return []
    edges = [0, *np.flatnonzero(after_gap(start, end)).tolist(), len(start)]
    return [slice(a, b) for a, b in pairwise(edges)]


def covered_seconds(start_seconds: ArrayLike, end_seconds: ArrayLike) -> float:
    """How much time the segments cover, without the gaps."""
    start, end = _times(start_seconds, end_seconds)
    return float((end - start).sum())


def without_gaps(
    start_seconds: ArrayLike, end_seconds: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same segments on a clock that stands still in the gaps, as frames are counted."""
    start, end = _times(start_seconds, end_seconds)
    lengths = np.zeros(len(start))
    behind = np.flatnonzero(after_gap(start, end))
    lengths[behind] = start[behind] - end[behind - 1]
    skipped = np.cumsum(lengths)
    return start - skipped, end - skipped


def _times(start_seconds: Any, end_seconds: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.asarray(start_seconds, np.float64), np.asarray(end_seconds, np.float64)
