"""Whatever is done to a file, reading it gives segments or a VideoError that names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from video_media import make_video

from hiprobe.errors import VideoError
from hiprobe.video.segments import read_clip, read_segments

FILES = 6


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut off, changed in a few places of the header or anywhere, or with a piece missing."""
    data, kind = bytearray(content), rng.integers(4)
    if kind == 0:
        return bytes(data[: rng.integers(1, len(data))])
    if kind == 1:
        start = rng.integers(len(data))
        del data[start : start + rng.integers(1, 3000)]
        return bytes(data) or b"\0"
    for _ in range(rng.integers(1, 40)):
        data[rng.integers(min(2000, len(data)) if kind == 2 else len(data))] = rng.integers(256)
    return bytes(data)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts", "flv"])
def test_damage_never_raises_anything_else(tmp_path: Path, suffix: str) -> None:
    whole = make_video(tmp_path / f"whole.{suffix}", frames=30, noise=True).read_bytes()
    rng = np.random.default_rng(len(suffix))
    for number in range(FILES):
        path = tmp_path / f"{number}.{suffix}"
        path.write_bytes(damaged(whole, rng))
        for read in (lambda p: list(read_segments(p)), read_clip):
            try:
                assert read(path)
            except VideoError as error:
                assert str(path) in str(error)
