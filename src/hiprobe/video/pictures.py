"""Decoded pictures of an open video, from a moment on, past whatever is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hiprobe.video.container import BARE_FORMATS, READ_ERRORS, open_video
from hiprobe.video.orientation import pixel_aspect_of, sane_aspect


class Pictures:
    """Iterates over the codec's pictures; those before the start may come too.

    A packet that cannot be decoded is skipped; where the file cannot be read on, the pictures
    end. Where the container cannot be trusted to seek, decoding begins at its beginning.

    Attributes:
        damaged: whether anything was skipped or broke off.
        origin_pts: timestamp of the first picture of the stream, None until it is known.
        pixel_aspect: width of a pixel over its height, of the picture handed out last.
    """

    def __init__(
        self, path: Path, container: Any, stream: Any, *, start_seconds: float, max_pixels: int
    ) -> None:
        self._path = path
        self._container = container
        self._stream = stream
        self._start_seconds = start_seconds
        self._max_pixels = max_pixels
        self.damaged = False
        self.origin_pts: int | None = None
        self.pixel_aspect = self._stated_aspect = pixel_aspect_of(stream)
        self._first_coded: tuple[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        container, stream = self._container, self._stream
        if not self._start_seconds or not _can_seek(container, stream):
            yield from self._decoded(container, stream)
            return
        first = next(self._decoded(container, stream), None)
        if first is None:
            return
        if first.pts is None:
            yield from self._from_beginning()
            return
        self.origin_pts = first.pts
        target = first.pts + int(self._start_seconds / stream.time_base)
        yield from self._sought(target=target)

    def _sought(self, *, target: int) -> Iterator[Any]:
        pictures = self._from(pts=target)
        first = next(pictures, None)
        if first is None or first.pts is None or first.pts > target:
            # Some containers seek past the target, even when sent to the beginning; then the
            # only safe way is to open the file again and decode up to the start.
            yield from self._from_beginning()
            return
        yield first
        yield from pictures

    def _from_beginning(self) -> Iterator[Any]:
        with open_video(self._path, max_pixels=self._max_pixels) as (container, stream):
            yield from self._decoded(container, stream)

    def _from(self, *, pts: int) -> Iterator[Any]:
        try:
            self._container.seek(pts, stream=self._stream, backward=True)
        except READ_ERRORS:
            self.damaged = True
            return
        yield from self._decoded(self._container, self._stream)

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except READ_ERRORS:
                self.damaged = True
                packet = None
            try:
                # None at the end asks the decoder for the pictures it still holds.
                pictures = stream.codec_context.decode(packet)
            except READ_ERRORS:
                # A decoder that has been drained already says so by an end-of-file error.
                self.damaged |= packet is not None
                pictures = []
            if pictures:
                self._note_aspect(stream.codec_context.sample_aspect_ratio)
            yield from pictures
            if packet is None:
                return

    def _note_aspect(self, coded: Any) -> None:
        # The container is believed, but it tells of the first pictures only.
        if self._first_coded is None:
            self._first_coded = (coded,)
        changed = (coded,) != self._first_coded
        self.pixel_aspect = sane_aspect(coded) if changed else self._stated_aspect


def _can_seek(container: Any, stream: Any) -> bool:
    # Bare streams have no timestamps; AVI has those of decoding only, which differ from the
    # times of showing where the codec reorders frames. Times come from counting there.
    if container.format.name in BARE_FORMATS:
        return False
    return not (container.format.name == "avi" and stream.codec_context.has_b_frames)
