"""Frames of one growing segment, few of them held however long it becomes."""

from __future__ import annotations

from hiprobe.segment import key_frame_positions
from hiprobe.video.frame import DecodedFrame, without_picture
from hiprobe.video.held import HeldBytes


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
