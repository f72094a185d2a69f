"""Pick the key frames of a whole clip out of a pass over all of its frames."""

from __future__ import annotations

from dataclasses import dataclass

from hiprobe.segment import Segment, key_frame_positions
from hiprobe.video.assemble import make_segment
from hiprobe.video.decode import DecodedFrame, FrameReader, Outcome
from hiprobe.video.growth import FileStamp
from hiprobe.video.held import HeldBytes
from hiprobe.video.packets import mark_of, read_packets


@dataclass(frozen=True)
class _Plan:
    """Which frames are the clip's key frames, as far as its packets tell.

    Attributes:
        wanted: timestamps of the key frames or, where the packets have none, their numbers.
        by_number: which of both; numbers hold if there turn out to be `frame_count` frames.
        first, last: of the clip by the packets; None where they do not tell.
    """

    wanted: tuple[int, ...]
    by_number: bool
    frame_count: int
    first: DecodedFrame | None = None
    last: DecodedFrame | None = None
    is_cut: bool = False


class PickedFrames:
    """Keeps the key frames of a whole clip while its frames come by."""

    def __init__(
        self, stretch: FrameReader, key_frames: int, *, max_side_pixels: int | None
    ) -> None:
        self._stretch = stretch
        self._budget = HeldBytes(max_side_pixels)
        self._max_side_pixels = max_side_pixels
        self._key_frames = key_frames
        self._plan: _Plan | None = None
        self._stamp: FileStamp | None = None
        self._found: dict[int, DecodedFrame] = {}
        self._first: DecodedFrame | None = None
        self._last: DecodedFrame | None = None

    def see(self, frame: DecodedFrame) -> None:
        """Take the next frame of the stretch."""
        if self._first is None:
            self._first, self._plan = mark_of(frame, position=0), self._planned(frame)
        self._last = mark_of(frame, position=frame.index)
        if self._plan is not None:
            key = frame.index if self._plan.by_number else frame.pts
            if key in self._plan.wanted:
                self._found[key] = self._budget.taken(frame, beside=self._found.values())

    def segment(self) -> tuple[Segment, Outcome] | None:
        """The clip; None where its frames are not those that the packets promised."""
        plan = self._plan
        if plan is None or any(key not in self._found for key in plan.wanted):
            return None
        if plan.by_number and self._stretch.frame_count != plan.frame_count:
            return None
        first, last = plan.first or self._first, plan.last or self._last
        assert first is not None and last is not None  # a plan is made at the first frame
        made = make_segment(
            [self._found[key] for key in plan.wanted],
            index=0,
            first=first,
            last=last,
            frame_count=plan.frame_count,
            following=None,
            max_side_pixels=self._max_side_pixels,
        )
        if plan.by_number:
            return made, self._stretch.outcome or "end"
        is_growing = self._stamp is not None and self._stamp.is_outdated(self._stretch.path)
        return made, "truncated" if plan.is_cut or is_growing else "end"

    def _planned(self, first: DecodedFrame) -> _Plan | None:
        stretch, k = self._stretch, self._key_frames
        if stretch.end_seconds is None:
            self._stamp = FileStamp.of(stretch.path)
        packets = read_packets(stretch.path, max_pixels=stretch.max_pixels)
        marks, is_cut = packets.marks(
            origin_pts=first.pts - round(first.seconds / first.time_base_seconds),
            start_seconds=stretch.start_seconds,
            end_seconds=stretch.end_seconds,
        )
        if marks:
            positions = key_frame_positions(frame_count=len(marks), key_frames=k)
            wanted = tuple(marks[i].pts for i in positions)
            return _Plan(wanted, False, len(marks), marks[0], marks[-1], is_cut)
        is_whole = (stretch.start_seconds, stretch.end_seconds) == (None, None)
        if packets.count and is_whole and not packets.times:
            positions = key_frame_positions(frame_count=packets.count, key_frames=k)
            return _Plan(positions, True, packets.count)
        return None
