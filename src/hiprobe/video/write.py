"""Write video: new, cut out of another, or another drawn over. Always H.264, always whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from hiprobe.errors import StorageError, UsageError
from hiprobe.segment import Frame
from hiprobe.store.atomic import atomic_path
from hiprobe.video.decode import FrameReader, Outcome

_SUFFIXES = (".mp4", ".mov", ".mkv")


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

    Streams: one frame is held beside the encoder's own. An odd side is padded by one line of
    pixels, since the format needs even sizes.

    Raises:
        UsageError: no frames, frames of different sizes, a senseless rate, quality or suffix.
        StorageError: the file cannot be written.
    """
    rate = as_rate(fps)
    count = 0
    with _encoder(Path(path), time_base=1 / rate, rate=rate, crf=crf) as encoder:
        for frame in frames:
            encoder.add(frame, pts=count, duration=1)
            count += 1
    return WrittenVideo(Path(path), count, float(count / rate))


def save_clip(
    video: Path | str, *, start_seconds: float, end_seconds: float, path: Path | str
) -> WrittenVideo:
    """Save the frames of `[start_seconds, end_seconds)` as a video of its own, encoded anew.

    Its times count from its first frame. Sound is left out.
    """
    frames = FrameReader(video, start_seconds=start_seconds, end_seconds=end_seconds)
    return _redraw(frames, Path(path), draw=_unchanged, crf=20)


def redraw_video(
    video: Path | str, path: Path | str, *, draw: Callable[[Frame, float], Frame], crf: int = 23
) -> WrittenVideo:
    """Pass every frame through `draw(rgb, seconds)` and write it with the source's own timing.

    Variable frame rates keep their timestamps, memory does not grow with the length, rotated
    sources come out upright, sound is left out. `draw` may return a picture of another size,
    the same for all frames; where the source changes its size, `draw` must even that out.
    """
    return _redraw(FrameReader(video), Path(path), draw=draw, crf=crf)


def _unchanged(frame: Frame, seconds: float) -> Frame:
    return frame


def _redraw(
    frames: FrameReader, path: Path, *, draw: Callable[[Frame, float], Frame], crf: int
) -> WrittenVideo:
    _refuse_same_file(frames.path, path)
    source = iter(frames)
    first = next(source)  # opening errors come before anything is written
    base = Fraction(first.time_base_seconds).limit_denominator(10_000_000)
    rate = Fraction(1 / first.duration_seconds).limit_denominator(1001)
    origin = first.pts
    with _encoder(path, time_base=base, rate=rate, crf=crf) as encoder:
        frame = first
        while True:
            duration = max(1, round(frame.duration_seconds / frame.time_base_seconds))
            encoder.add(draw(frame.rgb(), frame.seconds), pts=frame.pts - origin, duration=duration)
            following = next(source, None)
            if following is None:
                break
            frame = following
    length = frame.end_seconds - first.seconds
    return WrittenVideo(path, frames.frame_count, length, frames.outcome or "end")


def _refuse_same_file(source: Path, target: Path) -> None:
    if target.exists() and source.exists() and target.samefile(source):
        raise UsageError(f"{target} is the source itself; choose another name for the result")


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


class _Encoder:
    def __init__(self, container: Any, *, time_base: Fraction, rate: Fraction, crf: int) -> None:
        self._container = container
        self._time_base = time_base
        self._shape: tuple[int, ...] | None = None
        self._stream = container.add_stream(
            "libx264", rate=rate, options={"crf": str(crf), "preset": "veryfast"}
        )

    def add(self, pixels: Frame, *, pts: int, duration: int) -> None:
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
        if self._shape is None:
            raise UsageError("a video needs at least one frame; none were given")
        self._container.mux(self._stream.encode())


def _even(pixels: Frame) -> Frame:
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(pixels)


@contextmanager
def _encoder(path: Path, *, time_base: Fraction, rate: Fraction, crf: int) -> Iterator[_Encoder]:
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path} has no suffix of {', '.join(_SUFFIXES)}; choose one of them")
    if not 0 <= crf <= 51:
        raise UsageError(f"crf is {crf}; give a quality from 0 (best) to 51")
    options = {} if path.suffix.lower() == ".mkv" else {"movflags": "+faststart"}
    with (
        atomic_path(path) as temporary,
        _storage_errors(path),
        av.open(str(temporary), "w", options=options) as container,
    ):
        encoder = _Encoder(container, time_base=time_base, rate=rate, crf=crf)
        yield encoder
        encoder.finish()


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except av.error.FFmpegError as error:
        raise StorageError(f"cannot write {path}: {error}; check the disk's free space") from error
