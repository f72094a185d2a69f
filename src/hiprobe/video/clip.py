"""A whole clip as one segment, from key frames spread over it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from hiprobe.errors import VideoError
from hiprobe.paper import KEY_FRAMES
from hiprobe.segment import WHOLE, Cut, Segment, Stretch, key_frame_positions
from hiprobe.video.container import FileStamp
from hiprobe.video.decode import FrameReader, Outcome
from hiprobe.video.frames import DecodedFrame, HeldBytes
from hiprobe.video.times import with_shown_duration
from hiprobe.video.video_info import mark_of, read_packets


def make_segment(
    shown: list[DecodedFrame],
    *,
    index: int,
    first: DecodedFrame,
    last: DecodedFrame,
    frame_count: int,
    following: DecodedFrame | None,
    max_side_pixels: int | None,
    last_seconds: float | None = None,
) -> Segment:
    """A segment from its chosen frames; a frame chosen twice is converted once.

    Without a `following` frame it ends with its last one, which stands for `last_seconds` (its
    own duration where None).

    Args:
        shown: the key frames, in order of time.
        first, last: first and last frame of the segment, shown or not.
        frame_count: frames from the first to the last.
        following: the frame after the last; None at the end of the video, or before a gap.
    """
    pictures = {f.pts: f.rgb_within(max_side_pixels=max_side_pixels) for f in shown}
    shown_seconds = last.duration_seconds if last_seconds is None else last_seconds
    last_pts = last.pts + max(1, round(shown_seconds / last.time_base_seconds))
    return Segment(
        index=index,
        start_seconds=first.seconds,
        end_seconds=following.seconds if following else last.seconds + shown_seconds,
        start_pts=first.pts,
        end_pts=following.pts if following else last_pts,
        time_base_seconds=first.time_base_seconds,
        first_frame=first.index,
        frame_count=frame_count,
        frames=tuple(pictures[f.pts] for f in shown),
        frame_seconds=tuple(f.seconds for f in shown),
    )


@dataclass(frozen=True)
class _ClipPlan:
    """Which frames are the clip's key frames, as far as its packets show it.

    Attributes:
        wanted: timestamps of the key frames or, where the packets have none, their numbers.
        by_number: which of both; numbers hold if there turn out to be `frame_count` frames.
        first, last: of the clip by the packets; None where they do not show it.
    """

    wanted: tuple[int, ...]
    by_number: bool
    frame_count: int
    first: DecodedFrame | None = None
    last: DecodedFrame | None = None
    is_cut: bool = False


class PickedFrames:
    """Keeps the key frames of a whole clip while its frames come by."""

    def __init__(self, stretch: FrameReader, cut: Cut) -> None:
        self._stretch = stretch
        self._budget = HeldBytes(cut.max_side_pixels)
        self._cut = cut
        self._plan: _ClipPlan | None = None
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
            max_side_pixels=self._cut.max_side_pixels,
        )
        if plan.by_number:
            return made, self._stretch.outcome or "end"
        is_growing = self._stamp is not None and self._stamp.is_outdated(self._stretch.path)
        return made, "truncated" if plan.is_cut or is_growing else "end"

    def _planned(self, first: DecodedFrame) -> _ClipPlan | None:
        stretch, k = self._stretch, self._cut.key_frames
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
            return _ClipPlan(wanted, False, len(marks), marks[0], marks[-1], is_cut)
        is_whole = (stretch.start_seconds, stretch.end_seconds) == (None, None)
        if packets.count and is_whole and not packets.times:
            positions = key_frame_positions(frame_count=packets.count, key_frames=k)
            return _ClipPlan(positions, True, packets.count)
        return None


def read_clip(
    path: Path | str,
    *,
    key_frames: int = KEY_FRAMES,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    max_side_pixels: int | None = None,
) -> Segment:
    """One segment over the whole clip, or over its stretch `[start_seconds, end_seconds)`.

    The frames are counted from the packets' timestamps, without decoding; then the key frames
    are decoded, jumping to the sync points before them. Where the packets do not give the
    frames (damage, missing timestamps, interlaced fields), the clip is decoded twice instead,
    and what can be decoded counts. A damaged packet in which no key frame lies is not noticed and
    counts as a frame. Memory holds the key frames and the timestamps only.

    Raises:
        UsageError: a number is below 1, or the stretch is empty.
        VideoError: the file cannot be read, or has no frame in the stretch.
    """
    cut = Cut(key_frames=key_frames, max_side_pixels=max_side_pixels)
    segment, _ = read_clip_and_outcome(path, cut, Stretch(start_seconds, end_seconds))
    return segment


def read_clip_and_outcome(
    path: Path | str, cut: Cut, part: Stretch = WHOLE
) -> tuple[Segment, Outcome]:
    """Like `read_clip`, and whether the clip was whole ("end") or broke off ("truncated")."""
    key_frames, start_seconds, end_seconds = cut.key_frames, part.start_seconds, part.end_seconds
    stretch = FrameReader(path, start_seconds=start_seconds, end_seconds=end_seconds)
    origin_pts = next(iter(FrameReader(stretch.path, max_pixels=stretch.max_pixels))).pts
    stamp = FileStamp.of(stretch.path)
    packets = read_packets(stretch.path, max_pixels=stretch.max_pixels)
    marks, is_cut = packets.marks(
        origin_pts=origin_pts, start_seconds=start_seconds, end_seconds=end_seconds
    )
    outcome: Outcome = "truncated" if is_cut else "end"
    sync_seconds = packets.sync_seconds(origin_pts=origin_pts)
    if end_seconds is None and stamp.is_outdated(stretch.path):
        outcome = "truncated"  # still being written
    budget = HeldBytes(cut.max_side_pixels)
    shown = _pick(stretch, marks, sync_seconds, key_frames=key_frames, budget=budget)
    if not shown:
        marks = with_shown_duration([mark_of(f, position=f.index) for f in stretch])
        outcome = stretch.outcome or "end"
        shown = _pick(stretch, marks, (), key_frames=key_frames, budget=budget)
    segment = make_segment(
        shown,
        index=0,
        first=marks[0],
        last=marks[-1],
        frame_count=len(marks),
        following=None,
        max_side_pixels=cut.max_side_pixels,
    )
    return segment, outcome


def _pick(
    stretch: FrameReader,
    marks: Sequence[DecodedFrame],
    sync_seconds: Sequence[float],
    *,
    key_frames: int,
    budget: HeldBytes,
) -> list[DecodedFrame]:
    """The key frames, decoded; empty when one of them is not where the marks put it."""
    if not marks:
        return []
    positions = key_frame_positions(frame_count=len(marks), key_frames=key_frames)
    wanted = [marks[i] for i in positions]
    found: dict[int, DecodedFrame] = {}
    for _, group in groupby(wanted, key=lambda mark: bisect_right(sync_seconds, mark.seconds)):
        _decode_group(stretch, list(group), found, budget, whole=not sync_seconds)
    if any(mark.pts not in found for mark in wanted):
        return []
    return [found[mark.pts] for mark in wanted]


def _decode_group(
    stretch: FrameReader,
    wanted: list[DecodedFrame],
    found: dict[int, DecodedFrame],
    budget: HeldBytes,
    *,
    whole: bool,
) -> None:
    """Add the wanted frames to those found, as far as they are there."""
    # Key frames behind the same sync point are decoded in one go from there.
    half_step = wanted[0].time_base_seconds / 2
    start = stretch.start_seconds if whole else max(0.0, wanted[0].seconds - half_step)
    missing = {mark.pts for mark in wanted}
    reader = FrameReader(stretch.path, start_seconds=start, max_pixels=stretch.max_pixels)
    try:
        for frame in reader:
            if frame.pts in missing:
                found[frame.pts] = budget.taken(frame, beside=found.values())
                missing.remove(frame.pts)
            if not missing or frame.seconds > wanted[-1].seconds:
                break
    except VideoError:
        return  # packets without a picture behind them: the caller decodes and counts
