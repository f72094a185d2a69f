"""How long an open file says that its video is, and what that number counts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import av

Reading = Literal["length", "end", "unknown"]
"""What a stated number is: the length of the video, or the time of its end on the file's clock."""

_COUNTS_FROM_ZERO = ("matroska,webm", "nut", "asf")
"""Formats whose header states the end on a clock that began at zero, not where the picture does."""

_ONE_FOR_ALL_STREAMS = ("matroska,webm", "flv", "nut", "asf")
"""Formats whose header states one number for the file. Where a stream begins too late to be seen
on opening, the library repeats that number at the stream as if it were its own."""

_STATISTICS_TAG = "_STATISTICS_WRITING_APP"
"""Beside it, `DURATION` is a length (MKVToolNix); the muxers of FFmpeg write the end time there."""


_LONGEST_HEADER_SECONDS = 1e10
"""Some 300 years: what a header states beyond is damage."""


@dataclass(frozen=True)
class StatedDuration:
    """What the header says: a number of seconds, and what it is."""

    seconds: float
    reading: Reading

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
    name, is_alone = container.format.name, len(container.streams) == 1
    tagged = _tagged_seconds(stream.metadata.get("DURATION", ""))
    if tagged is not None and _is_sane(tagged):
        is_length = any(key.startswith(_STATISTICS_TAG) for key in stream.metadata)
        return StatedDuration(tagged, "length" if is_length else "end")
    if stream.duration and name not in _ONE_FOR_ALL_STREAMS:
        own = float(stream.duration * stream.time_base)
        return StatedDuration(own, "length") if _is_sane(own) else None
    if container.duration and is_alone:
        reading: Reading = "end" if name in _COUNTS_FROM_ZERO else "unknown"
        whole = float(container.duration / av.time_base)
        return StatedDuration(whole, reading) if _is_sane(whole) else None
    return None


def _is_sane(seconds: float) -> bool:
    # Damage makes durations below zero, or beyond what can be counted with.
    return 0 <= seconds <= _LONGEST_HEADER_SECONDS


def _tagged_seconds(text: str) -> float | None:
    # Matroska writers leave "HH:MM:SS.nnnnnnnnn" at each track.
    try:
        hours, minutes, seconds = text.strip("\0 ").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None
