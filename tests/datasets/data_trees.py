"""Small data sets made at test time, in the layouts that are in circulation."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from hiprobe.segment import Frame
from hiprobe.video.write import write_video

SIDE = 32


def moving(seed: int, frames: int) -> list[Frame]:
    """Blocks of random brightness that drift: every seed is another recording."""
    rng = np.random.default_rng(seed)
    still = rng.integers(60, 120, (SIDE, SIDE)).repeat(3).reshape(SIDE, SIDE, 3)
    found = []
    for _ in range(frames):
        patch = rng.integers(0, 255, (4, 4)).repeat(8, axis=0).repeat(8, axis=1)
        found.append((0.5 * still + 0.5 * patch[:, :, None]).astype(np.uint8))
    return found


def clip(path: Path, seed: int, *, frames: int = 12, fps: int = 25, crf: int = 20) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # any file of a data set is written, also one called .avi: the content decides
    made = write_video(path.with_suffix(".mkv"), moving(seed, frames), fps=fps, crf=crf)
    return made.path.rename(path)


def clips(root: Path, names: Iterable[str], *, frames: int = 12) -> None:
    for seed, name in enumerate(names):
        clip(root / name, seed, frames=frames)


def pictures(folder: Path, seed: int, *, frames: int, suffix: str = ".jpg", first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i, pixels in enumerate(moving(seed, frames), start=first):
        Image.fromarray(pixels).save(folder / f"{i:03d}{suffix}")
    return folder
