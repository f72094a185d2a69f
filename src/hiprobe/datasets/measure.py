"""What a file really holds: frames counted, rate, damage, and its fingerprint."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.files_found import Found
from hiprobe.datasets.fingerprint import PICTURES, fingerprint
from hiprobe.errors import VideoError
from hiprobe.failures import failure_of
from hiprobe.segment import Frame, key_frame_positions

if TYPE_CHECKING:
    from hiprobe.video.decode import Outcome

_SIDE_PIXELS = 64


@dataclass(frozen=True, eq=False)
class Measured:
    """One file, as read.

    Attributes:
        frame_count: frames counted, None where it cannot be read at all.
        fps: frames a second by their own times; None for pictures.
        problem: what is wrong with it, empty where nothing is.
        picture: its fingerprint, None where there is none.
    """

    frame_count: int | None
    fps: float | None
    problem: str = ""
    picture: NDArray[np.uint8] | None = None


def measure(found: Found, *, quick: bool = False) -> Measured:
    """Read a video, or a folder of pictures, to its end.

    `quick` counts a video's packets and decodes 8 frames only, and opens 8 pictures of a folder:
    damage between them stays unseen, a video that was cut off does not.
    """
    try:
        if found.pictures:
            return _of_pictures(found.pictures, quick=quick)
        return _of_video(found.path, quick=quick)
    except Exception as error:
        return Measured(None, None, failure_of(found.path, error).reason)


def frame_seconds(path: Path) -> NDArray[np.float64]:
    """Times of all frames of a video, float64 `[frames]`, by decoding it.

    Raises:
        VideoError: it cannot be read.
    """
    from hiprobe.video.decode import FrameReader

    return np.array([frame.seconds for frame in FrameReader(path)])


def _of_video(path: Path, *, quick: bool) -> Measured:
    from hiprobe.video.clip import read_clip_and_outcome

    clip, outcome = read_clip_and_outcome(path, key_frames=PICTURES, max_side_pixels=_SIDE_PIXELS)
    if quick:
        count, seconds = clip.frame_count, _seconds_by_packets(path) or _decode(path)[1]
    else:
        count, seconds, outcome = _decode(path)
    problem = f"{path} breaks off after {count} frames" if outcome == "truncated" else ""
    return Measured(count, count / seconds, problem, fingerprint(clip.frames))


def _decode(path: Path) -> tuple[int, float, Outcome]:
    """Frames, seconds with pictures, and outcome of decoding it all."""
    from hiprobe.video.decode import FrameReader
    from hiprobe.video.pace import pictured_seconds

    reader = FrameReader(path)
    seconds = pictured_seconds(reader, path)
    return reader.frame_count, seconds, reader.outcome or "end"


def _seconds_by_packets(path: Path) -> float:
    """Seconds with pictures; 0 where the packets do not tell the times."""
    from hiprobe.video.pace import pictured_seconds
    from hiprobe.video.packets import read_packets

    packets = read_packets(path)
    origin = packets.times[0][0] if packets.times else 0
    marks, _ = packets.marks(origin_pts=origin, start_seconds=None, end_seconds=None)
    return pictured_seconds(marks, path)


def _of_pictures(pictures: Sequence[Path], *, quick: bool) -> Measured:
    positions = set(key_frame_positions(frame_count=len(pictures), key_frames=PICTURES))
    keys: dict[int, Frame] = {}
    for index, picture in enumerate(pictures):
        if index in positions or not quick:
            pixels = read_picture(picture)
            if index in positions:
                keys[index] = pixels
    frames = [keys[i] for i in key_frame_positions(frame_count=len(pictures), key_frames=PICTURES)]
    return Measured(len(pictures), None, _gap(pictures), fingerprint(frames))


def read_picture(path: Path) -> Frame:
    """A picture file as uint8 RGB `[height, width, 3]`.

    Raises:
        VideoError: it cannot be read.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise VideoError(f"{path} cannot be read as a picture ({error}); copy it again") from error


def _gap(pictures: Sequence[Path]) -> str:
    """Numbers that are left out; frames named without numbers tell nothing."""
    numbers = [re.findall(r"\d+", p.stem) for p in pictures]
    if not all(numbers):
        return ""
    last = [int(n[-1]) for n in numbers]
    absent = sorted(set(range(last[0], last[-1] + 1)) - set(last))
    if not absent:
        return ""
    return f"{pictures[0].parent} lacks {len(absent)} pictures, the first is number {absent[0]}"
