"""Decode a video as a stream of frames with their true times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hiprobe.errors import UsageError, VideoError
from hiprobe.video.container import (
    MAX_PIXELS,
    READ_ERRORS,
    nominal_frame_seconds,
    open_video,
)
from hiprobe.video.ending import ends_early
from hiprobe.video.frame import DecodedFrame
from hiprobe.video.orientation import pixel_aspect_of

__all__ = ["DecodedFrame", "FrameReader", "Outcome", "check_stretch"]

Outcome = Literal["end", "truncated"]
"""How reading ended: at the end of the video (or of the stretch), or broken off before it."""


class FrameReader:
    """Frames of a video, or of its stretch `[start_seconds, end_seconds)`, in order of time.

    Iterating decodes; each new iteration starts over. A frame without a timestamp, or with one
    not after its predecessor's, is put one frame duration after its predecessor. A packet that
    cannot be decoded is skipped; where the file cannot be read on, reading stops and keeps what
    it has. Both leave `outcome` at "truncated", and so does a header that states clearly more
    (over 0.5 s and three frames) than could be decoded.

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
        self.origin_pts: int | None = None

    def __iter__(self) -> Iterator[DecodedFrame]:
        self.outcome, self.frame_count, self._damaged = None, 0, False
        with open_video(self.path, max_pixels=self.max_pixels) as (container, stream):
            last: DecodedFrame | None = None
            for frame in self._timed(container, stream):
                last = frame
                if self.end_seconds is not None and frame.seconds >= self.end_seconds:
                    break
                if self.start_seconds is None or frame.seconds >= self.start_seconds:
                    yield self._numbered(frame)
            else:
                self._damaged |= last is not None and ends_early(self.path, container, stream, last)
        if not self.frame_count:
            raise VideoError(self._nothing(last))
        self.outcome = "truncated" if self._damaged else "end"

    def _numbered(self, frame: DecodedFrame) -> DecodedFrame:
        # Frames before the start were decoded only because others are predicted from them.
        self.frame_count += 1
        return replace(frame, index=self.frame_count - 1)

    def _timed(self, container: Any, stream: Any) -> Iterator[DecodedFrame]:
        base, aspect = float(stream.time_base), pixel_aspect_of(stream)
        nominal_pts = max(1, round(nominal_frame_seconds(stream) / base))
        previous, step = None, nominal_pts
        for picture in self._pictures(container, stream):
            pts = picture.pts
            if pts is None or (previous is not None and pts <= previous):
                pts = 0 if previous is None else previous + step
            if self.origin_pts is None:
                self.origin_pts = pts
            previous, step = pts, picture.duration or nominal_pts
            seconds = (pts - self.origin_pts) * base
            yield DecodedFrame(0, pts, base, seconds, step * base, picture, aspect)

    def _pictures(self, container: Any, stream: Any) -> Iterator[Any]:
        if not self.start_seconds or not _can_seek(container, stream):
            yield from self._decoded(container, stream)
            return
        first = next(self._decoded(container, stream), None)
        if first is None:
            return
        if first.pts is None:
            yield from self._from_beginning()
            return
        self.origin_pts = first.pts
        target = first.pts + int(self.start_seconds / stream.time_base)
        yield from self._sought(container, stream, target=target)

    def _sought(self, container: Any, stream: Any, *, target: int) -> Iterator[Any]:
        pictures = self._from(container, stream, pts=target)
        first = next(pictures, None)
        if first is None or first.pts is None or first.pts > target:
            # Some containers seek past the target, even when sent to the beginning; then the
            # only safe way is to open the file again and decode up to the start.
            yield from self._from_beginning()
            return
        yield first
        yield from pictures

    def _from_beginning(self) -> Iterator[Any]:
        with open_video(self.path, max_pixels=self.max_pixels) as (container, stream):
            yield from self._decoded(container, stream)

    def _from(self, container: Any, stream: Any, *, pts: int) -> Iterator[Any]:
        try:
            container.seek(pts, stream=stream, backward=True)
        except READ_ERRORS:
            self._damaged = True
            return
        yield from self._decoded(container, stream)

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except READ_ERRORS:
                self._damaged = True
                packet = None
            try:
                # None at the end asks the decoder for the pictures it still holds.
                pictures = stream.codec_context.decode(packet)
            except READ_ERRORS:
                # A decoder that has been drained already says so by an end-of-file error.
                self._damaged |= packet is not None
                pictures = []
            yield from pictures
            if packet is None:
                return

    def _nothing(self, last: DecodedFrame | None) -> str:
        if last is None:
            return f"{self.path} holds no picture that can be decoded; convert or replace it"
        start, end = self.start_seconds or 0, self.end_seconds
        stretch = f"from {start} s on" if end is None else f"in [{start}, {end}) s"
        return (
            f"{self.path} has no frame {stretch}; its last frame read is at {last.seconds:.3f} s: "
            "check the start and end"
        )


def check_stretch(*, start_seconds: float | None, end_seconds: float | None) -> None:
    """Refuse a stretch that is negative, empty or not a number."""
    start = 0.0 if start_seconds is None else start_seconds
    end = np.inf if end_seconds is None else end_seconds
    if not (0 <= start < np.inf and end > start):
        raise UsageError(
            f"the stretch [{start_seconds}, {end_seconds}) s is empty or negative; "
            "give 0 <= start_seconds < end_seconds"
        )


def _can_seek(container: Any, stream: Any) -> bool:
    # Bare streams have no timestamps; AVI has those of decoding only, which differ from the
    # times of showing where the codec reorders frames. Times come from counting there.
    if container.format.name in ("h264", "hevc", "m4v", "mpegvideo", "mjpeg", "obu"):
        return False
    return not (container.format.name == "avi" and stream.codec_context.has_b_frames)
