"""What a video file says without its frames being decoded: its header, its packets."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

from hiprobe.errors import VideoError
from hiprobe.names import clock_in_name
from hiprobe.video.container import (
    BARE_FORMATS,
    MAX_PIXELS,
    READ_ERRORS,
    FileStamp,
    frame_rate,
    nominal_frame_seconds,
    open_video,
)
from hiprobe.video.decode import FrameReader, Promise, promise_of
from hiprobe.video.frames import DecodedFrame, without_picture
from hiprobe.video.times import (
    LONGEST_SECONDS,
    is_sane_duration,
    stated_duration,
    with_shown_duration,
)

# Recorders without a clock write the first day of theirs: 1904, 1970 or 1980.
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)

# Other forms of H.264 (10 bits, 4:4:4) exist, and few players show them.
_PIXEL_FORMATS = frozenset(("yuv420p", "yuvj420p"))


@dataclass(frozen=True)
class Packets:
    """The packets of a video, one for each frame where nothing is in doubt.

    Attributes:
        count: packets with content; None where the file could not be read to its end.
        times: timestamp and duration of each, in order of showing, in units of
            `time_base_seconds`; empty where one of them is in doubt, or the clock starts again.
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
        marks = [_mark(t, i, origin_pts, base) for i, t in enumerate(inside)]
        return with_shown_duration(marks), is_cut

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
            # Files that were joined as they are start their clock again: times then say nothing
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


@dataclass(frozen=True)
class VideoInfo:
    """Facts of one video file.

    Width and height are those of the upright picture in square pixels; `rotation_degrees` is the
    clockwise turn that made it upright, `mirrored` says that left and right changed places after
    it, and `pixel_aspect` is the width of a stored pixel over its height. Values `_from_header`
    may be absent (None) or wrong: only decoding shows the true values.
    """

    path: Path
    size_bytes: int
    container: str
    codec: str
    width: int
    height: int
    pixel_format: str
    fps_from_header: float | None
    duration_seconds_from_header: float | None
    frame_count_from_header: int | None
    rotation_degrees: int
    mirrored: bool
    pixel_aspect: float
    has_audio: bool
    # Coded pictures without a container: nothing in the file says when they were taken.
    is_bare: bool = False


def video_info(path: Path | str, *, max_pixels: int = MAX_PIXELS) -> VideoInfo:
    """Read the header and decode one frame, which shows that the video can be decoded at all.

    Raises:
        VideoError: the file is missing, empty, a folder, unreadable, audio only, not a video,
            or without a single picture.
    """
    file = Path(path)
    frame = next(iter(FrameReader(file, max_pixels=max_pixels)), None)
    if frame is None:
        raise VideoError(f"{file} holds no picture; convert or replace it")
    with open_video(file, max_pixels=max_pixels) as (container, stream):
        stated, start = stated_duration(container, stream), frame.pts * frame.time_base_seconds
        length = None if stated is None else stated.length_seconds(start_seconds=start)
        return VideoInfo(
            path=file,
            size_bytes=FileStamp.of(file).size_bytes,
            container=container.format.name,
            codec=stream.codec_context.name,
            width=frame.size[0],
            height=frame.size[1],
            pixel_format=frame.picture.format.name,
            fps_from_header=frame_rate(stream),
            duration_seconds_from_header=length,
            frame_count_from_header=stream.frames or None,
            rotation_degrees=-90 * frame.orientation.turns % 360,
            mirrored=frame.orientation.mirrored,
            pixel_aspect=frame.pixel_aspect,
            has_audio=bool(container.streams.audio),
            is_bare=container.format.name in BARE_FORMATS,
        )


@dataclass(frozen=True)
class VideoExtent:
    """What a plan needs to know of one video.

    Attributes:
        frame_count: pictures, as the header states them or as its length and rate give them.
        seconds: length.
        frame_pixels: height and width as they are stored.
        is_counted: the header says neither number nor length, so the packets were counted, for
            which the whole file is read.
    """

    path: Path
    frame_count: int
    seconds: float
    frame_pixels: tuple[int, int]
    is_counted: bool = False

    def __post_init__(self) -> None:
        if self.frame_count < 1 or not self.seconds > 0:
            raise VideoError(f"{self.path} holds no picture by its header; check that it plays")


def video_extent(path: Path | str) -> VideoExtent:
    """The extent of a video.

    Raises:
        VideoError: the file cannot be opened, is no video, or has no picture.
    """
    header = _Header.of(Path(path))
    return header.extent() or _counted(header)


def stated_extent(path: Path | str) -> VideoExtent | None:
    """The extent as the header states it, without decoding; None where it does not.

    Raises:
        VideoError: the file cannot be opened, or is no video.
    """
    return _Header.of(Path(path)).extent()


@dataclass(frozen=True)
class _Header:
    """What the header says: 0 or None for what it does not."""

    file: Path
    frame_count: int
    length_seconds: float | None
    frame_rate: float | None
    usual_seconds: float
    frame_pixels: tuple[int, int]

    @classmethod
    def of(cls, file: Path) -> _Header:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other tracks: the run itself will say it
            with open_video(file) as (container, stream):
                codec, base = stream.codec_context, float(stream.time_base)
                stated, start = stated_duration(container, stream), stream.start_time or 0
                start_seconds = float(start * base)
                return cls(
                    file,
                    int(stream.frames or 0),
                    None if stated is None else stated.length_seconds(start_seconds=start_seconds),
                    frame_rate(stream),
                    nominal_frame_seconds(stream),
                    (codec.height, codec.width),
                )

    def extent(self) -> VideoExtent | None:
        count, length, rate = self.frame_count, self.length_seconds, self.frame_rate
        if count and (length or rate):
            seconds = length or count * self.usual_seconds
            return VideoExtent(self.file, count, seconds, self.frame_pixels)
        if length and rate:
            frames = max(1, round(length * rate))
            return VideoExtent(self.file, frames, length, self.frame_pixels)
        return None


def _counted(header: _Header) -> VideoExtent:
    """By its packets; where they have no sure times, each stands for the usual duration."""
    packets = read_packets(header.file)
    count = packets.count or len(packets.times)
    seconds = count * header.usual_seconds
    if packets.times:
        (first, _), (last, duration) = packets.times[0], packets.times[-1]
        seconds = (last - first + duration) * packets.time_base_seconds
    return VideoExtent(header.file, count, seconds, header.frame_pixels, is_counted=True)


def recorded_at(video: Path | str) -> datetime | None:
    """The moment of the first picture; None where neither name nor file gives it.

    A time in the name comes first: a recorder writes it when it begins a file, in its own local
    time, so it has no time zone here. The file's own `creation_time` is in UTC; a file that was
    cut or converted later may give the time of that instead; nothing shows which.

    Raises:
        VideoError: the video cannot be opened; not where its name gives the time.
    """
    named = clock_in_name(Path(video).name)
    if named is not None:
        return named
    with open_video(video) as (container, stream):
        text = container.metadata.get("creation_time") or stream.metadata.get("creation_time")
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return utc if _EARLIEST <= utc <= datetime.now(UTC) else None


def is_playable(path: Path) -> bool:
    """Whether the file is H.264 in MP4, which every browser plays and seeks in.

    Raises:
        VideoError: as `open_video`.
    """
    with open_video(path) as (container, stream):
        codec = stream.codec_context
        is_mp4 = "mp4" in container.format.name.split(",")
        return is_mp4 and codec.name == "h264" and codec.pix_fmt in _PIXEL_FORMATS
