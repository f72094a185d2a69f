"""How far apart the frames of a video usually lie, and where one lies too far: a gap."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median

from hiprobe.video.container import MAX_PIXELS, READ_ERRORS, open_video
from hiprobe.video.frame import DecodedFrame

GAP_SECONDS = 5.0
"""Least distance of two frames that is a gap. Cameras that lose their network for a moment, and
recordings of screens that stand still, leave out less; to cut there would make scraps of them."""

GAP_DISTANCES = 50
"""A gap is also longer than so many usual distances, two segments of 24 frames and some. From
10 frames a second on the seconds above decide; a camera of one frame a second may pause for 50 s,
and one of a frame a minute for most of an hour, since such distances are usual there."""

_REMEMBERED = 25
"""Distances whose median is the usual one: a stall or two do not move it, and a camera that goes
over to another rate has a new one after 13 frames."""


class Pace:
    """Watches the frames of one video, in order.

    Where a gap may lie before enough frames have come by to tell what is usual, the first packets
    of the file tell it, without decoding; else the file is not touched.
    """

    def __init__(self, path: Path | None = None, *, max_pixels: int = MAX_PIXELS) -> None:
        self._path = path
        self._max_pixels = max_pixels
        self._distances: deque[float] = deque(maxlen=_REMEMBERED)
        self._first_distances: list[float] = []
        self._last: DecodedFrame | None = None

    def is_after_gap(self, frame: DecodedFrame) -> bool:
        """Take the next frame: whether a gap lies between the one before and it."""
        last, self._last = self._last, frame
        if last is None:
            return False
        distance = frame.seconds - last.seconds
        is_gap = distance > GAP_SECONDS and distance > self._far_seconds(last)
        self._distances.append(distance)
        return is_gap

    def shown_seconds(self, frame: DecodedFrame) -> float:
        """How long a frame stands for: its own duration, or a usual one where that is a gap.

        Some containers state the distance to the next frame as the duration, hole and all.
        """
        own = frame.duration_seconds
        if own <= GAP_SECONDS or own <= self._far_seconds(frame):
            return own
        return self._usual_seconds(frame)

    def _far_seconds(self, frame: DecodedFrame) -> float:
        return max(GAP_SECONDS, GAP_DISTANCES * self._usual_seconds(frame))

    def _usual_seconds(self, frame: DecodedFrame) -> float:
        missing = _REMEMBERED - len(self._distances)
        if missing and self._path is not None:
            self._first_distances = _first_distances(self._path, self._max_pixels)
            self._path = None  # once is enough
        known = [*self._first_distances[:missing], *self._distances]
        return median(known) if known else frame.duration_seconds


def pictured_seconds(frames: Iterable[DecodedFrame], path: Path) -> float:
    """How long the frames of a file are shown, without the gaps between them; 0 for none."""
    pace, last, seconds = Pace(path), None, 0.0
    for frame in frames:
        is_behind_gap = pace.is_after_gap(frame)
        if last is not None:
            seconds += pace.shown_seconds(last) if is_behind_gap else frame.seconds - last.seconds
        last = frame
    return seconds if last is None else seconds + pace.shown_seconds(last)


def with_shown_duration(frames: Sequence[DecodedFrame]) -> list[DecodedFrame]:
    """Frames in order, the last with the duration for which it stands (`Pace.shown_seconds`)."""
    pace = Pace()
    for frame in frames[-_REMEMBERED - 1 :]:
        pace.is_after_gap(frame)
    return [*frames[:-1], *(_lasting(f, pace.shown_seconds(f)) for f in frames[-1:])]


def _lasting(frame: DecodedFrame, seconds: float) -> DecodedFrame:
    return replace(frame, duration_seconds=seconds)


def _first_distances(path: Path, max_pixels: int) -> list[float]:
    """Distances of the first frames that the packets tell; fewer where they do not."""
    found: list[int] = []
    with open_video(path, max_pixels=max_pixels) as (container, stream):
        base = float(stream.time_base)
        try:
            for packet in container.demux(stream):
                if packet.pts is not None and packet.size and not packet.is_discard:
                    found.append(packet.pts)
                # Packets come in order of decoding: some more than needed, to put them in order.
                if len(found) >= 2 * _REMEMBERED:
                    break
        except READ_ERRORS:
            pass  # what was read before counts
    times = sorted(set(found))[: _REMEMBERED + 1]
    return [(b - a) * base for a, b in pairwise(times)]
