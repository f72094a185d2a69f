"""Write video: new, cut out of another, or another drawn over. Always H.264, always whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

from hiprobe.errors import UsageError
from hiprobe.segment import Frame
from hiprobe.video.decode import FrameReader, Outcome
from hiprobe.video.encoder import as_rate, encoder_for
from hiprobe.video.shown import picture_of, rate_of, shown, size_of, time_base_of

__all__ = ["WrittenVideo", "as_rate", "redraw_video", "save_clip", "write_video"]


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
    with encoder_for(Path(path), time_base=1 / rate, rate=rate, crf=crf) as encoder:
        for frame in frames:
            encoder.add(frame, pts=count, duration=1)
            count += 1
    return WrittenVideo(Path(path), count, float(count / rate))


def save_clip(
    video: Path | str, *, start_seconds: float, end_seconds: float, path: Path | str
) -> WrittenVideo:
    """Save the frames of `[start_seconds, end_seconds)` as a video of its own, encoded anew.

    Its times count from its first frame, its size is that of its first frame, as in
    `redraw_video`. Sound is left out.

    Raises:
        VideoError: the video cannot be read, or its pictures cannot be encoded.
        StorageError: the result cannot be written.
    """
    frames = FrameReader(video, start_seconds=start_seconds, end_seconds=end_seconds)
    return _redraw(frames, Path(path), draw=_unchanged, crf=20)


def redraw_video(
    video: Path | str, path: Path | str, *, draw: Callable[[Frame, float], Frame], crf: int = 23
) -> WrittenVideo:
    """Pass every frame through `draw(rgb, seconds)` and write it with the source's own timing.

    Variable frame rates keep their timestamps, memory does not grow with the length, rotated
    sources come out upright, sound is left out. All pictures have the first one's size: where
    the source changes its size, the others are scaled into it, with black bars; above 9
    megapixels they are scaled down. `draw` may return a picture of another size, the same for all
    frames.

    Raises:
        VideoError: the video cannot be read, or its pictures cannot be encoded.
        StorageError: the result cannot be written.
    """
    return _redraw(FrameReader(video), Path(path), draw=draw, crf=crf)


def _unchanged(frame: Frame, seconds: float) -> Frame:
    return frame


def _redraw(
    frames: FrameReader, path: Path, *, draw: Callable[[Frame, float], Frame], crf: int
) -> WrittenVideo:
    _refuse_same_file(frames.path, path)
    source = iter(frames)
    first = last = next(source)  # opening errors come before anything is written
    base, size = time_base_of(first), size_of(first)
    with encoder_for(path, time_base=base, rate=rate_of(first), crf=crf) as encoder:
        for item in shown(chain([first], source), time_base=base):
            last = item.frame
            pixels = picture_of(last, size=size)
            encoder.add(draw(pixels, item.seconds), pts=item.pts, duration=item.duration)
    length = last.end_seconds - first.seconds
    return WrittenVideo(path, frames.frame_count, length, frames.outcome or "end")


def _refuse_same_file(source: Path, target: Path) -> None:
    if target.exists() and source.exists() and target.samefile(source):
        raise UsageError(f"{target} is the source itself; choose another name for the result")
