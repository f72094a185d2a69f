"""Key frames over a whole clip: count first, then decode only what leads to them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from math import inf
from pathlib import Path
from typing import Any

from hiprobe.errors import UsageError, VideoError
from hiprobe.segment import KEY_FRAMES, Segment, key_frame_positions
from hiprobe.video.assemble import make_segment
from hiprobe.video.container import READ_ERRORS, nominal_frame_seconds, open_video
from hiprobe.video.decode import DecodedFrame, FrameReader, Outcome
from hiprobe.video.ending import ends_early


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
    segment, _ = read_clip_and_outcome(
        path,
        key_frames=key_frames,
        start_seconds=start_seconds,
        end_seconds=end_seconds,
        max_side_pixels=max_side_pixels,
    )
    return segment


def read_clip_and_outcome(
    path: Path | str,
    *,
    key_frames: int = KEY_FRAMES,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    max_side_pixels: int | None = None,
) -> tuple[Segment, Outcome]:
    """Like `read_clip`, and whether the clip was whole ("end") or broke off ("truncated")."""
    if key_frames < 1 or (max_side_pixels is not None and max_side_pixels < 1):
        raise UsageError(f"key_frames {key_frames}, max_side_pixels {max_side_pixels}: at least 1")
    stretch = FrameReader(path, start_seconds=start_seconds, end_seconds=end_seconds)
    marks, sync_seconds, outcome = _marks_from_packets(stretch)
    shown = _pick(stretch, marks, sync_seconds, key_frames=key_frames)
    if not shown:
        marks = [_mark(f, position=f.index) for f in stretch]
        outcome = stretch.outcome or "end"
        shown = _pick(stretch, marks, (), key_frames=key_frames)
    segment = make_segment(
        shown,
        index=0,
        first=marks[0],
        last=marks[-1],
        frame_count=len(marks),
        following=None,
        max_side_pixels=max_side_pixels,
    )
    return segment, outcome


def _mark(frame: DecodedFrame, *, position: int) -> DecodedFrame:
    # The time of a frame without its picture.
    return replace(frame, index=position, picture=None)


def _marks_from_packets(
    stretch: FrameReader,
) -> tuple[list[DecodedFrame], tuple[float, ...], Outcome]:
    """Marks of the frames in the stretch and times of all sync points; no marks if unsure."""
    first = next(iter(FrameReader(stretch.path, max_pixels=stretch.max_pixels)))
    base = first.time_base_seconds
    with open_video(stretch.path, max_pixels=stretch.max_pixels) as (container, stream):
        packets, sync = _packets(container, stream)
        every = [
            DecodedFrame(i, pts, base, (pts - first.pts) * base, duration * base, None)
            for i, (pts, duration) in enumerate(sorted(packets))
        ]
        early = bool(every) and ends_early(stretch.path, container, stream, every[-1])
    start, end = stretch.start_seconds or 0.0, stretch.end_seconds or inf
    inside = [mark for mark in every if start <= mark.seconds < end]
    marks = [_mark(mark, position=i) for i, mark in enumerate(inside)]
    cut = early and every[-1].seconds < end
    sync_seconds = tuple(sorted((pts - first.pts) * base for pts in sync))
    return marks, sync_seconds, "truncated" if cut else "end"


def _packets(container: Any, stream: Any) -> tuple[list[tuple[int, int]], list[int]]:
    """(pts, duration) of every packet, and pts of the sync points; nothing if one is in doubt."""
    found: list[tuple[int, int]] = []
    sync: list[int] = []
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
    try:
        for frame in reader:
            if frame.pts in missing:
                found[frame.pts] = frame
            if len(found) == len(missing) or frame.seconds > wanted[-1].seconds:
                break
    except VideoError:
        return found  # packets without a picture behind them: the caller decodes and counts
    return found
