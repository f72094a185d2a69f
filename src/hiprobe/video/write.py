"""Write frames to an MP4 file, and cut a stretch out of a video."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

import av
import numpy as np
from PIL import Image

from hiprobe.errors import UsageError, VideoError
from hiprobe.failures import storage_error
from hiprobe.segment import Frame
from hiprobe.store.atomic import atomic_path
from hiprobe.video.decode import FrameReader, Outcome
from hiprobe.video.frames import DecodedFrame

# How a picture of another shape is brought to size: black bars, or its centre only.
Fit = Literal["letterbox", "crop"]

FITS: tuple[Fit, ...] = get_args(Fit)

# Largest picture that is written. Few players show more, and the encoder holds some twenty pictures
# at once: with 8190x8190 that is several GB.
MOST_PIXELS = 4096 * 2304

# A clock of nanoseconds would leave an MP4 no room for two seconds between two pictures.
_FINEST_TICKS = 90_000

# MP4 counts the time between two pictures in 31 bits, 6.6 hours at 90 kHz: over a gap the picture
# before it is written again every hour.
_LONGEST_STILL_SECONDS = 3600

_SUFFIXES = (".mp4", ".mov", ".mkv")

# Errors of the disk; all others come from the encoder, about the pictures or times it was given.
_DISK_ERRORS = frozenset(
    (
        *(errno.EACCES, errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO),
        *(errno.ENOENT, errno.ENOSPC, errno.EPERM, errno.EROFS, errno.ESTALE),
    )
)


@dataclass(frozen=True)
class WrittenVideo:
    """A finished file; `outcome` is "truncated" where the source broke off."""

    path: Path
    frame_count: int
    duration_seconds: float
    outcome: Outcome = "end"


def write_video(
    path: Path | str, frames: Iterable[Frame], *, fps: Fraction | float, crf: int = 23
) -> WrittenVideo:
    """Write uint8 RGB frames `[height, width, 3]` of one size at a constant rate.

    Memory holds one frame and those of the encoder. An odd side is padded by one line of pixels,
    since the format needs even sizes.

    Args:
        crf: quality of the encoder, 0 (best) to 51.

    Raises:
        UsageError: no frames, frames of different sizes, a senseless rate, quality or suffix.
        StorageError: the file cannot be written.
    """
    rate = as_rate(fps)
    count = 0
    with encoder_for(Path(path), time_base=1 / rate, rate=rate, crf=crf) as encoder:
        for frame in frames:
            encoder.add(frame, pts=count, duration=1)
            count += 1
    return WrittenVideo(Path(path), count, float(count / rate))


def save_clip(
    video: Path | str,
    *,
    start_seconds: float,
    end_seconds: float,
    path: Path | str,
    max_side_pixels: int | None = None,
    crf: int = 20,
) -> WrittenVideo:
    """Encode the frames of `[start_seconds, end_seconds)` as a video of their own.

    Its times count from its first frame, its size is that of its first frame, as in
    `redraw_video`. Sound is left out.

    Args:
        max_side_pixels: the longer side is scaled down to this; None leaves it.
        crf: quality of the encoder, 0 (best) to 51.

    Raises:
        VideoError: the video cannot be read, or its pictures cannot be encoded.
        StorageError: the result cannot be written.
    """

    def draw(pixels: Frame, seconds: float) -> Frame:
        if max_side_pixels is None or max(pixels.shape) <= max_side_pixels:
            return pixels
        picture = Image.fromarray(pixels)
        picture.thumbnail((max_side_pixels, max_side_pixels))
        return np.asarray(picture)

    frames = FrameReader(video, start_seconds=start_seconds, end_seconds=end_seconds)
    return _redraw(frames, Path(path), draw=draw, crf=crf)


def redraw_video(
    video: Path | str, path: Path | str, *, draw: Callable[[Frame, float], Frame], crf: int = 23
) -> WrittenVideo:
    """Pass every frame through `draw(rgb, seconds)` and write it with the source's own timing.

    Variable frame rates keep their timestamps, memory does not grow with the length, rotated
    sources come out upright, sound is left out. All pictures have the first one's size: where
    the source changes its size, the others are scaled into it, with black bars; above 9
    megapixels they are scaled down. `draw` may return a picture of another size, the same for all
    frames.

    Args:
        draw: takes a frame, uint8 RGB `[height, width, 3]`, and its time in seconds; gives
            the picture to write.
        crf: quality of the encoder, lower is better.

    Raises:
        VideoError: the video cannot be read, or its pictures cannot be encoded.
        StorageError: the result cannot be written.
    """
    return _redraw(FrameReader(video), Path(path), draw=draw, crf=crf)


def _redraw(
    frames: FrameReader, path: Path, *, draw: Callable[[Frame, float], Frame], crf: int
) -> WrittenVideo:
    is_same = path == frames.path or (
        path.exists() and frames.path.exists() and path.samefile(frames.path)
    )
    if is_same:
        raise UsageError(f"{path} is the source itself; choose another name for the result")
    source = iter(frames)
    first = last = next(source)  # opening errors come before anything is written
    base = Fraction(first.time_base_seconds).limit_denominator(2**31 - 1)
    base = max(base, Fraction(1, _FINEST_TICKS))
    # For the encoder to plan with; each picture's time is written for itself.
    rate = Fraction(1 / first.duration_seconds).limit_denominator(1001)
    rate = min(max(rate, Fraction(1)), Fraction(1000))
    width, height = first.size
    scale = min(1.0, (MOST_PIXELS / (width * height)) ** 0.5)
    size = max(1, int(width * scale)), max(1, int(height * scale))
    with encoder_for(path, time_base=base, rate=rate, crf=crf) as encoder:
        for item in _timed(chain([first], source), time_base=base):
            last = item.frame
            # A source may change its size, its turn or the shape of its pixels in mid-stream.
            # Stretched pictures would show people of another shape, cut ones would hide some.
            whole = last.size == size
            pixels = last.rgb() if whole else fitted(last, size=size, fit="letterbox")
            encoder.add(draw(pixels, item.seconds), pts=item.pts, duration=item.duration)
    length = last.end_seconds - first.seconds
    return WrittenVideo(path, frames.frame_count, length, frames.outcome or "end")


@dataclass(frozen=True)
class _TimedFrame:
    """One picture to be written; `pts` and `duration` are in units of the written time base."""

    frame: DecodedFrame
    seconds: float
    pts: int
    duration: int


def _timed(frames: Iterable[DecodedFrame], *, time_base: Fraction) -> Iterator[_TimedFrame]:
    """The frames with their times from the first one on, rising by a tick at least."""
    origin: float | None = None
    before: _TimedFrame | None = None
    still = int(_LONGEST_STILL_SECONDS / time_base)
    for frame in frames:
        origin = frame.seconds if origin is None else origin
        pts = round((frame.seconds - origin) / time_base)
        if before is not None:
            for again in range(before.pts + still, pts, still):
                seconds = before.seconds + float((again - before.pts) * time_base)
                yield _TimedFrame(before.frame, seconds, again, still)
            pts = max(pts, before.pts + 1)
        duration = max(1, round(frame.duration_seconds / time_base))
        before = _TimedFrame(frame, frame.seconds, pts, duration)
        yield before


def fitted(frame: DecodedFrame, *, size: tuple[int, int], fit: Fit) -> Frame:
    """The upright picture at `size` (width, height), its shape unchanged, uint8 RGB."""
    width, height = size
    ratios = width / frame.size[0], height / frame.size[1]
    scale = min(ratios) if fit == "letterbox" else max(ratios)
    inner = max(1, round(frame.size[0] * scale)), max(1, round(frame.size[1] * scale))
    picture = frame.rgb(size=inner)
    if fit == "crop":
        left, top = (inner[0] - width) // 2, (inner[1] - height) // 2
        return np.ascontiguousarray(picture[top : top + height, left : left + width])
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = picture
    return canvas


def as_rate(fps: Fraction | float) -> Fraction:
    """A frame rate as a fraction; 29.97 becomes 30000/1001 and the like.

    Raises:
        UsageError: it is not between 0 and 1000.
    """
    if not 0 < fps <= 1000:
        raise UsageError(f"fps is {fps}; give a frame rate between 0 and 1000")
    if isinstance(fps, Fraction):
        return fps
    broadcast = Fraction(round(fps * 1.001) * 1000, 1001)
    if fps != round(fps) and broadcast and abs(float(broadcast) - fps) < 1e-2:
        return broadcast
    return Fraction(fps).limit_denominator(10_000)


@contextmanager
def encoder_for(path: Path, *, time_base: Fraction, rate: Fraction, crf: int) -> Iterator[Encoder]:
    """An encoder whose file appears whole at the end of the block, or not at all.

    Args:
        path: ends in one of `_SUFFIXES`, which chooses the format.
        time_base: unit of the timestamps, in seconds.
        rate: usual frames a second, for the header.
        crf: quality of H.264, 0 (best) to 51.

    Raises:
        UsageError: unknown suffix, a senseless quality, or no frames.
        StorageError: the file cannot be written.
        VideoError: the encoder or the format refuses the pictures or their times.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path} has no suffix of {', '.join(_SUFFIXES)}; choose one of them")
    if not 0 <= crf <= 51:
        raise UsageError(f"crf is {crf}; give a quality from 0 (best) to 51")
    # The index goes to the front, so that a browser plays the file before it has all of it.
    options = {} if path.suffix.lower() == ".mkv" else {"movflags": "+faststart"}
    with atomic_path(path) as temporary:
        try:
            with av.open(str(temporary), "w", options=options) as container:
                encoder = Encoder(container, time_base=time_base, rate=rate, crf=crf)
                yield encoder
                encoder.finish()
        except av.error.FFmpegError as error:
            if error.errno in _DISK_ERRORS:
                raise storage_error(path, error) from error
            raise VideoError(
                f"{path} cannot be encoded ({error.strerror}): its pictures or times are beyond "
                "what the format holds; convert the source first, or leave it out"
            ) from error


