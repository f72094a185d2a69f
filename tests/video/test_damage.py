"""Whatever is done to a file, reading it gives segments or a VideoError that names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from video_media import make_video

from hiprobe.errors import VideoError
from hiprobe.segment import Cut
from hiprobe.video.clip import read_clip
from hiprobe.video.segments import ClipAndSegments, read_segments
from hiprobe.video.write import save_clip

FILES = 6


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut off, changed in a few places of the header or anywhere, with a piece missing, or with
    whole numbers set to their extremes."""
    data, kind = bytearray(content), rng.integers(5)
    if kind == 0:
        return bytes(data[: rng.integers(1, len(data))])
    if kind == 1:
        start = rng.integers(len(data))
        del data[start : start + rng.integers(1, 3000)]
        return bytes(data) or b"\0"
    if kind == 4:
        for _ in range(rng.integers(1, 6)):
            at, width = rng.integers(min(3000, len(data))), int(rng.integers(2, 9))
            first = (b"\xff", b"\x7f", b"\x80", b"\0")[rng.integers(4)]
            data[at : at + width] = first + b"\xff" * (width - 1)
        return bytes(data)
    for _ in range(rng.integers(1, 40)):
        data[rng.integers(min(2000, len(data)) if kind == 2 else len(data))] = rng.integers(256)
    return bytes(data)


CODECS = {
    "mp4": ("libx264", "yuv420p"),
    "mkv": ("libx264", "yuv420p"),
    "avi": ("libx264", "yuv420p"),
    "ts": ("libx264", "yuv420p"),
    "flv": ("libx264", "yuv420p"),
    "webm": ("libvpx-vp9", "yuv420p"),
    "ivf": ("libvpx-vp9", "yuv420p"),
    "gif": ("gif", "rgb8"),
    "mov": ("mjpeg", "yuvj420p"),
}


@pytest.mark.filterwarnings("ignore:.*video tracks:UserWarning")
@pytest.mark.parametrize("suffix", CODECS)
def test_damage_never_raises_anything_else(tmp_path: Path, suffix: str) -> None:
    codec, pixel_format = CODECS[suffix]
    whole = make_video(
        tmp_path / f"whole.{suffix}",
        frames=30,
        noise=True,
        codec=codec,
        pixel_format=pixel_format,
    ).read_bytes()
    rng = np.random.default_rng(len(suffix))
    for number in range(FILES):
        path = tmp_path / f"{number}.{suffix}"
        path.write_bytes(damaged(whole, rng))
        for read in (_segments, read_clip, _both, _written):
            try:
                assert read(path)
            except VideoError as error:
                assert str(path) in str(error)


def _segments(path: Path) -> object:
    return list(read_segments(path, segment_frames=5))


def _both(path: Path) -> object:
    both = ClipAndSegments(path, Cut(segment_seconds=0.3, max_side_pixels=32))
    return list(both) and both.whole()


def _written(path: Path) -> object:
    clip = path.with_name("clip.mp4")
    return save_clip(path, start_seconds=0.1, end_seconds=0.9, path=clip)
