"""What the camera does to a picture: light, night, shake, blur, noise, overlay, compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hiprobe.scenes.camera import Camera

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Lens:
    """The faults of one camera; `gain` is uint8 `[height, width, 3]`, 255 leaves a pixel as is."""

    night: bool
    gain: Picture
    noise: NDArray[np.int16]
    jitter: float
    blur: float
    quality: int
    grey: bool
    overlay: str
    bars: int
    scale: float


def choose_lens(rng: np.random.Generator, camera: Camera, *, night: bool) -> Lens:
    """A random camera."""
    height, width = camera.height, camera.width
    sigma = float(rng.uniform(2, 10) if night else rng.uniform(0.5, 5))
    noise = rng.normal(0, sigma, (height + 32, width + 32, 1)).astype(np.int16)
    stamp = f"{rng.integers(1, 29):02d}-{rng.integers(1, 13):02d}-20{rng.integers(12, 25)} "
    clock = f"{rng.integers(0, 24):02d}:{rng.integers(0, 60):02d}:"
    return Lens(
        night, _gain(rng, height, width, night), noise,
        float(rng.uniform(0.001, 0.008)) if rng.random() < 0.3 else 0.0,
        float(rng.choice([0.0, 0.0, 0.6, 1.0])), int(rng.integers(30, 92)),
        bool(rng.random() < (0.45 if night else 0.12)),
        stamp + clock if rng.random() < 0.4 else "",
        int(height * rng.uniform(0.05, 0.12)) if rng.random() < 0.12 else 0,
        float(rng.choice([1.0, 1.0, 0.6])),
    )  # fmt: skip


def _gain(rng: np.random.Generator, height: int, width: int, night: bool) -> Picture:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    cy, cx = rng.uniform(0, height), rng.uniform(0, width)
    away = ((x - cx) / width) ** 2 + ((y - cy) / height) ** 2
    if not night:
        level = rng.uniform(0.8, 1.0) - rng.uniform(0, 0.35) * away
        return np.asarray(np.clip(255 * level[:, :, None] * np.ones(3), 0, 255), np.uint8)
    level = rng.uniform(0.24, 0.45) + rng.uniform(0.25, 0.6) * np.exp(-away * rng.uniform(3, 12))
    warmth = np.array(rng.choice([[0.8, 0.9, 1.1], [1.05, 0.92, 0.7], [0.95, 1.0, 0.95]]))
    return np.asarray(np.clip(255 * level[:, :, None] * warmth, 0, 255), np.uint8)


def light(lens: Lens, image: Picture, level: float) -> Picture:
    """Apply the static light and a level that changes in time."""
    lit = np.asarray(cv2.multiply(image, lens.gain, scale=level / 255))
    if lens.grey:
        return np.asarray(cv2.cvtColor(cv2.cvtColor(lit, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))
    return lit


def move(image: Picture, dx: float, dy: float, turn: float) -> Picture:
    """Shift by pixels and turn by radians, mirrored at the borders."""
    if abs(dx) + abs(dy) + abs(turn) < 1e-3:
        return image
    height, width = image.shape[:2]
    c, s = np.cos(turn), np.sin(turn)
    matrix = np.array(
        [[c, -s, dx + width / 2 * (1 - c) + height / 2 * s],
         [s, c, dy + height / 2 * (1 - c) - width / 2 * s]], dtype=np.float64,
    )  # fmt: skip
    return np.asarray(
        cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    )


def expose(lens: Lens, image: Picture, rng: np.random.Generator, seconds: float) -> Picture:
    """Blur, noise, overlay, bars and JPEG, as the recorder leaves the picture."""
    height, width = image.shape[:2]
    if lens.scale < 1:
        small = cv2.resize(image, None, fx=lens.scale, fy=lens.scale, interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))
    if lens.blur > 0:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), lens.blur))
    oy, ox = rng.integers(0, 32, 2).tolist()
    grain = np.repeat(lens.noise[oy : oy + height, ox : ox + width], 3, axis=2)
    image = np.asarray(cv2.add(image, grain, dtype=cv2.CV_8U))
    if lens.overlay:
        text, size = f"{lens.overlay}{int(seconds) % 60:02d}", width / 560
        where = (int(0.03 * width), int(0.08 * height))
        cv2.putText(image, text, where, cv2.FONT_HERSHEY_SIMPLEX, size, (240, 240, 240), 1)
    if lens.bars:
        image[: lens.bars] = 0
        image[-lens.bars :] = 0
    _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, lens.quality])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), dtype=np.uint8)
