"""Decode a video as a stream of frames with their true times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hiprobe.errors import UsageError, VideoError
from hiprobe.video.clock import FrameClock
from hiprobe.video.container import MAX_PIXELS, open_video
from hiprobe.video.ending import promise_of
from hiprobe.video.frame import DecodedFrame
from hiprobe.video.growth import FileStamp
from hiprobe.video.pictures import Pictures

__all__ = ["DecodedFrame", "FrameReader", "Outcome", "check_stretch"]

Outcome = Literal["end", "truncated"]
"""How reading ended: at the end of the video (or of the stretch), or broken off before it."""


class FrameReader:
    """Frames of a video, or of its stretch `[start_seconds, end_seconds)`, in order of time.

    Iterating decodes; each new iteration starts over. A frame without a timestamp, or with one
    not after its predecessor's or more than a year after the first, is put one frame duration
    after its predecessor. A packet that cannot be decoded is skipped; where the file cannot be
    read on, reading stops and keeps what it has. Both leave `outcome` at "truncated", and so does
    a header that states clearly more (over 0.5 s and three frames) than could be decoded, or a
    file that changes while it is read to its end: it is still being written.

    Attributes:
        outcome: None until an iteration has come to its end.
        frame_count: frames handed out so far.

    Raises (while iterating):
        VideoError: the file cannot be opened, or holds no frame in the stretch.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        check_stretch(start_seconds=start_seconds, end_seconds=end_seconds)
        self.path = Path(path)
        self.start_seconds = start_seconds
        self.end_seconds = end_seconds
        self.max_pixels = max_pixels
        self.outcome: Outcome | None = None
        self.frame_count = 0

    def __iter__(self) -> Iterator[DecodedFrame]:
        self.outcome, self.frame_count = None, 0
        stamp = FileStamp.of(self.path)
        with open_video(self.path, max_pixels=self.max_pixels) as (container, stream):
            pictures = Pictures(
                self.path,
                container,
                stream,
                start_seconds=self.start_seconds or 0.0,
                max_pixels=self.max_pixels,
            )
            last: DecodedFrame | None = None
            for frame in _timed(pictures, stream, self.path):
                last = frame
                if self.end_seconds is not None and frame.seconds >= self.end_seconds:
                    break
                if self.start_seconds is None or frame.seconds >= self.start_seconds:
                    yield self._numbered(frame)
            else:
                promise = promise_of(self.path, container, stream)
                pictures.damaged |= last is not None and promise.is_broken_by(last)
                pictures.damaged |= stamp.is_outdated(self.path)
        if not self.frame_count:
            raise VideoError(self._nothing(last))
        self.outcome = "truncated" if pictures.damaged else "end"

    def _numbered(self, frame: DecodedFrame) -> DecodedFrame:
        # Frames before the start were decoded only because others are predicted from them.
        self.frame_count += 1
        return replace(frame, index=self.frame_count - 1)

    def _nothing(self, last: DecodedFrame | None) -> str:
        if last is None:
            return f"{self.path} holds no picture that can be decoded; convert or replace it"
        start, end = self.start_seconds or 0, self.end_seconds
        stretch = f"from {start} s on" if end is None else f"in [{start}, {end}) s"
        return (
            f"{self.path} has no frame {stretch}; its last frame read is at {last.seconds:.3f} s: "
            "check the start and end"
        )


def _timed(pictures: Pictures, stream: Any, path: Path) -> Iterator[DecodedFrame]:
    """Frames with their times from the first one of the stream on, always rising."""
    clock = FrameClock(stream)
    base = clock.base_seconds
    for picture in pictures:
        clock.origin_pts = pictures.origin_pts
        pts, step = clock.place(picture.pts, picture.duration)
        pictures.origin_pts = clock.origin_pts
        aspect = pictures.pixel_aspect
        yield DecodedFrame(0, pts, base, clock.seconds(pts), step * base, picture, aspect, path)


def check_stretch(*, start_seconds: float | None, end_seconds: float | None) -> None:
    """Refuse a stretch that is negative, empty or not a number."""
    start = 0.0 if start_seconds is None else start_seconds
    end = np.inf if end_seconds is None else end_seconds
    if not (0 <= start < np.inf and end > start):
        raise UsageError(
            f"the stretch [{start_seconds}, {end_seconds}) s is empty or negative; "
            "give 0 <= start_seconds < end_seconds"
        )
