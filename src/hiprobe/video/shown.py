"""When, and at what size, the pictures of a video that is written again are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from hiprobe.segment import Frame
from hiprobe.video.fit import fitted
from hiprobe.video.frame import DecodedFrame

MOST_PIXELS = 4096 * 2304
"""Largest picture that is written. Few players show more, and the encoder holds some twenty
pictures at once: with 8190x8190 that is several GB."""

_FINEST_TICKS = 90_000
"""A clock of nanoseconds would leave an MP4 no room for two seconds between two pictures."""

_LONGEST_STILL_SECONDS = 3600
"""MP4 counts the time between two pictures in 31 bits, 6.6 hours at 90 kHz: over a gap the
picture before it is written again every hour."""


@dataclass(frozen=True)
class Shown:
    """One picture to be written; `pts` and `duration` are in units of the written time base."""

    frame: DecodedFrame
    seconds: float
    pts: int
    duration: int


def time_base_of(first: DecodedFrame) -> Fraction:
    """The source's own time base, unless it is too fine to be written."""
    base = Fraction(first.time_base_seconds).limit_denominator(2**31 - 1)
    return base if base * _FINEST_TICKS >= 1 else Fraction(1, _FINEST_TICKS)


def rate_of(first: DecodedFrame) -> Fraction:
    """A frame rate for the encoder to plan with; the times themselves are written apart."""
    rate = Fraction(1 / first.duration_seconds).limit_denominator(1001)
    return min(max(rate, Fraction(1)), Fraction(1000))


def size_of(first: DecodedFrame) -> tuple[int, int]:
    """Width and height at which all pictures are written: the first one's, within `MOST_PIXELS`."""
    width, height = first.size
    scale = min(1.0, (MOST_PIXELS / (width * height)) ** 0.5)
    return max(1, int(width * scale)), max(1, int(height * scale))


def picture_of(frame: DecodedFrame, *, size: tuple[int, int]) -> Frame:
    """The picture at the size of the video, uint8 RGB.

    A source may change its size, its turn or the shape of its pixels in mid-stream. Such pictures
    get black bars: stretched ones would show people of another shape, cut ones would hide some.
    """
    return frame.rgb() if frame.size == size else fitted(frame, size=size, fit="letterbox")


def shown(frames: Iterable[DecodedFrame], *, time_base: Fraction) -> Iterator[Shown]:
    """The frames with their times from the first one on, rising by a tick at least."""
    origin: float | None = None
    before: Shown | None = None
    for frame in frames:
        origin = frame.seconds if origin is None else origin
        pts = round((frame.seconds - origin) / time_base)
        if before is not None:
            yield from _stills(before, until_pts=pts, time_base=time_base)
            pts = max(pts, before.pts + 1)
        before = Shown(frame, frame.seconds, pts, max(1, round(frame.duration_seconds / time_base)))
        yield before


def _stills(before: Shown, *, until_pts: int, time_base: Fraction) -> Iterator[Shown]:
    step = int(_LONGEST_STILL_SECONDS / time_base)
    for pts in range(before.pts + step, until_pts, step):
        seconds = before.seconds + float((pts - before.pts) * time_base)
        yield Shown(before.frame, seconds, pts, step)
