"""Frames of a video in order of showing, each with its true time, and how the file ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hiprobe.errors import UsageError, VideoError
from hiprobe.objects import local_copy
from hiprobe.segment import Frame
from hiprobe.video.container import BARE_FORMATS, MAX_PIXELS, READ_ERRORS, FileStamp, open_video
from hiprobe.video.frames import DecodedFrame, pixel_aspect_of, sane_aspect
from hiprobe.video.times import PictureClock, StatedDuration, stated_duration

# How reading ended: at the end of the video (or of the stretch), or broken off before it.
Outcome = Literal["end", "truncated"]

# Plain, with a time code before it (Blu-ray), with error correction behind it.
_TS_PACKET_BYTES = (188, 192, 204)

_TS_SYNC = 0x47

# Before it the header's objects, after it the size of this one and the file's number.
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")

_ASF_HEAD_BYTES = 65536

# How far before the end of a video its last picture is looked for.
_BACK_SECONDS = 2.0


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
            pictures = CodecPictures(
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
                # Frames before the start were decoded only since others are predicted from them.
                if self.start_seconds is None or frame.seconds >= self.start_seconds:
                    self.frame_count += 1
                    yield replace(frame, index=self.frame_count - 1)
            else:
                promise = promise_of(self.path, container, stream)
                pictures.damaged |= last is not None and promise.is_broken_by(last)
                pictures.damaged |= stamp.is_outdated(self.path)
        if not self.frame_count:
            raise VideoError(self._why_no_frame(last))
        self.outcome = "truncated" if pictures.damaged else "end"

    def _why_no_frame(self, last: DecodedFrame | None) -> str:
        if last is None:
            return f"{self.path} holds no picture that can be decoded; convert or replace it"
        start, end = self.start_seconds or 0, self.end_seconds
        stretch = f"from {start} s on" if end is None else f"in [{start}, {end}) s"
        return (
            f"{self.path} has no frame {stretch}; its last frame read is at {last.seconds:.3f} s: "
            "check the start and end"
        )


def still_at(path: Path, seconds: float, *, max_side_pixels: int) -> Frame:
    """The picture at a moment, uint8 RGB `[height, width, 3]`; the last one before it at the end.

    Raises:
        VideoError: there is no picture near that moment.
    """
    found = None
    try:
        found = next(iter(FrameReader(path, start_seconds=seconds)), None)
    except VideoError:
        pass  # behind the last picture; one shortly before it may do
    if found is None:
        for frame in FrameReader(path, start_seconds=max(0.0, seconds - _BACK_SECONDS)):
            found = frame
    if found is None:
        raise VideoError(f"{path.name} has no picture at {seconds:.3f} s")
    return found.rgb_within(max_side_pixels=max_side_pixels)


def _timed(pictures: CodecPictures, stream: Any, path: Path) -> Iterator[DecodedFrame]:
    """Frames with their times from the first one of the stream on, always rising."""
    clock = PictureClock(stream)
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


class CodecPictures:
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
                # The container is believed, but it describes the first pictures only.
                coded = (stream.codec_context.sample_aspect_ratio,)
                self._first_coded = self._first_coded or coded
                changed = coded != self._first_coded
                self.pixel_aspect = sane_aspect(coded[0]) if changed else self._stated_aspect
            yield from pictures
            if packet is None:
                return


def _can_seek(container: Any, stream: Any) -> bool:
    # Bare streams have no timestamps; AVI has those of decoding only, which differ from the
    # times of showing where the codec reorders frames. Times come from counting there.
    if container.format.name in BARE_FORMATS:
        return False
    return not (container.format.name == "avi" and stream.codec_context.has_b_frames)


@dataclass(frozen=True)
class Promise:
    """What an open file says of its own length.

    Attributes:
        stated: by the header; None where it does not say, or cannot know.
        is_cut: the file's size alone shows that its end is missing.
    """

    stated: StatedDuration | None
    is_cut: bool = False

    def is_broken_by(self, last: DecodedFrame) -> bool:
        """Whether there should be clearly more after the `last` frame."""
        if self.stated is None:
            return self.is_cut
        slack = max(0.5, 3 * last.duration_seconds)
        if self.is_cut or self.stated.seconds - last.end_seconds <= slack:
            return self.is_cut
        # A length and an end on the file's clock are never mixed.
        clock_end = last.pts * last.time_base_seconds + last.duration_seconds
        missing = self.stated.seconds - clock_end
        if self.stated.reading == "end":
            return missing > slack
        # An unknown number is an end only where the end meets it: on a clock that began long
        # before the file, every end lies far beyond every length.
        return self.stated.reading == "length" or abs(missing) > slack


def promise_of(path: Path, container: Any, stream: Any) -> Promise:
    """What an open file says of its own length."""
    # A cut transport stream ends cleanly and its length is guessed from its last timestamp,
    # but a cut seldom falls between two packets.
    if container.format.name == "mpegts":
        return Promise(None, is_cut=_ends_inside_packet(path))
    # One length for all streams, where sound may go on after the pictures, and a guess from the
    # rate of bits where the file was cut; but the header also counts the file's bytes.
    if container.format.name == "asf":
        return Promise(None, is_cut=_lacks_bytes_of_asf(path))
    return Promise(stated_duration(container, stream))


def _ends_inside_packet(path: Path) -> bool:
    path = local_copy(path)
    with path.open("rb") as file:
        head = file.read(4 * max(_TS_PACKET_BYTES))
    for length in _TS_PACKET_BYTES:
        at = 4 if length == 192 else 0
        if all(byte == _TS_SYNC for byte in head[at::length]):
            return path.stat().st_size % length != 0
    return False  # begins inside a packet: nothing to conclude


def _lacks_bytes_of_asf(path: Path) -> bool:
    path = local_copy(path)
    with path.open("rb") as file:
        head = file.read(_ASF_HEAD_BYTES)
    fields = head[head.find(_ASF_PROPERTIES) :][:92]
    if not fields.startswith(_ASF_PROPERTIES) or len(fields) < 92:
        return False
    size_bytes, flags = int.from_bytes(fields[40:48], "little"), fields[88]
    is_broadcast = bool(flags & 1)  # written as it went out: its size was not known
    return not is_broadcast and size_bytes > path.stat().st_size
