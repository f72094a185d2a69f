"""Segment: a stretch of one video with its key frames, and the gaps between segments."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiprobe.errors import UsageError
from hiprobe.paper import KEY_FRAMES

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


Frame = NDArray[np.uint8]
"""One picture: uint8 RGB, shape [height, width, 3], already turned upright."""

SEGMENT_SECONDS_RANGE = (0.001, 86_400.0)
"""Least and greatest length of a segment in seconds: shorter than any frame, and a day."""


def check_segment_seconds(seconds: float | None) -> None:
    """Refuse a length that no segment can have; None is a number of frames.

    Raises:
        UsageError: not finite or out of `SEGMENT_SECONDS_RANGE`.
    """
    low, high = SEGMENT_SECONDS_RANGE
    if seconds is not None and not low <= seconds <= high:
        raise UsageError(f"segment_seconds is {seconds}; give {low:g} to {high:,.0f} seconds")


def key_frame_positions(*, frame_count: int, key_frames: int = KEY_FRAMES) -> tuple[int, ...]:
    """Positions of K key frames in a stretch: the centres of K equal bins.

    A stretch shorter than K repeats frames, so that a backbone always sees K of them.

    Raises:
        UsageError: `frame_count` or `key_frames` is below 1.
    """
    if frame_count < 1 or key_frames < 1:
        raise UsageError(
            f"cannot take {key_frames} key frames of {frame_count} frames: both must be at least 1"
        )
    return tuple((2 * k + 1) * frame_count // (2 * key_frames) for k in range(key_frames))


@dataclass(frozen=True)
class Segment:
    """Consecutive frames of one video, half-open in time: `[start_seconds, end_seconds)`.

    Times come from presentation timestamps. `start_pts` and `end_pts` are in units of
    `time_base_seconds`. `frames` are the K key frames in order of time, `frame_seconds` their
    times; the same array object may occur twice when the stretch is shorter than K.
    """

    index: int
    start_seconds: float
    end_seconds: float
    start_pts: int
    end_pts: int
    time_base_seconds: float
    first_frame: int
    frame_count: int
    frames: tuple[Frame, ...]
    frame_seconds: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.end_seconds > self.start_seconds:
            raise UsageError(
                f"segment {self.index} ends at {self.end_seconds} s, not after its start "
                f"{self.start_seconds} s"
            )
        if not self.frames or len(self.frames) != len(self.frame_seconds):
            raise UsageError(
                f"segment {self.index} has {len(self.frames)} key frames and "
                f"{len(self.frame_seconds)} times; it needs one time for each frame"
            )
        for frame in self.frames:
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
                raise UsageError(
                    f"a key frame is {frame.dtype} {frame.shape}; expected uint8 RGB "
                    "[height, width, 3]"
                )

    @property
    def duration_seconds(self) -> float:
        """Length of the segment in seconds."""
        return self.end_seconds - self.start_seconds

    @property
    def frame_offsets_seconds(self) -> tuple[float, ...]:
        """Times of the key frames from the start of the segment."""
        return tuple(seconds - self.start_seconds for seconds in self.frame_seconds)
