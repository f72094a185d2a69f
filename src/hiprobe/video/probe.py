"""What a video file says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hiprobe.errors import VideoError
from hiprobe.video.container import BARE_FORMATS, MAX_PIXELS, frame_rate, open_video
from hiprobe.video.decode import FrameReader
from hiprobe.video.duration import stated_duration


@dataclass(frozen=True)
class VideoInfo:
    """Facts of one video file.

    Width and height are those of the upright picture in square pixels; `rotation_degrees` is the
    clockwise turn that made it upright, `mirrored` says that left and right changed places after
    it, and `pixel_aspect` is the width of a stored pixel over its height. Values `_from_header`
    may be absent (None) or wrong: only decoding tells the truth.
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
    is_bare: bool = False
    """Coded pictures without a container: nothing in the file says when they were taken."""


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
            size_bytes=file.stat().st_size,
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
