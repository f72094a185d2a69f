"""Key frames over a whole clip: count first, then decode only what leads to them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from hiprobe.errors import UsageError, VideoError
from hiprobe.segment import KEY_FRAMES, Segment, key_frame_positions
from hiprobe.video.assemble import make_segment
from hiprobe.video.decode import DecodedFrame, FrameReader, Outcome
from hiprobe.video.growth import FileStamp
from hiprobe.video.held import HeldBytes
from hiprobe.video.pace import with_shown_duration
from hiprobe.video.packets import mark_of, read_packets


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
    and what can be decoded counts. A damaged packet in which no key frame lies is not noticed and
    counts as a frame. Memory holds the key frames and the timestamps only.

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
    budget = HeldBytes(max_side_pixels)
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
        max_side_pixels=max_side_pixels,
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
