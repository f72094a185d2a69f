"""Clips made from photographs: what changes between the frames is known, so it can be captioned.

A clip is one photograph, still or under a moving camera, with patches of another photograph that
move, shake, meet, or a cut or a change of light. Nothing here shows a fight or a crash.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
SIZE = 224
FRAMES = 8
SIDES = ("on the left", "in the middle", "on the right")


@dataclass(frozen=True)
class CaptionedClip:
    """Eight key frames, what changes in them, and what they show."""

    frames: tuple[Frame, ...]
    change: str
    scene: str
    kind: str


@dataclass(frozen=True)
class Photographs:
    """Photographs with their captions, read when asked for."""

    folder: Path
    names: tuple[str, ...]
    captions: dict[str, tuple[str, ...]]

    def picture(self, name: str) -> Frame:
        found = cv2.imread(str(self.folder / name))
        if found is None:
            raise FileNotFoundError(self.folder / name)
        rgb = cv2.cvtColor(cv2.resize(found, (SIZE, SIZE)), cv2.COLOR_BGR2RGB)
        return np.asarray(rgb, dtype=np.uint8)


def read_photographs(root: Path) -> Photographs:
    """`root` holds `captions.csv` (image,caption) and `images/`."""
    captions: dict[str, tuple[str, ...]] = {}
    with (root / "captions.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            captions[row["image"]] = (*captions.get(row["image"], ()), row["caption"].strip())
    names = tuple(sorted(n for n in captions if (root / "images" / n).exists()))
    return Photographs(root / "images", names, captions)


def picture_clip(photographs: Photographs, *, names: tuple[str, ...], seed: int) -> CaptionedClip:
    """One clip, the same for the same seed."""
    rng = np.random.default_rng(seed)
    first, second = (names[int(i)] for i in rng.choice(len(names), 2, replace=False))
    kind = str(rng.choice(list(KINDS), p=WEIGHTS))
    frames, change = KINDS[kind](photographs.picture(first), photographs.picture(second), rng)
    caption = str(rng.choice(photographs.captions[first])).rstrip(" .") + "."
    return CaptionedClip(degrade(frames, rng), change, caption, kind)


def _still(a: Frame, b: Frame, rng: np.random.Generator) -> tuple[list[Frame], str]:
    del b
    return [a] * FRAMES, _one(rng, "Nothing moves.", "The scene is still.", "Nothing happens.")


def _camera(a: Frame, b: Frame, rng: np.random.Generator) -> tuple[list[Frame], str]:
    del b
    speed = float(np.exp(rng.uniform(np.log(0.5), np.log(9)))) * rng.choice([-1, 1])
    across = bool(rng.random() < 0.7)
    big = cv2.resize(a, (SIZE * 3 // 2, SIZE * 3 // 2))
    start = SIZE // 4
    offsets = [int(np.clip(start + speed * (t - 3.5), 0, SIZE // 2)) for t in range(FRAMES)]
    frames = [
        big[start : start + SIZE, o : o + SIZE]
        if across
        else big[o : o + SIZE, start : start + SIZE]
        for o in offsets
    ]
    names = ("left", "right") if across else ("up", "down")
    return frames, f"The camera moves {names[int(speed > 0)]}."


def _mover(a: Frame, b: Frame, rng: np.random.Generator) -> tuple[list[Frame], str]:
    radius, y = int(rng.integers(14, 45)), int(rng.integers(60, 200))
    speed = float(np.exp(rng.uniform(np.log(1.5), np.log(20)))) * float(rng.choice([-1, 1]))
    x = float(rng.uniform(30, SIZE - 30)) - speed * 3.5
    frames = [_paste(a, b, (x + speed * t, y), radius) for t in range(FRAMES)]
    pace = "slowly" if abs(speed) < 5 else "fast" if abs(speed) > 11 else "calmly"
    return frames, f"Something moves {pace} to the {'right' if speed > 0 else 'left'}."


def _several(a: Frame, b: Frame, rng: np.random.Generator) -> tuple[list[Frame], str]:
    count = int(rng.integers(2, 5))
    spots = rng.uniform(25, SIZE - 25, (count, 2))
    speeds = rng.normal(0, 4, (count, 2))
    frames = []
    for t in range(FRAMES):
        frame = a
        for spot, speed in zip(spots, speeds, strict=True):
            frame = _paste(frame, b, tuple(spot + speed * t), 18)
        frames.append(frame)
    return frames, _one(rng, "Several things move calmly.", "Some things walk past each other.")


def _struggle(a: Frame, b: Frame, rng: np.random.Generator) -> tuple[list[Frame], str]:
    x, y, radius = rng.uniform(45, SIZE - 45), rng.uniform(70, 190), int(rng.integers(14, 36))
    force = rng.uniform(0.3, 0.8) * radius
    frames = []
    for _ in range(FRAMES):
        jitter = rng.normal(0, force, (2, 2))
        frame = _paste(a, b, (x - radius * 0.8 + jitter[0, 0], y + jitter[0, 1]), radius, rng)
        other = np.ascontiguousarray(b[:, ::-1])
        frames.append(
            _paste(frame, other, (x + radius * 0.8 + jitter[1, 0], y + jitter[1, 1]), radius, rng)
        )
    verb = _one(rng, "struggle violently", "fight and hit each other", "shake and push each other")
    return frames, f"Two things {verb} {_side(x)}."


def _collide(a: Frame, b: Frame, rng: np.random.Generator) -> tuple[list[Frame], str]:
    x, y, radius = rng.uniform(60, SIZE - 60), rng.uniform(70, 190), int(rng.integers(16, 36))
    speed, hit = rng.uniform(8, 22), rng.uniform(2, 5.5)
    frames = []
    for t in range(FRAMES):
        before, after = max(hit - t, 0.0), max(t - hit, 0.0)
        recoil = speed * 0.35 * (1 - np.exp(-after))
        spin = rng.normal(0, 4 * np.exp(-after) * (after > 0), 4)
        left = (x - radius - speed * before - recoil + spin[0], y + spin[1])
        right = (x + radius + speed * before + recoil + spin[2], y + spin[3])
        frames.append(
            _paste(_paste(a, b, left, radius), np.ascontiguousarray(b[::-1]), right, radius)
        )
    verb = _one(rng, "run into each other", "crash into each other", "collide hard")
    return frames, f"Two things {verb} {_side(x)}."


def _fall(a: Frame, b: Frame, rng: np.random.Generator) -> tuple[list[Frame], str]:
    x, y, radius = rng.uniform(40, SIZE - 40), rng.uniform(30, 90), int(rng.integers(14, 34))
    start = rng.uniform(0, 4)
    drop = [float(min(max(t - start, 0) ** 2 * 8, 110)) for t in range(FRAMES)]
    return [_paste(a, b, (x, y + d), radius) for d in drop], f"Something falls down {_side(x)}."


def _flicker(a: Frame, b: Frame, rng: np.random.Generator) -> tuple[list[Frame], str]:
    del b
    x, y, size = rng.uniform(40, SIZE - 40), rng.uniform(60, 190), rng.uniform(15, 45)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    frames = []
    for t in range(FRAMES):
        grown = size * (1 + 0.08 * t) * rng.uniform(0.75, 1.25)
        away = (
            (columns - x - rng.normal(0, 4)) ** 2 + (rows - y - rng.normal(0, 6)) ** 2
        ) / grown**2
        glow = np.exp(-away)[..., None] * np.array([255, 150, 30], dtype=np.float32)
        frames.append(np.clip(a * 0.85 + glow, 0, 255).astype(np.uint8))
    return frames, f"A bright fire flickers {_side(x)}."


def _cut(a: Frame, b: Frame, rng: np.random.Generator) -> tuple[list[Frame], str]:
    at = int(rng.integers(2, FRAMES - 1))
    return [a] * at + [b] * (FRAMES - at), "The picture changes to another scene."


def _light(a: Frame, b: Frame, rng: np.random.Generator) -> tuple[list[Frame], str]:
    del b
    end = float(rng.choice([0.45, 0.6, 1.4, 1.7]))
    levels = np.linspace(1.0, end, FRAMES)
    frames = [np.clip(a * g, 0, 255).astype(np.uint8) for g in levels]
    return frames, "The light grows brighter." if end > 1 else "The light grows darker."


Maker = Callable[[Frame, Frame, np.random.Generator], tuple[list[Frame], str]]
KINDS: dict[str, Maker] = {
    "still": _still,
    "camera": _camera,
    "mover": _mover,
    "several": _several,
    "struggle": _struggle,
    "collide": _collide,
    "fall": _fall,
    "flicker": _flicker,
    "cut": _cut,
    "light": _light,
}
WEIGHTS = (0.12, 0.08, 0.15, 0.13, 0.18, 0.15, 0.06, 0.05, 0.03, 0.05)


def degrade(frames: list[Frame], rng: np.random.Generator) -> tuple[Frame, ...]:
    """What cameras do to pictures: grey, dark, coarse, noisy, shaking, compressed."""
    grey, dark = rng.random() < 0.2, rng.uniform(0.4, 1.0) if rng.random() < 0.3 else 1.0
    coarse = int(rng.integers(80, 200)) if rng.random() < 0.4 else 0
    noise = rng.uniform(2, 9) if rng.random() < 0.4 else 0.0
    shake = rng.uniform(0.3, 1.5) if rng.random() < 0.25 else 0.0
    quality = int(rng.integers(25, 90))
    done = []
    for frame in frames:
        x = frame
        if coarse:
            x = cv2.resize(cv2.resize(x, (coarse, coarse)), (SIZE, SIZE))
        if shake:
            move = np.array([[1, 0, rng.normal(0, shake)], [0, 1, rng.normal(0, shake)]])
            x = cv2.warpAffine(x, move, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
        if grey:
            x = cv2.cvtColor(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if noise or dark < 1:
            x = np.clip(x * dark + rng.normal(0, noise, x.shape), 0, 255).astype(np.uint8)
        _, coded = cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, quality])
        done.append(np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8))
    return tuple(done)


def _paste(
    base: Frame,
    other: Frame,
    centre: tuple[float, float],
    radius: int,
    rng: np.random.Generator | None = None,
) -> Frame:
    """An upright ellipse of `other` on `base`; with `rng` also tilted by chance."""
    angle = float(rng.normal(0, 25)) if rng is not None else 0.0
    mask = np.zeros((SIZE, SIZE), np.uint8)
    place = (round(float(centre[0])), round(float(centre[1])))
    cv2.ellipse(mask, place, (radius, int(radius * 1.6)), angle, 0, 360, 255, -1)
    shift = np.array([[1, 0, place[0] - SIZE / 2], [0, 1, place[1] - SIZE / 2]], dtype=np.float64)
    moved = cv2.warpAffine(other, shift, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
    return np.where(mask[..., None] > 0, moved, base)


def _one(rng: np.random.Generator, *options: str) -> str:
    return options[int(rng.integers(len(options)))]


def _side(x: float) -> str:
    return SIDES[min(int(3 * x / SIZE), 2)]
