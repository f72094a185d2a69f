"""Windows that a video is in the middle of: the frames of each, thinned out, shared where they can.

Without a hop there is one at a time, and they follow one another as segments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from math import floor

from hiprobe.errors import UsageError, VideoError
from hiprobe.segment import Cut, check_hop, key_frame_positions
from hiprobe.video.frames import DecodedFrame, HeldBytes, without_picture
from hiprobe.video.times import Pace

# Frames kept of a window whose length is not known beforehand (at least 4 per key frame).
KEPT_FRAMES = 32

# Distances of frames in files are rounded: so far apart they still count as equal.
SAME_DISTANCE = 1e-3


class Thinned:
    """Frames of one growing window, thinned out so that few of them are held.

    Every `step`-th frame is kept, and the step doubles when more than `limit` would be held;
    `pinned` positions, where the key frames of a full window lie, are never dropped. So a key
    frame is exact up to `limit` frames and in full windows of known length, and otherwise
    off by at most half a step, an eighth of the distance between key frames.

    Attributes:
        tick: number of the hop in which it began, by the clock.
        kept: number of the frame in the reading -> the frame.
    """

    def __init__(
        self, first: DecodedFrame, *, tick: int, pinned: frozenset[int], is_shared: bool
    ) -> None:
        self.first = self.last = without_picture(first)
        self.tick = tick
        self.count = 0
        self.kept: dict[int, DecodedFrame] = {}
        self._pinned = pinned
        self._step = 1
        # Windows that overlap count from one frame, so that they keep the same ones.
        self._origin = 0 if is_shared else first.index

    def keeps(self, frame: DecodedFrame) -> bool:
        """Whether it needs the picture of a frame."""
        on_grid = (frame.index - self._origin) % self._step == 0
        return on_grid or frame.index - self.first.index in self._pinned

    def add(self, frame: DecodedFrame, *, limit: int) -> None:
        """Take the next frame, kept or counted only, and hold `limit` frames beside the pinned."""
        self.last = without_picture(frame)
        self.count += 1
        if self.keeps(frame):
            self.kept[frame.index] = frame
        if len(self.kept) > limit + len(self._pinned):
            self._step *= 2
            self.kept = {i: f for i, f in self.kept.items() if self.keeps(f)}

    def key_frames(self, count: int) -> list[DecodedFrame]:
        """The kept frames nearest to the centres of `count` equal bins."""
        wanted = key_frame_positions(frame_count=self.count, key_frames=count)
        return [self._nearest(self.first.index + position) for position in wanted]

    def _nearest(self, index: int) -> DecodedFrame:
        return self.kept[min(self.kept, key=lambda i: abs(i - index))]


class OpenWindows:
    """The windows of one piece of a video that have begun and are not full, oldest first.

    A picture that several of them keep is held once. Pictures beyond the budget in bytes are held
    shrunk to `max_side_pixels`, as they will be shown; where they are still too large, fewer are
    held.
    """

    def __init__(self, cut: Cut, *, start_seconds: float) -> None:
        self._cut = cut
        self._start_seconds = start_seconds
        self._budget = HeldBytes(cut.max_side_pixels)
        self._windows: deque[Thinned] = deque()
        self._position = 0
        self._tick: int | None = None
        self._pinned: frozenset[int] = frozenset()
        if cut.segment_seconds is None:
            length, count = cut.segment_frames, cut.key_frames
            self._pinned = frozenset(key_frame_positions(frame_count=length, key_frames=count))
        by_clock = cut.segment_seconds if not cut.overlaps else None
        self._hop_seconds = cut.hop_seconds or by_clock
        self._hop_frames = cut.hop_frames or cut.segment_frames

    @property
    def held_frames(self) -> int:
        """How many pictures are held."""
        return len(self._pictures())

    def add(self, frame: DecodedFrame) -> None:
        """Take the next frame, which may begin a window; the full ones are out by now."""
        tick = self._tick_of(frame)
        if self._begins(tick):
            is_shared = self._cut.overlaps
            self._windows.append(
                Thinned(frame, tick=tick, pinned=self._pinned, is_shared=is_shared)
            )
        self._position, self._tick = self._position + 1, tick
        held = self._pictures()
        if any(window.keeps(frame) for window in self._windows):
            frame = self._budget.taken(frame, beside=held)
        limit = max(KEPT_FRAMES, 4 * self._cut.key_frames)
        is_crowded = any(len(window.kept) >= limit // 2 for window in self._windows)
        if is_crowded and self._budget.is_far_exceeded(held):
            limit //= 2
        for window in self._windows:
            window.add(frame, limit=limit)

    def full_before(self, frame: DecodedFrame) -> Iterator[Thinned]:
        """Take out the windows to which the next frame no longer belongs."""
        while self._windows and self._is_full(self._windows[0], frame):
            yield self._windows.popleft()

    def end(self) -> Thinned | None:
        """The last window before a gap or the end, shorter or not; None without frames.

        It is the oldest one. The others end with it, so that it holds all of their frames.
        """
        last = self._windows[0] if self._windows else None
        self._windows.clear()
        self._position, self._tick = 0, None
        return last

    def shown_of(self, window: Thinned) -> list[DecodedFrame]:
        """The key frames of a window; one that another window holds too is converted for both."""
        shown = window.key_frames(self._cut.key_frames)
        for number, frame in enumerate(shown):
            holders = [w for w in self._windows if w.kept.get(frame.index) is frame]
            if holders and frame.pixels is None:
                frame = frame.shrunk(max_side_pixels=self._cut.max_side_pixels)
                for holder in holders:
                    holder.kept[frame.index] = frame
                shown[number] = frame
        return shown

    def _begins(self, tick: int) -> bool:
        if self._hop_seconds is None:
            return self._position % self._hop_frames == 0
        # Where frames come so fast that a window is full before the hop is over, none is left out.
        return tick != self._tick or not self._windows

    def _is_full(self, window: Thinned, following: DecodedFrame) -> bool:
        """Whether a frame is beyond a window, by their number or by the clock."""
        length = self._cut.segment_seconds
        if length is None:
            return window.count == self._cut.segment_frames
        hop = self._hop_seconds or length
        passed = (following.seconds - self._start_seconds) / length - window.tick * hop / length
        return round(passed, 9) >= 1

    def _tick_of(self, frame: DecodedFrame) -> int:
        if self._hop_seconds is None:
            return 0
        # Rounding times to 1 ns keeps a frame at 0.3 s out of the hop that ends at 3 * 0.1 s.
        return floor(round((frame.seconds - self._start_seconds) / self._hop_seconds, 9))

    def _pictures(self) -> Collection[DecodedFrame]:
        if len(self._windows) == 1:
            return self._windows[0].kept.values()
        return {i: f for window in self._windows for i, f in window.kept.items()}.values()


def check_hop_of(cut: Cut, *, pace: Pace, first: DecodedFrame) -> None:
    """Refuse a hop that does not go with the frames of a video.

    Args:
        cut: with a hop in seconds, or none.
        pace: knows how far the frames are apart.
        first: frame of the video.

    Raises:
        VideoError: the hop is shorter than the distance of two frames, or does not go with a
            length in frames.
    """
    hop = cut.hop_seconds
    if hop is None:
        return
    # The least one: a screen that stands still at first has other distances later.
    distance = min(pace.known_distances(), default=0.0)
    if hop < distance * (1 - SAME_DISTANCE):
        raise VideoError(
            f"hop_seconds is {hop:g}, and the frames of {first.path} are {distance:.4g} s apart: "
            "there would be more windows than frames; give that or more"
        )
    if cut.segment_seconds is None:
        length = cut.segment_frames * pace.usual_seconds(first) * (1 + SAME_DISTANCE)
        try:
            check_hop(hop, length, named=f"{first.path}: hop_seconds is {hop:g}")
        except UsageError as error:  # of this file alone: others have other rates
            raise VideoError(str(error)) from error
