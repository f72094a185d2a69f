"""Segments of a video: consecutive frames with their key frames, read as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from hiprobe.errors import UsageError, VideoError
from hiprobe.paper import KEY_FRAMES, SEGMENT_FRAMES
from hiprobe.segment import WHOLE, Cut, Segment, Stretch
from hiprobe.video.clip import PickedFrames, make_segment, read_clip_and_outcome
from hiprobe.video.decode import FrameReader, Outcome
from hiprobe.video.frames import DecodedFrame, without_picture
from hiprobe.video.open_windows import OpenWindows, Thinned, check_hop_of
from hiprobe.video.times import Pace
from hiprobe.video.video_info import video_info


def read_segments(
    path: Path | str,
    *,
    segment_frames: int = SEGMENT_FRAMES,
    segment_seconds: float | None = None,
    key_frames: int = KEY_FRAMES,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    max_side_pixels: int | None = None,
    hop_frames: int | None = None,
    hop_seconds: float | None = None,
) -> SegmentReader:
    """Segments of a video, read as a stream; nothing is decoded before the iteration.

    A segment holds `segment_frames` consecutive frames or, where `segment_seconds` is given,
    the frames of one window of that many seconds (a window without frames gives no segment).
    The last segment may be shorter. A segment ends where the next one starts; the last ends
    with the duration of its last frame. So does one before a gap (`hiprobe.video.times` says what
    is one), which may be shorter too: no segment spans a gap. Key frames are shrunk to
    `max_side_pixels` if given.

    With a hop, in frames or in seconds of the clock, a segment of that length begins so often, and
    segments overlap. The last one of the video, and of each stretch between gaps, is the first that
    reaches its end: later ones would hold nothing but a part of it.

    Raises:
        UsageError: a number is below 1, the hop does not go with the length, or the stretch is
            empty.
        VideoError: while iterating, where the file cannot be read, or a hop in seconds does not go
            with its frames.
    """
    cut = Cut(
        segment_frames=segment_frames,
        segment_seconds=segment_seconds,
        key_frames=key_frames,
        max_side_pixels=max_side_pixels,
        hop_frames=hop_frames,
        hop_seconds=hop_seconds,
    )
    return SegmentReader(path, cut, Stretch(start_seconds, end_seconds))


@dataclass(frozen=True)
class SegmentTimes:
    """A segment that was decoded, but whose pictures were not converted, since none is needed."""

    start_seconds: float
    end_seconds: float


class SegmentReader:
    """Iterates over the segments of one video, or of a stretch of it; see `read_segments`.

    Attributes:
        outcome: None until the end, then "end", or "truncated" where the file broke off.
        frame_count: frames decoded so far, within the stretch.
    """

    def __init__(self, path: Path | str, cut: Cut, stretch: Stretch = WHOLE) -> None:
        self._frames = self._frames_of(path, stretch)
        self._cut = cut
        self._windows: OpenWindows | None = None

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

    @property
    def held_frames(self) -> int:
        """Pictures held now."""
        return 0 if self._windows is None else self._windows.held_frames

    def __iter__(self) -> Iterator[Segment]:
        return (segment for segment in self.read() if isinstance(segment, Segment))

    def read(self, *, times_only: Sequence[range] = ()) -> Iterator[Segment | SegmentTimes]:
        """All segments in order; of some, by their numbers, the times alone.

        Segments that overlap share pictures, so that all of theirs are converted.

        Raises:
            VideoError: as the iteration does.
        """
        pace = Pace(self._frames.path, max_pixels=self._frames.max_pixels)
        windows = OpenWindows(self._cut, start_seconds=self._frames.start_seconds or 0.0)
        self._windows, index = windows, 0
        times_only = () if self._cut.overlaps else times_only
        for frame in self._frames:
            if pace.is_after_gap(frame):
                last = windows.end()
                if last is not None:
                    yield self._segment(windows, last, index=index, following=None, pace=pace)
                    index += 1
            for window in windows.full_before(frame):
                yield self._segment(windows, window, index=index, following=frame, pace=pace)
                index += 1
            if not frame.index:
                check_hop_of(self._cut, pace=pace, first=frame)
            is_shown = not any(index in numbers for numbers in times_only)
            windows.add(frame if is_shown else without_picture(frame))
        last = windows.end()
        if last is not None:
            yield self._segment(windows, last, index=index, following=None, pace=pace)

    def _segment(
        self,
        windows: OpenWindows,
        window: Thinned,
        *,
        index: int,
        following: DecodedFrame | None,
        pace: Pace,
    ) -> Segment | SegmentTimes:
        shown = windows.shown_of(window)
        last_seconds = pace.shown_seconds(window.last) if following is None else None
        if any(frame.picture is None and frame.pixels is None for frame in shown):
            end = window.last.seconds + (last_seconds or 0.0)
            return SegmentTimes(window.first.seconds, following.seconds if following else end)
        return make_segment(
            shown,
            index=index,
            first=window.first,
            last=window.last,
            frame_count=window.count,
            following=following,
            last_seconds=last_seconds,
            max_side_pixels=self._cut.max_side_pixels,
        )


class ClipAndSegments(SegmentReader):
    """Iterates over the segments; `whole` gives the clip as one segment afterwards.

    Both hold the same frames, bit for bit, as `read_segments` and `read_clip` give. The frames
    are counted from the packets before, so that the clip's key frames are known when they come
    by; they and the timestamps are what memory holds beyond the segments. Where the packets do
    not give the frames (interlaced fields, damage), `whole` decodes the clip again. A damaged
    packet in which no key frame lies counts as a frame there, as in `read_clip`; `outcome` says
    of any damage.

    Raises:
        UsageError, VideoError: as `read_segments`.
    """

    _frames: _WatchedFrames

    @staticmethod
    def _frames_of(path: Path | str, stretch: Stretch) -> FrameReader:
        return _WatchedFrames(
            path, start_seconds=stretch.start_seconds, end_seconds=stretch.end_seconds
        )

    def read(self, *, times_only: Sequence[range] = ()) -> Iterator[Segment | SegmentTimes]:
        """As of the segments; the clip's key frames are picked up from all of them."""
        self._frames.picked = PickedFrames(self._frames, self._cut)
        yield from super().read(times_only=times_only)

    def whole(self) -> tuple[Segment, Outcome]:
        """The whole clip, after the iteration, and whether it was whole or broke off."""
        picked = self._frames.picked
        found = picked.segment() if picked else None
        if found is not None:
            return found
        stretch = Stretch(self._frames.start_seconds, self._frames.end_seconds)
        return read_clip_and_outcome(self.path, self._cut, stretch)


class _WatchedFrames(FrameReader):
    """Shows every frame to the picker before it is handed out."""

    picked: PickedFrames | None = None  # a new one for each iteration

    def __iter__(self) -> Iterator[DecodedFrame]:
        for frame in super().__iter__():
            if self.picked is not None:
                self.picked.see(frame)
            yield frame


@dataclass(frozen=True)
class SpreadSegments:
    """Segments that begin at some times of a video; each iteration reads them again.

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
