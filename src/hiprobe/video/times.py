"""When pictures are shown: a clock that rises, usual distances and gaps, stated durations."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Literal

import av

from hiprobe.video.container import MAX_PIXELS, READ_ERRORS, nominal_frame_seconds, open_video
from hiprobe.video.frames import DecodedFrame

# A picture that claims to lie further behind the first is damaged, or its clock was reset. Gaps of
# days are real, and up to here a float can still separate nanoseconds.
LONGEST_SECONDS = 366 * 24 * 3600.0

# A duration of one picture beyond this is taken for damage.
LONGEST_FRAME_SECONDS = 24 * 3600.0


class PictureClock:
    """Gives each picture its timestamp and duration, in units of the stream's time base.

    A picture without a timestamp, with one not after its predecessor's, or with one more than
    `LONGEST_SECONDS` after the first, is put one frame duration after its predecessor.

    Attributes:
        base_seconds: the time base.
        origin_pts: timestamp of the stream's first picture; None until one has come.
    """

    def __init__(self, stream: Any) -> None:
        self.base_seconds = float(stream.time_base)
        self.origin_pts: int | None = None
        self._nominal = max(1, round(nominal_frame_seconds(stream) / self.base_seconds))
        self._previous: int | None = None
        self._step = self._nominal

    def place(self, pts: int | None, duration: int | None) -> tuple[int, int]:
        """Timestamp and duration of the next picture, given what it says of itself."""
        placed = pts if pts is not None and self._is_believed(pts) else self._counted()
        if self.origin_pts is None:
            self.origin_pts = placed
        self._previous = placed
        is_sane = is_sane_duration(duration, base_seconds=self.base_seconds)
        self._step = duration if duration and is_sane else self._nominal
        return placed, self._step

    def seconds(self, pts: int) -> float:
        """Time of a placed picture after the first one of the stream."""
        return (pts - (self.origin_pts or 0)) * self.base_seconds

    def _is_believed(self, pts: int) -> bool:
        is_after = self._previous is None or pts > self._previous
        origin = pts if self.origin_pts is None else self.origin_pts
        return is_after and (pts - origin) * self.base_seconds <= LONGEST_SECONDS

    def _counted(self) -> int:
        return (self.origin_pts or 0) if self._previous is None else self._previous + self._step


def is_sane_duration(duration: int | None, *, base_seconds: float) -> bool:
    """Whether a picture can last this many units of the time base."""
    return duration is not None and 0 < duration * base_seconds <= LONGEST_FRAME_SECONDS


# What a stated number is: the length of the video, or the time of its end on the file's clock.
StatedAs = Literal["length", "end", "unknown"]

# Formats whose header states the end on a clock that began at zero, not where the picture does.
_COUNTS_FROM_ZERO = ("matroska,webm", "nut", "asf")

# Formats whose header states one number for the file. Where a stream begins too late to be seen on
# opening, the library repeats that number at the stream as if it were its own.
_ONE_FOR_ALL_STREAMS = ("matroska,webm", "flv", "nut", "asf")

# Where it is there too, `DURATION` is a length (MKVToolNix); FFmpeg writes the end time there.
_STATISTICS_TAG = "_STATISTICS_WRITING_APP"

# Some 300 years: what a header states beyond it, or below zero, is damage.
_LONGEST_HEADER_SECONDS = 1e10


@dataclass(frozen=True)
class StatedDuration:
    """What the header says: a number of seconds, and what it is."""

    seconds: float
    reading: StatedAs

    def length_seconds(self, *, start_seconds: float) -> float:
        """The length of a video that begins at `start_seconds` on the file's clock."""
        # An end before the start can be no end: then it was a length after all.
        is_end = self.reading == "end" and self.seconds > start_seconds
        return self.seconds - start_seconds if is_end else self.seconds


def stated_duration(container: Any, stream: Any) -> StatedDuration | None:
    """What the header says of the video's duration, None where it says nothing.

    The container's own duration counts only when the video is alone in it, since audio may
    go on after the last picture.
    """
    name = container.format.name
    reading: StatedAs = "length"
    tagged = _tagged_seconds(stream.metadata.get("DURATION", ""))
    if tagged is not None and 0 <= tagged <= _LONGEST_HEADER_SECONDS:
        is_length = any(key.startswith(_STATISTICS_TAG) for key in stream.metadata)
        return StatedDuration(tagged, "length" if is_length else "end")
    if stream.duration and name not in _ONE_FOR_ALL_STREAMS:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration and len(container.streams) == 1:
        reading = "end" if name in _COUNTS_FROM_ZERO else "unknown"
        seconds = float(container.duration / av.time_base)
    else:
        return None
    return StatedDuration(seconds, reading) if 0 <= seconds <= _LONGEST_HEADER_SECONDS else None


def _tagged_seconds(text: str) -> float | None:
    # Matroska writers leave "HH:MM:SS.nnnnnnnnn" at each track.
    try:
        hours, minutes, seconds = text.strip("\0 ").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None


# Least distance of two frames that is a gap. Cameras that lose their network for a moment, and
# recordings of screens that stand still, leave out less; to cut there would make scraps of them.
GAP_SECONDS = 5.0

# A gap is also longer than this many usual distances, two segments of 24 frames and some. From 10
# frames a second on the seconds above decide; a camera of one frame a second may pause for 50 s,
# and one of a frame a minute for most of an hour, since such distances are usual there.
GAP_DISTANCES = 50

# Distances whose median is the usual one: a stall or two do not move it, and a camera that goes
# over to another rate has a new one after 13 frames.
_REMEMBERED = 25


class Pace:
    """Watches the frames of one video, in order.

    Where a gap may lie before enough frames have come by to know what is usual, the first packets
    of the file give it, without decoding; otherwise the file is not opened.
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
        return self.usual_seconds(frame)

    def _far_seconds(self, frame: DecodedFrame) -> float:
        return max(GAP_SECONDS, GAP_DISTANCES * self.usual_seconds(frame))

    def usual_seconds(self, frame: DecodedFrame) -> float:
        """The usual distance of frames around here; without any, how long the frame lasts."""
        return median(self.known_distances() or [frame.duration_seconds])

    def known_distances(self) -> list[float]:
        """The last distances of frames; at the start those of the first packets."""
        missing = _REMEMBERED - len(self._distances)
        if missing and self._path is not None:
            self._first_distances = _first_distances(self._path, self._max_pixels)
            self._path = None  # once is enough
        return [*self._first_distances[:missing], *self._distances]


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
    lasting = [replace(f, duration_seconds=pace.shown_seconds(f)) for f in frames[-1:]]
    return [*frames[:-1], *lasting]


def _first_distances(path: Path, max_pixels: int) -> list[float]:
    """Distances of the first frames, from the packets; fewer where packets have no times."""
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
