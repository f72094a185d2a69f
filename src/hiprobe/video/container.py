"""Open a video file safely; every reader of this package goes through here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av

from hiprobe.errors import VideoError
from hiprobe.special_files import refuse_special

MAX_PIXELS = 8192 * 8192
"""Largest picture that is decoded, in pixels; a small file may claim a huge one."""

# Only containers that carry their own data. Playlists and scripts (ffconcat, HLS, DASH, SDP, image
# sequences) can name other files of this machine and are left out. Audio containers are in, so
# that the message can say "no video" instead of "not a video".
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,avi,flv,mpeg,mpegvideo,asf,ogg,gif,h264,hevc,"
    "m4v,ivf,obu,mxf,nut,dv,mjpeg,wtv,rm,mp3,wav,flac,aac"
)

READ_ERRORS: tuple[type[Exception], ...] = (
    av.error.FFmpegError,
    IndexError,
    OverflowError,
    UnicodeDecodeError,
)
"""What PyAV raises on damaged files."""


@contextmanager
def open_video(path: Path | str, *, max_pixels: int = MAX_PIXELS) -> Iterator[tuple[Any, Any]]:
    """The open container and its first real video stream (cover pictures do not count).

    Raises:
        VideoError: the file is missing, empty, a folder, not readable, not a video, without a
            video stream, or its pictures are larger than `max_pixels`.
    """
    file = Path(path)
    _check_file(file)
    try:
        container = av.open(
            str(file.resolve()),
            options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except READ_ERRORS as error:
        raise VideoError(
            f"{file} is not a video, or too damaged to open ({_cause(error)}); "
            "check that it plays, or convert it to MP4 again"
        ) from error
    with container:
        yield container, _video_stream(container, file=file, max_pixels=max_pixels)


def _check_file(file: Path) -> None:
    refuse_special(file)
    if file.is_dir():
        _refuse_folder(file)
    try:
        with file.open("rb") as handle:
            empty = not handle.read(1)
    except FileNotFoundError as error:
        raise VideoError(f"{file} does not exist; check the path") from error
    except OSError as error:
        raise VideoError(
            f"{file} cannot be read ({error.strerror}); check its permissions and the disk"
        ) from error
    if empty:
        raise VideoError(f"{file} is empty (0 bytes); copy or download it again")


def _refuse_folder(folder: Path) -> None:
    try:
        os.listdir(folder)  # noqa: PTH208 - a folder that may not be read is no wrong argument
    except OSError as error:
        raise VideoError(
            f"the folder {folder} cannot be read ({error.strerror}); change its permissions"
        ) from error
    raise VideoError(f"{folder} is a folder; give a video file, or the files inside it")


def _video_stream(container: Any, *, file: Path, max_pixels: int) -> Any:
    streams = [s for s in container.streams.video if not _is_cover(s)]
    if not streams:
        what = "only audio" if container.streams.audio else "no video stream"
        raise VideoError(f"{file} holds {what}; give a file with moving pictures")
    stream = streams[0]
    codec = stream.codec_context
    if codec is None:
        raise VideoError(f"{file} uses a video codec that this build cannot decode; convert it")
    if codec.width * codec.height > max_pixels:
        raise VideoError(
            f"{file} has pictures of {codec.width}x{codec.height}, more than the limit of "
            f"{max_pixels} pixels; scale it down or raise max_pixels"
        )
    codec.options = {"max_pixels": str(max_pixels)}  # the size may also grow in mid-stream
    codec.thread_type = "AUTO"
    return stream


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _cause(error: Exception) -> str:
    # strerror leaves out what else PyAV puts into its texts.
    return str(getattr(error, "strerror", None) or type(error).__name__)


def stream_duration_seconds(container: Any, stream: Any) -> float | None:
    """Duration of the video that the header states, None where it states none.

    The container's own duration counts only when the video is alone in it, since audio may
    go on after the last picture.
    """
    if stream.duration:
        return float(stream.duration * stream.time_base)
    tagged = _tagged_seconds(stream.metadata.get("DURATION", ""))
    if tagged is not None:
        return tagged
    if container.duration and len(container.streams) == 1:
        return float(container.duration / av.time_base)
    return None


def _tagged_seconds(text: str) -> float | None:
    # Matroska writers leave "HH:MM:SS.nnnnnnnnn" at each track.
    try:
        hours, minutes, seconds = text.strip("\0 ").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None


def nominal_frame_seconds(stream: Any) -> float:
    """Duration of one frame by the header's frame rate; 1/25 s where it gives none."""
    rate = stream.average_rate or stream.guessed_rate
    return float(1 / rate) if rate else 0.04
