"""What a file's packets tell of its frames, without decoding them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

from hiprobe.video.clock import LONGEST_SECONDS, is_sane_duration
from hiprobe.video.container import MAX_PIXELS, READ_ERRORS, nominal_frame_seconds, open_video
from hiprobe.video.ending import Promise, promise_of
from hiprobe.video.frame import DecodedFrame, without_picture


@dataclass(frozen=True)
class Packets:
    """The packets of a video, one for each frame where nothing is in doubt.

    Attributes:
        count: packets with content; None where the file could not be read to its end.
        times: timestamp and duration of each, in order of showing, in units of
            `time_base_seconds`; empty where one of them is in doubt, or the clock starts anew.
        sync_pts: timestamps of the packets at which decoding can begin, ascending.
        promise: what the file says of its own length.
    """

    count: int | None
    times: tuple[tuple[int, int], ...]
    sync_pts: tuple[int, ...]
    time_base_seconds: float
    promise: Promise

    def marks(
        self, *, origin_pts: int, start_seconds: float | None, end_seconds: float | None
    ) -> tuple[list[DecodedFrame], bool]:
        """Frames without pictures in a stretch, and whether the file breaks off within it.

        Args:
            origin_pts: timestamp of the first frame that is shown; times count from it.
        """
        # Packets outside the stretch stay numbers: a recording may have millions of them.
        base, times = self.time_base_seconds, self.times
        start, end = start_seconds or 0.0, inf if end_seconds is None else end_seconds
        inside = [t for t in times if start <= (t[0] - origin_pts) * base < end]
        last = [_mark(t, len(times) - 1, origin_pts, base) for t in times[-1:]]
        is_cut = any(m.seconds < end and self.promise.is_broken_by(m) for m in last)
        return [_mark(t, i, origin_pts, base) for i, t in enumerate(inside)], is_cut

    def sync_seconds(self, *, origin_pts: int) -> tuple[float, ...]:
        """Times of `sync_pts`."""
        return tuple((pts - origin_pts) * self.time_base_seconds for pts in self.sync_pts)


def read_packets(path: Path, *, max_pixels: int = MAX_PIXELS) -> Packets:
    """The packets of a video; the file is read through, the decoder is not started.

    Raises:
        VideoError: as `open_video`.
    """
    with open_video(path, max_pixels=max_pixels) as (container, stream):
        promise = promise_of(path, container, stream)
        found, count = _demux(container, stream)
        base = float(stream.time_base)
    sure = found if count is not None and len(found) == count else []
    times = sorted((pts, duration) for pts, duration, _ in sure)
    if times and (times[-1][0] - times[0][0]) * base > LONGEST_SECONDS:
        sure, times = [], []  # damaged: the reader of frames counts on there
    sync = sorted(pts for pts, _, is_sync in sure if is_sync)
    return Packets(count, tuple(times), tuple(sync), base, promise)


def mark_of(frame: DecodedFrame, *, position: int) -> DecodedFrame:
    """The time of a frame without its picture."""
    return replace(without_picture(frame), index=position)


def _mark(time: tuple[int, int], position: int, origin_pts: int, base: float) -> DecodedFrame:
    pts, duration = time
    return DecodedFrame(position, pts, base, (pts - origin_pts) * base, duration * base, None)


def _demux(container: Any, stream: Any) -> tuple[list[tuple[int, int, bool]], int | None]:
    """(pts, duration, decoding can begin) of each packet that is sure, and how many there are."""
    found: list[tuple[int, int, bool]] = []
    count, decoded_at = 0, -inf
    base = float(stream.time_base)
    nominal = max(1, round(nominal_frame_seconds(stream) / base))
    try:
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                continue
            count += 1
            # Files that were joined as they are start their clock anew: times then say nothing
            # of the order. The reader of frames goes on counting there.
            is_behind = packet.dts is not None and packet.dts < decoded_at
            decoded_at = decoded_at if packet.dts is None else max(decoded_at, packet.dts)
            if packet.pts is not None and not packet.is_corrupt and not is_behind:
                is_sane = is_sane_duration(packet.duration, base_seconds=base)
                duration = packet.duration if is_sane else nominal
                found.append((packet.pts, duration, packet.is_keyframe))
    except READ_ERRORS:
        return [], None
    return found, count
