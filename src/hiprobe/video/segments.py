"""Segments of a video: consecutive frames with their key frames, read as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, inf
from pathlib import Path

from hiprobe.errors import UsageError, VideoError
from hiprobe.paper import KEY_FRAMES, SEGMENT_FRAMES
from hiprobe.segment import WHOLE, Cut, Segment, Stretch, key_frame_positions
from hiprobe.video.clip import PickedFrames, make_segment, read_clip_and_outcome
from hiprobe.video.decode import FrameReader, Outcome
from hiprobe.video.frames import DecodedFrame, HeldBytes, without_picture
from hiprobe.video.times import Pace
from hiprobe.video.video_info import video_info


class Thinned:
    """Frames of one growing segment, thinned out so that few of them are held.

    Every `step`-th frame is kept, and the step doubles when more than `limit` would be held;
    `pinned` positions, where the key frames of a full segment lie, are never dropped. So a key
    frame is exact up to `limit` frames and in full segments of known length, and otherwise
    off by at most half a step, an eighth of the distance between key frames. Pictures beyond
    the budget in bytes are held shrunk to `max_side_pixels`, as they will be shown; where they
    are still too large, fewer are held.
    """

    def __init__(
        self, *, limit: int, pinned: frozenset[int], max_side_pixels: int | None = None
    ) -> None:
        self._limit = limit
        self._budget = HeldBytes(max_side_pixels)
        self._pinned = pinned
        self._step = 1
        self.kept: dict[int, DecodedFrame] = {}
        self.count = 0

    def add(self, frame: DecodedFrame) -> None:
        """Take the next frame; it is kept, or counted only."""
        self.last = without_picture(frame)
        if not self.count:
            self.first = self.last
        if self._is_kept(self.count):
            self.kept[self.count] = self._budget.taken(frame, beside=self.kept.values())
        self.count += 1
        if len(self.kept) > self._most():
            self._step *= 2
            self.kept = {i: f for i, f in self.kept.items() if self._is_kept(i)}

    def _most(self) -> int:
        limit = self._limit
        if self._budget.is_far_exceeded(self.kept.values()):
            limit //= 2
        return limit + len(self._pinned)

    def _is_kept(self, position: int) -> bool:
        return position % self._step == 0 or position in self._pinned

    def key_frames(self, count: int) -> list[DecodedFrame]:
        """The kept frames nearest to the centres of `count` equal bins."""
        wanted = key_frame_positions(frame_count=self.count, key_frames=count)
        return [self._nearest(position) for position in wanted]

    def _nearest(self, position: int) -> DecodedFrame:
        return self.kept[min(self.kept, key=lambda i: abs(i - position))]


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
    with the duration of its last frame. So does one before a gap (`hiprobe.video.times` says what
    is one), which may be shorter too: no segment spans a gap. Key frames are shrunk to
    `max_side_pixels` if given.

    Raises:
        UsageError: a number is below 1, or the stretch is empty.
        VideoError: while iterating, where the file cannot be read.
    """
    cut = Cut(
        segment_frames=segment_frames,
        segment_seconds=segment_seconds,
        key_frames=key_frames,
        max_side_pixels=max_side_pixels,
    )
    return SegmentReader(path, cut, Stretch(start_seconds, end_seconds))


class SegmentReader:
    """Iterates over the segments of one video, or of a stretch of it; see `read_segments`.

    Attributes:
        outcome: None until the end, then "end", or "truncated" where the file broke off.
        frame_count: frames decoded so far, within the stretch.
    """

    def __init__(self, path: Path | str, cut: Cut, stretch: Stretch = WHOLE) -> None:
        self._frames = self._frames_of(path, stretch)
        self._cut = cut
        self.held_frames = 0

    @staticmethod
    def _frames_of(path: Path | str, stretch: Stretch) -> FrameReader:
        return FrameReader(
            path, start_seconds=stretch.start_seconds, end_seconds=stretch.end_seconds
        )

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
        seconds = self._cut.segment_seconds
        if seconds is None:
            return stretch.count == self._cut.segment_frames
        windows = (self._window_of(f, seconds) for f in (stretch.first, following))
        return len(set(windows)) > 1

    def _window_of(self, frame: DecodedFrame, segment_seconds: float) -> int:
        # Rounding times to 1 ns keeps a frame at 0.3 s out of the window that ends at 3 * 0.1 s.
        elapsed = frame.seconds - (self._frames.start_seconds or 0.0)
        return floor(round(elapsed / segment_seconds, 9))

    def _new_stretch(self) -> Thinned:
        pinned: tuple[int, ...] = ()
        if self._cut.segment_seconds is None:
            pinned = key_frame_positions(
                frame_count=self._cut.segment_frames, key_frames=self._cut.key_frames
            )
        return Thinned(
            limit=max(_KEPT_FRAMES, 4 * self._cut.key_frames),
            pinned=frozenset(pinned),
            max_side_pixels=self._cut.max_side_pixels,
        )

    def _segment(
        self, stretch: Thinned, *, index: int, following: DecodedFrame | None, pace: Pace
    ) -> Segment:
        shown = stretch.key_frames(self._cut.key_frames)
        return make_segment(
            shown,
            index=index,
            first=stretch.first,
            last=stretch.last,
            frame_count=stretch.count,
            following=following,
            last_seconds=pace.shown_seconds(stretch.last) if following is None else None,
            max_side_pixels=self._cut.max_side_pixels,
        )