class Encoder:
    """Takes frames of one size, one at a time; `encoder_for` opens and closes it."""

    def __init__(self, container: Any, *, time_base: Fraction, rate: Fraction, crf: int) -> None:
        self._container = container
        self._time_base = time_base
        self._shape: tuple[int, ...] | None = None
        self._stream = container.add_stream(
            "libx264", rate=rate, options={"crf": str(crf), "preset": "veryfast"}
        )

    def add(self, pixels: Frame, *, pts: int, duration: int) -> None:
        """Encode one frame, uint8 RGB `[height, width, 3]`, times in units of the time base.

        Raises:
            UsageError: it differs from the first in size, or is no such picture.
        """
        if self._shape is None:
            if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
                raise UsageError(f"a frame has shape {pixels.shape}; expected [height, width, 3]")
            self._shape = pixels.shape
            self._stream.height, self._stream.width = _even(pixels).shape[:2]
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = self._time_base
        if pixels.shape != self._shape or pixels.dtype != np.uint8:
            raise UsageError(
                f"a frame is {pixels.dtype} {pixels.shape}, the first was {self._shape}; "
                "all frames of a video must be uint8 RGB of one size"
            )
        frame = av.VideoFrame.from_ndarray(_even(pixels), format="rgb24")
        frame.pts, frame.time_base, frame.duration = pts, self._time_base, duration
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds.

        Raises:
            UsageError: no frame was given.
        """
        if self._shape is None:
            raise UsageError("a video needs at least one frame; none were given")
        self._container.mux(self._stream.encode())


def _even(pixels: Frame) -> Frame:
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(pixels)
