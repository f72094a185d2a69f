"""Open a video file safely, on the track that is the video."""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from hiprobe.errors import VideoError
from hiprobe.names import is_object, why_no_file
from hiprobe.objects import local_copy, stamp_of
from hiprobe.settings import decoding_threads

# Largest picture that is decoded, in pixels; a small file may claim a huge one.
MAX_PIXELS = 8192 * 8192

_LARGE_PIXELS = 4096 * 2304

_COARSEST_TICK_SECONDS = 60
_NOMINAL_FRAME_SECONDS = 0.04
_SLOWEST_FPS, _FASTEST_FPS = 1e-5, 1e6

# Only containers that carry their own data. Playlists and scripts (ffconcat, HLS, DASH, SDP, image
# sequences) can name other files of this machine and are left out. Audio containers are in, so
# that the message can say "no video" instead of "not a video".
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,avi,flv,mpeg,mpegvideo,asf,ogg,gif,h264,hevc,"
    "vvc,vc1,m4v,ivf,obu,mxf,nut,dv,dhav,mjpeg,wtv,rm,yuv4mpegpipe,mp3,wav,flac,aac"
)

# Coded pictures without a container: they have no timestamps, and no index to seek by.
BARE_FORMATS = frozenset(("h264", "hevc", "vvc", "vc1", "m4v", "mpegvideo", "mjpeg", "obu"))

# What PyAV raises on damaged files.
READ_ERRORS: tuple[type[Exception], ...] = (
    av.error.FFmpegError,
    IndexError,
    OverflowError,
    UnicodeDecodeError,
)

# A recorder writes every few seconds; a file changed so lately may go on changing.
RECENT_SECONDS = 10.0


@contextmanager
def open_video(path: Path | str, *, max_pixels: int = MAX_PIXELS) -> Iterator[tuple[Any, Any]]:
    """The open container and its largest video stream (cover pictures do not count).

    Other video streams are named in a warning.

    Raises:
        VideoError: the file is missing, empty, a folder, not readable, not a video, without a
            video stream or a clock, or its pictures are larger than `max_pixels`.
    """
    file = Path(path)
    _check_file(file)
    try:
        container = av.open(
            str(local_copy(file).resolve()),
            options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except READ_ERRORS as error:
        advice = still_written_words(seconds_since_change(file))
        # strerror leaves out what else PyAV puts into its texts.
        cause = getattr(error, "strerror", None) or type(error).__name__
        raise VideoError(
            f"{file} is not a video, or too damaged to open ({cause}); "
            + (advice or "check that it plays, or convert it to MP4 again")
        ) from error
    with container:
        yield container, _video_stream(container, file=file, max_pixels=max_pixels)


def _check_file(file: Path) -> None:
    """Refuse what is no file with content."""
    if wrong := why_no_file(file):
        raise VideoError(wrong)
    try:
        if file.is_dir():
            os.listdir(file)  # noqa: PTH208 - a folder that may not be read is no wrong argument
            raise VideoError(f"{file} is a folder; give a video file, or the files inside it")
        with local_copy(file).open("rb") as handle:
            is_empty = not handle.read(1)
    except FileNotFoundError as error:
        raise VideoError(f"{file} does not exist; check the path") from error
    except OSError as error:
        if file.is_dir():
            raise VideoError(
                f"the folder {file} cannot be read ({error.strerror}); change its permissions"
            ) from error
        raise VideoError(
            f"{file} cannot be read ({error.strerror}); check its permissions and the disk"
        ) from error
    if is_empty:
        raise VideoError(f"{file} is empty (0 bytes); copy or download it again")


def _video_stream(container: Any, *, file: Path, max_pixels: int) -> Any:
    stream = _largest(container, file=file)
    codec = stream.codec_context
    if codec.width * codec.height > max_pixels:
        raise VideoError(
            f"{file} has pictures of {codec.width}x{codec.height}, more than the limit of "
            f"{max_pixels} pixels; scale it down or raise max_pixels"
        )
    if not stream.time_base or stream.time_base > _COARSEST_TICK_SECONDS:
        raise VideoError(
            f"{file} has a clock that ticks every {stream.time_base} s, so its frames have no "
            "times; convert it to MP4"
        )
    codec.options = {"max_pixels": str(max_pixels)}  # the size may also grow in mid-stream
    # Threads that work on a picture each hold some pictures each.
    codec.thread_type = "SLICE" if codec.width * codec.height > _LARGE_PIXELS else "AUTO"
    codec.thread_count = decoding_threads()
    return stream


def _largest(container: Any, *, file: Path) -> Any:
    """The video track with the largest pictures, the first of equals.

    A file may hold a small preview before the real one. A warning names the others.
    """
    cover = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & cover]
    if not streams:
        what = "only audio" if container.streams.audio else "no video stream"
        raise VideoError(f"{file} holds {what}; give a file with moving pictures")
    usable = [s for s in streams if s.codec_context is not None]
    if not usable:
        raise VideoError(f"{file} uses a video codec that this build cannot decode; convert it")
    moving = [s for s in usable if not _is_still(s)] or usable
    chosen = max(moving, key=lambda s: s.codec_context.width * s.codec_context.height)
    if len(streams) > 1:
        others = ", ".join(_track_words(s) for s in streams if s is not chosen)
        warnings.warn(
            f"{file} has {len(streams)} video tracks: the largest is read, "
            f"{_track_words(chosen)}; passed over: {others}",
            stacklevel=1,
        )
    return chosen


def _track_words(stream: Any) -> str:
    codec = stream.codec_context
    size = "of a codec unknown here" if codec is None else f"{codec.width}x{codec.height}"
    return f"track {stream.index} ({size})"


def _is_still(stream: Any) -> bool:
    # A poster, or thumbnails of chapters, may be larger than the video itself.
    kinds = av.stream.Disposition
    return stream.frames == 1 or bool(
        stream.disposition & (kinds.timed_thumbnails | kinds.still_image)
    )


def nominal_frame_seconds(stream: Any) -> float:
    """Duration of one frame by the header's frame rate; 1/25 s where it gives none."""
    fps = frame_rate(stream)
    return 1 / fps if fps else _NOMINAL_FRAME_SECONDS


def frame_rate(stream: Any) -> float | None:
    """Frames a second by the header; None where it gives none, or one that cannot be."""
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate and _SLOWEST_FPS <= rate <= _FASTEST_FPS else None


@dataclass(frozen=True)
class FileStamp:
    """Size and time of change of a file at one moment; equal stamps mean equal content.

    Of an object in a store the number is made of the store's own mark of its content.
    """

    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path | str) -> FileStamp:
        """The stamp of a file as it is now; one that cannot be looked at has that of nothing."""
        try:
            return cls(*stamp_of(Path(path)))
        except OSError:  # opening it says what is wrong
            return cls(-1, 0)

    def is_outdated(self, path: Path | str) -> bool:
        """Whether the file has changed since, or is gone."""
        return FileStamp.of(path) != self


def seconds_since_change(path: Path | str) -> float:
    """How long ago a file was last changed; a clock that runs ahead counts as now.

    An object of a store is never still being written: it appears whole.
    """
    if is_object(path):
        return math.inf
    return max(0.0, time.time() - FileStamp.of(path).modified_ns / 1e9)


def still_written_words(seconds: float) -> str:
    """What to say about a file changed this many seconds ago; empty where that is long ago."""
    if seconds > RECENT_SECONDS:
        return ""
    return (
        f"the file was changed {seconds:.0f} s ago: if it is still being written, run again when "
        "it is done"
    )
