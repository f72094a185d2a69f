"""An H.264 encoder for frames that come one by one."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from hiprobe.errors import UsageError, VideoError
from hiprobe.segment import Frame
from hiprobe.store.atomic import atomic_path
from hiprobe.store.storage_errors import storage_error

_SUFFIXES = (".mp4", ".mov", ".mkv")

_DISK_ERRORS = frozenset(
    {
        errno.EACCES,
        errno.EBADF,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.ENOENT,
        errno.ENOSPC,
        errno.EPERM,
        errno.EROFS,
        errno.ESTALE,
    }
)
"""What the disk says; all else is said by the encoder, of the pictures or times it was given."""


def as_rate(fps: Fraction | float) -> Fraction:
    """A frame rate as a fraction; 29.97 becomes 30000/1001 and the like."""
    if not 0 < fps <= 1000:
        raise UsageError(f"fps is {fps}; give a frame rate between 0 and 1000")
    if isinstance(fps, Fraction):
        return fps
    broadcast = Fraction(round(fps * 1.001) * 1000, 1001)
    if fps != round(fps) and broadcast and abs(float(broadcast) - fps) < 1e-2:
        return broadcast
    return Fraction(fps).limit_denominator(10_000)


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
            self._begin(pixels)
        if pixels.shape != self._shape or pixels.dtype != np.uint8:
            raise UsageError(
                f"a frame is {pixels.dtype} {pixels.shape}, the first was {self._shape}; "
                "all frames of a video must be uint8 RGB of one size"
            )
        frame = av.VideoFrame.from_ndarray(_even(pixels), format="rgb24")
        frame.pts, frame.time_base, frame.duration = pts, self._time_base, duration
        self._container.mux(self._stream.encode(frame))

    def _begin(self, pixels: Frame) -> None:
        if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise UsageError(f"a frame has shape {pixels.shape}; expected [height, width, 3]")
        self._shape = pixels.shape
        height, width = _even(pixels).shape[:2]
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = self._time_base

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


@contextmanager
def encoder_for(path: Path, *, time_base: Fraction, rate: Fraction, crf: int) -> Iterator[Encoder]:
    """An encoder whose file appears whole at the end of the block, or not at all.

    Raises:
        UsageError: unknown suffix, a senseless quality, or no frames.
        StorageError: the file cannot be written.
        VideoError: the encoder or the format refuses the pictures or their times.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path} has no suffix of {', '.join(_SUFFIXES)}; choose one of them")
    if not 0 <= crf <= 51:
        raise UsageError(f"crf is {crf}; give a quality from 0 (best) to 51")
    options = {} if path.suffix.lower() == ".mkv" else {"movflags": "+faststart"}
    with (
        atomic_path(path) as temporary,
        _own_errors(path),
        av.open(str(temporary), "w", options=options) as container,
    ):
        encoder = Encoder(container, time_base=time_base, rate=rate, crf=crf)
        yield encoder
        encoder.finish()


@contextmanager
def _own_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except av.error.FFmpegError as error:
        if error.errno in _DISK_ERRORS:
            raise storage_error(path, error) from error
        raise VideoError(
            f"{path} cannot be encoded ({error.strerror}): its pictures or times are beyond what "
            "the format holds; convert the source first, or leave it out"
        ) from error