class ClipAndSegments(SegmentReader):
    """Iterates over the segments; `whole` gives the clip as one segment afterwards.

    Both hold the same frames, bit for bit, as `read_segments` and `read_clip` give. The frames
    are counted from the packets before, so that the clip's key frames are known when they come
    by; they and the timestamps are what memory holds beyond the segments. Where the packets do
    not tell the frames (interlaced fields, damage), `whole` decodes the clip again. A damaged
    packet in which no key frame lies counts as a frame there, as in `read_clip`; `outcome` tells
    of any damage.

    Raises:
        UsageError, VideoError: as `read_segments`.
    """

    _frames: _Watched

    @staticmethod
    def _frames_of(path: Path | str, stretch: Stretch) -> FrameReader:
        return _Watched(path, start_seconds=stretch.start_seconds, end_seconds=stretch.end_seconds)

    def __iter__(self) -> Iterator[Segment]:
        self._frames.picked = PickedFrames(self._frames, self._cut)
        yield from super().__iter__()

    def whole(self) -> tuple[Segment, Outcome]:
        """The whole clip, after the iteration, and whether it was whole or broke off."""
        picked = self._frames.picked
        found = picked.segment() if picked else None
        if found is not None:
            return found
        stretch = Stretch(self._frames.start_seconds, self._frames.end_seconds)
        return read_clip_and_outcome(self.path, self._cut, stretch)


class _Watched(FrameReader):
    """Shows every frame to the picker before it is handed out."""

    picked: PickedFrames | None = None  # made anew for each iteration

    def __iter__(self) -> Iterator[DecodedFrame]:
        for frame in super().__iter__():
            if self.picked is not None:
                self.picked.see(frame)
            yield frame


@dataclass(frozen=True)
class SpreadSegments:
    """Segments that begin at some times of a video; each iteration reads them anew.

    Attributes:
        starts_seconds: where they begin, ascending.
        cut: how each is cut.
    """

    path: Path
    starts_seconds: tuple[float, ...]
    cut: Cut

    def __len__(self) -> int:
        return len(self.starts_seconds)

    def __iter__(self) -> Iterator[Segment]:
        """The segments in order.

        Raises:
            VideoError: the video cannot be read.
        """
        reached = -inf
        for position, start in enumerate(self.starts_seconds):
            try:
                segment = next(iter(SegmentReader(self.path, self.cut, Stretch(start or None))))
            except VideoError:
                if position == 0:
                    raise
                return  # shorter than its header says
            # From all starts in a gap the same segment follows.
            if segment.start_seconds > reached:
                yield segment
            reached = segment.start_seconds


def spread_segments(path: Path, cut: Cut, *, count: int) -> SpreadSegments:
    """Plan up to `count` segments, in the middles of as many equal parts of the video.

    A video with room for fewer gives fewer, so that none is read twice; one whose header does
    not say how long it is gives its first.

    Raises:
        UsageError: `count` is below 1.
        VideoError: the video cannot be read.
    """
    if count < 1:
        raise UsageError(f"cannot spread {count} segments; give 1 or more")
    info = video_info(path)
    duration, fps = info.duration_seconds_from_header, info.fps_from_header
    length = cut.segment_seconds or (cut.segment_frames / fps if fps else None)
    starts: tuple[float, ...] = (0.0,)
    if duration and length:
        fitting = min(count, max(1, int(duration / length)))
        part = duration / fitting
        starts = tuple(max(0.0, (n + 0.5) * part - length / 2) for n in range(fitting))
    return SpreadSegments(path, starts, cut)
