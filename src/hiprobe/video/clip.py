"""Key frames over a whole clip: count first, then decode only what leads to them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from hiprobe.errors import UsageError
from hiprobe.segment import KEY_FRAMES, Segment, key_frame_positions
from hiprobe.video.assemble import make_segment
from hiprobe.video.container import READ_ERRORS, nominal_frame_seconds, open_video
from hiprobe.video.decode import DecodedFrame, FrameReader


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
    are decoded, jumping to the sync points before them. Where the packets do not tell the
    frames (damage, missing timestamps, interlaced fields), the clip is decoded twice instead,
    and what can be decoded counts. Memory holds the key frames and the timestamps only.

    Raises:
        UsageError: a number is below 1, or the stretch is empty.
        VideoError: the file cannot be read, or has no frame in the stretch.
    """
    if key_frames < 1 or (max_side_pixels is not None and max_side_pixels < 1):
        raise UsageError(f"key_frames {key_frames}, max_side_pixels {max_side_pixels}: at least 1")
    stretch = FrameReader(path, start_seconds=start_seconds, end_seconds=end_seconds)
    marks, sync_seconds = _marks_from_packets(stretch)
    shown = _pick(stretch, marks, sync_seconds, key_frames=key_frames)
    if not shown:
        marks = [_mark(f, position=f.index) for f in stretch]
        shown = _pick(stretch, marks, (), key_frames=key_frames)
    return make_segment(
        shown,
        index=0,
        first=marks[0],
        last=marks[-1],
        frame_count=len(marks),
        following=None,
        max_side_pixels=max_side_pixels,
    )


def _mark(frame: DecodedFrame, *, position: int) -> DecodedFrame:
    # The time of a frame without its picture.
    return DecodedFrame(
        position, frame.pts, frame.time_base_seconds, frame.seconds, frame.duration_seconds, None
    )


def _marks_from_packets(stretch: FrameReader) -> tuple[list[DecodedFrame], tuple[float, ...]]:
    """Marks of the frames in the stretch and times of all sync points; no marks if unsure."""
    first = next(iter(FrameReader(stretch.path, max_pixels=stretch.max_pixels)))
    end = float("inf") if stretch.end_seconds is None else stretch.end_seconds
    packets, sync = _packets(stretch)
    base = first.time_base_seconds
    marks: list[DecodedFrame] = []
    for pts, duration in sorted(packets):
        seconds = (pts - first.pts) * base
        if (stretch.start_seconds or 0.0) <= seconds < end:
            marks.append(DecodedFrame(len(marks), pts, base, seconds, duration * base, None))
    return marks, tuple(sorted((pts - first.pts) * base for pts in sync))


def _packets(stretch: FrameReader) -> tuple[list[tuple[int, int]], list[int]]:
    """(pts, duration) of every packet, and pts of the sync points; nothing if one is in doubt."""
    found: list[tuple[int, int]] = []
    sync: list[int] = []
    with open_video(stretch.path, max_pixels=stretch.max_pixels) as (container, stream):
        nominal = max(1, round(nominal_frame_seconds(stream) / float(stream.time_base)))
        try:
            for packet in container.demux(stream):
                if packet.size == 0 or packet.is_discard:
                    continue
                if packet.pts is None or packet.is_corrupt:
                    return [], []
                found.append((packet.pts, packet.duration or nominal))
                if packet.is_keyframe:
                    sync.append(packet.pts)
        except READ_ERRORS:
            return [], []
    return found, sync


def _pick(
    stretch: FrameReader,
    marks: Sequence[DecodedFrame],
    sync_seconds: Sequence[float],
    *,
    key_frames: int,
) -> list[DecodedFrame]:
    """The key frames, decoded; empty when one of them is not where the marks put it."""
    if not marks:
        return []
    positions = key_frame_positions(frame_count=len(marks), key_frames=key_frames)
    wanted = [marks[i] for i in positions]
    found: dict[int, DecodedFrame] = {}
    for _, group in groupby(wanted, key=lambda mark: bisect_right(sync_seconds, mark.seconds)):
        found |= _decode_group(stretch, list(group), whole=not sync_seconds)
    if any(mark.pts not in found for mark in wanted):
        return []
    return [found[mark.pts] for mark in wanted]


def _decode_group(
    stretch: FrameReader, wanted: list[DecodedFrame], *, whole: bool
) -> dict[int, DecodedFrame]:
    # Key frames behind the same sync point are decoded in one go from there.
    half_step = wanted[0].time_base_seconds / 2
    start = stretch.start_seconds if whole else max(0.0, wanted[0].seconds - half_step)
    missing = {mark.pts for mark in wanted}
    found: dict[int, DecodedFrame] = {}
    reader = FrameReader(stretch.path, start_seconds=start, max_pixels=stretch.max_pixels)
    for frame in reader:
        if frame.pts in missing:
            found[frame.pts] = frame
        if len(found) == len(missing) or frame.seconds > wanted[-1].seconds:
            break
    return found
