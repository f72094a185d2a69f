"""How a video becomes segments, what a segment is, and the gaps between segments."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiprobe.errors import UsageError
from hiprobe.paper import KEY_FRAMES, SEGMENT_FRAMES

# Key frames are shrunk to this longer side: backbones look at far less, memory holds them.
MAX_SIDE_PIXELS = 1280

# Least and greatest length of a segment in seconds: shorter than any frame, and a day.
SEGMENT_SECONDS_RANGE = (0.001, 86_400.0)

# Most windows over one frame: each of them costs a pass of the model over the same pictures.
MOST_WINDOWS = 256

# Counted up when segments of videos with gaps are cut in another way (`hiprobe.video.times`).
GAP_RULE = 1

# Counted up when other segments are taken for still ones (`hiprobe.video.still`).
STILL_RULE = 1


@dataclass(frozen=True)
class Stretch:
    """A half-open part of a video in seconds; None is an open end."""

    start_seconds: float | None = None
    end_seconds: float | None = None

    def __post_init__(self) -> None:
        start, end = self.start_seconds or 0.0, self.end_seconds
        if not 0 <= start < math.inf or (end is not None and not end > start):
            raise UsageError(
                f"the stretch from {self.start_seconds} to {end} s is empty or before the start; "
                "give 0 <= start < end"
            )


WHOLE = Stretch()

# What goes into a key of the cache of states, as JSON values.
KeyParts = dict[str, str | int | float | None]


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How a video becomes segments with key frames.

    The readers of videos take it, the key of cached states holds it, and it is kept with states
    and in a probe, so that other videos are cut in the same way.

    Attributes:
        segment_frames: frames of a segment; not used where `segment_seconds` is given.
        segment_seconds: length of a segment in seconds, for cameras of few frames a second; None
            for a number of frames.
        hop_frames, hop_seconds: a window of a segment's length begins so often, by the number of
            frames or by the clock; None for both where segments follow one another. A hop of the
            segment's own length is the same as none, and becomes None.
        key_frames: K, frames shown to the backbone for one segment or clip.
        max_side_pixels: key frames are shrunk to this longer side; None keeps them as they are.

    Raises:
        UsageError: a number is out of its range, or the hop does not go with the length.
    """

    segment_frames: int = SEGMENT_FRAMES
    segment_seconds: float | None = None
    key_frames: int = KEY_FRAMES
    max_side_pixels: int | None = MAX_SIDE_PIXELS
    hop_frames: int | None = None
    hop_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("segment_frames", "key_frames", "max_side_pixels", "hop_frames"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}; give 1 or more")
        low, high = SEGMENT_SECONDS_RANGE
        if self.segment_seconds is not None and not low <= self.segment_seconds <= high:
            raise UsageError(
                f"segment_seconds is {self.segment_seconds}; give {low:g} to {high:,.0f} seconds"
            )
        if self.hop_seconds is not None and not low <= self.hop_seconds <= high:
            raise UsageError(f"hop_seconds is {self.hop_seconds}; give {low:g} to {high:,.0f}")
        self._check_hop()

    def _check_hop(self) -> None:
        """Where length and hop are in one unit; the reader of a video checks frames by seconds."""
        if self.hop_frames is not None:
            if self.hop_seconds is not None or self.segment_seconds is not None:
                raise UsageError(
                    f"hop_frames is {self.hop_frames}, and the other lengths are in seconds; give "
                    "hop_seconds"
                )
            name, hop, length = "hop_frames", float(self.hop_frames), float(self.segment_frames)
        elif self.hop_seconds is not None and self.segment_seconds is not None:
            name, hop, length = "hop_seconds", self.hop_seconds, self.segment_seconds
        else:
            return
        check_hop(hop, length, named=f"{name} is {hop:g}")
        if hop == length:
            object.__setattr__(self, name, None)

    @property
    def overlaps(self) -> bool:
        """Whether a frame may lie in several segments."""
        return self.hop_frames is not None or self.hop_seconds is not None

    @property
    def segment_words(self) -> str:
        """Length of a segment, in words, and how often one begins where they overlap."""
        seconds = self.segment_seconds
        length = f"{self.segment_frames} frames" if seconds is None else f"{seconds:g} s"
        if self.hop_frames is not None:
            return f"{length}, one every {self.hop_frames} frames"
        return length if self.hop_seconds is None else f"{length}, one every {self.hop_seconds:g} s"

    def segment_count(self, *, frame_count: int, seconds: float) -> int:
        """Segments of a video without gaps; where they overlap, until one reaches the end.

        Args:
            frame_count: frames of the video, or of its stretch.
            seconds: its length, which gives the frame rate where segments are cut by the clock.
        """
        if self.segment_seconds is None and self.hop_seconds is None:
            hop_frames = self.hop_frames or self.segment_frames
            return window_count(frame_count, self.segment_frames, hop_frames)
        length = self.segment_seconds or seconds / frame_count * self.segment_frames
        found = window_count(seconds, length, self.hop_seconds or length)
        return min(frame_count, found)  # A window without a frame gives no segment.

    @property
    def words(self) -> str:
        """All of it in words; those of two cuts are equal where they give the same segments."""
        side = self.max_side_pixels
        shrunk = "whole pictures" if side is None else f"pictures of at most {side} pixels"
        return f"segments of {self.segment_words} with {self.key_frames} key frames, {shrunk}"

    def key_parts(self, unit: str, stretch: Stretch) -> KeyParts:
        """What of it decides the frames that the backbone sees: part of the key of cached states.

        The values are written as they were given: 2 and 2.0 seconds have different keys. Changing
        any of this orphans all states that users have cached.

        Args:
            unit: "segments", or "clip" for key frames over the whole stretch.
            stretch: the part of the video that is read.
        """
        # The key frames of a whole clip have no part in the rule of gaps: its key stays as it is.
        rule: KeyParts = {"gaps": GAP_RULE} if unit == "segments" else {}
        return self.key_parts_without_gaps(unit, stretch) | rule

    def key_parts_without_gaps(self, unit: str, stretch: Stretch) -> KeyParts:
        """The same before segments were cut at gaps; older states are found under it."""
        by_frames = unit == "segments" and self.segment_seconds is None
        # Only where there is one: the keys from before hops were known stay as they are.
        hops = {"hop_frames": self.hop_frames, "hop_seconds": self.hop_seconds}
        own: KeyParts = {n: v for n, v in hops.items() if v is not None and unit == "segments"}
        return own | {
            "unit": unit,
            "key_frames": self.key_frames,
            "start_seconds": stretch.start_seconds,
            "end_seconds": stretch.end_seconds,
            "max_side_pixels": self.max_side_pixels,
            "segment_frames": self.segment_frames if by_frames else None,
            "segment_seconds": self.segment_seconds if unit == "segments" else None,
        }


