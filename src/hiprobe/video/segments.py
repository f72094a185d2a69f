"""Cut a video into segments with key frames, in memory that does not grow with its length."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor
from pathlib import Path

from hiprobe.errors import UsageError
from hiprobe.segment import (
    KEY_FRAMES,
    SEGMENT_FRAMES,
    Segment,
    check_segment_seconds,
    key_frame_positions,
)
from hiprobe.video.assemble import make_segment
from hiprobe.video.clip import read_clip, read_clip_and_outcome
from hiprobe.video.decode import DecodedFrame, FrameReader, Outcome
from hiprobe.video.pace import Pace
from hiprobe.video.thinning import Thinned

__all__ = ["SegmentReader", "read_clip", "read_clip_and_outcome", "read_segments"]

_KEPT_FRAMES = 32
"""Frames kept of a segment whose length is not known beforehand (at least 4 per key frame)."""


def read_segments(
    path: Path | str,
    *,
    segment_frames: int = SEGMENT_FRAMES,
    segment_seconds: float | None = None,
    key_frames: int = KEY_FRAMES,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    max_side_pixels: int | None = None,
) -> SegmentReader:
    """Segments of a video, read as a stream; nothing is decoded before the iteration.

    A segment holds `segment_frames` consecutive frames or, where `segment_seconds` is given,
    the frames of one window of that many seconds (a window without frames gives no segment).
    The last segment may be shorter. A segment ends where the next one starts; the last ends
    with the duration of its last frame. So does one before a gap (`hiprobe.video.pace` says what
    is one), which may be shorter too: no segment spans a gap. Key frames are shrunk to
    `max_side_pixels` if given.

    Raises:
        UsageError: a number is below 1, or the stretch is empty.
        VideoError: while iterating, where the file cannot be read.
    """
    return SegmentReader(
        FrameReader(path, start_seconds=start_seconds, end_seconds=end_seconds),
        segment_frames=segment_frames,
        segment_seconds=segment_seconds,
        key_frames=key_frames,
        max_side_pixels=max_side_pixels,
    )


class SegmentReader:
    """Iterates over the segments of one video; see `read_segments`.

    Attributes:
        outcome: None until the end, then "end", or "truncated" where the file broke off.
        frame_count: frames decoded so far, within the stretch.
    """

    def __init__(
        self,
        frames: FrameReader,
        *,
        segment_frames: int,
        segment_seconds: float | None,
        key_frames: int,
        max_side_pixels: int | None,
    ) -> None:
        _check_counts(segment_frames, key_frames, max_side_pixels)
        check_segment_seconds(segment_seconds)
        self._frames = frames
        self._segment_frames = segment_frames
        self._segment_seconds = segment_seconds
        self._key_frames = key_frames
        self._max_side_pixels = max_side_pixels
        self.held_frames = 0

    @property
    def path(self) -> Path:
        """The video."""
        return self._frames.path

    @property
    def outcome(self) -> Outcome | None:
        """How reading ended; None while it goes on."""
        return self._frames.outcome

    @property
    def frame_count(self) -> int:
        """Frames decoded so far."""
        return self._frames.frame_count

    def __iter__(self) -> Iterator[Segment]:
        pace = Pace(self._frames.path, max_pixels=self._frames.max_pixels)
        stretch, index = self._new_stretch(), 0
        for frame in self._frames:
            is_cut = pace.is_after_gap(frame)
            if stretch.count and (is_cut or self._is_full(stretch, frame)):
                following = None if is_cut else frame
                yield self._segment(stretch, index=index, following=following, pace=pace)
                stretch, index = self._new_stretch(), index + 1
            stretch.add(frame)
            self.held_frames = len(stretch.kept)
        if stretch.count:
            yield self._segment(stretch, index=index, following=None, pace=pace)

    def _is_full(self, stretch: Thinned, following: DecodedFrame) -> bool:
        """Whether a frame belongs to the next segment, by their number or by the clock."""
        if self._segment_seconds is None:
            return stretch.count == self._segment_frames
        windows = (self._window_of(f, self._segment_seconds) for f in (stretch.first, following))
        return len(set(windows)) > 1

    def _window_of(self, frame: DecodedFrame, segment_seconds: float) -> int:
        # Rounding times to 1 ns keeps a frame at 0.3 s out of the window that ends at 3 * 0.1 s.
        elapsed = frame.seconds - (self._frames.start_seconds or 0.0)
        return floor(round(elapsed / segment_seconds, 9))

    def _new_stretch(self) -> Thinned:
        pinned: tuple[int, ...] = ()
        if self._segment_seconds is None:
            pinned = key_frame_positions(
                frame_count=self._segment_frames, key_frames=self._key_frames
            )
        return Thinned(
            limit=max(_KEPT_FRAMES, 4 * self._key_frames),
            pinned=frozenset(pinned),
            max_side_pixels=self._max_side_pixels,
        )

    def _segment(
        self, stretch: Thinned, *, index: int, following: DecodedFrame | None, pace: Pace
    ) -> Segment:
        shown = stretch.key_frames(self._key_frames)
        return make_segment(
            shown,
            index=index,
            first=stretch.first,
            last=stretch.last,
            frame_count=stretch.count,
            following=following,
            last_seconds=pace.shown_seconds(stretch.last) if following is None else None,
            max_side_pixels=self._max_side_pixels,
        )


def _check_counts(segment_frames: int, key_frames: int, max_side_pixels: int | None) -> None:
    counts = {"segment_frames": segment_frames, "key_frames": key_frames}
    if max_side_pixels is not None:
        counts["max_side_pixels"] = max_side_pixels
    for name, value in counts.items():
        if value < 1:
            raise UsageError(f"{name} is {value}; give at least 1")
