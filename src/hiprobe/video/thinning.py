"""Frames of one growing segment, few of them held however long it becomes."""

from __future__ import annotations

from hiprobe.segment import key_frame_positions
from hiprobe.video.frame import DecodedFrame


class Thinned:
    """Frames of one growing segment, thinned out so that few of them are held.

    Every `step`-th frame is kept, and the step doubles when more than `limit` would be held;
    `pinned` positions, where the key frames of a full segment lie, are never dropped. So a key
    frame is exact up to `limit` frames and in full segments of known length, and otherwise
    off by at most half a step, an eighth of the distance between key frames.
    """

    def __init__(self, *, limit: int, pinned: frozenset[int]) -> None:
        self._limit = limit
        self._pinned = pinned
        self._step = 1
        self.kept: dict[int, DecodedFrame] = {}
        self.count = 0

    def add(self, frame: DecodedFrame) -> None:
        """Take the next frame; it is kept, or counted only."""
        if not self.count:
            self.first = frame
        self.last = frame
        if self._is_kept(self.count):
            self.kept[self.count] = frame
        self.count += 1
        if len(self.kept) > self._limit + len(self._pinned):
            self._step *= 2
            self.kept = {i: f for i, f in self.kept.items() if self._is_kept(i)}

    def _is_kept(self, position: int) -> bool:
        return position % self._step == 0 or position in self._pinned

    def key_frames(self, count: int) -> list[DecodedFrame]:
        """The kept frames nearest to the centres of `count` equal bins."""
        wanted = key_frame_positions(frame_count=self.count, key_frames=count)
        return [self._nearest(position) for position in wanted]

    def _nearest(self, position: int) -> DecodedFrame:
        return self.kept[min(self.kept, key=lambda i: abs(i - position))]