def size_within(size: tuple[int, int], max_side_pixels: int | None) -> tuple[int, int]:
    """The two sides of a key frame, in either order, once shrunk to this longer side."""
    longest = max(size)
    if max_side_pixels is None or longest <= max_side_pixels:
        return size
    scale = max_side_pixels / longest
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def window_count(whole: float, length: float, hop: float) -> int:
    """How many windows there are until one reaches the end; all in frames, or all in seconds."""
    return 1 + max(0, -int(-(whole - length) // hop))


def check_hop(hop: float, length: float, *, named: str) -> None:
    """Refuse a hop that leaves frames out, or makes more windows than anyone can have read.

    Args:
        hop, length: in the same unit.
        named: how the message begins.

    Raises:
        UsageError: the hop is longer than the length, or far shorter.
    """
    if hop > length:
        raise UsageError(
            f"{named}, and a segment's length {length:g}: frames between two windows would be "
            f"left out; give {length:g} or less"
        )
    if hop * MOST_WINDOWS < length:
        raise UsageError(
            f"{named}, and a segment's length {length:g}: each frame would lie in more than "
            f"{MOST_WINDOWS} windows; give {length / MOST_WINDOWS:.4g} or more"
        )


# Segments this near to each other touch: times in files are rounded.
TOUCH_SECONDS = 1e-3

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
    """How much time the segments cover, without the gaps; what several share counts once."""
    start, end = _times(start_seconds, end_seconds)
    following = np.append(start[1:], np.inf)
    return float((np.minimum(end, following) - start).sum())


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


# One picture: uint8 RGB, shape [height, width, 3], already turned upright.
Frame = NDArray[np.uint8]


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
    times; the same array object may occur twice when the stretch is shorter than K. A segment
    that `is_still` shows the very pictures of the one before it (`hiprobe.video.still`).
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
    is_still: bool = False

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
