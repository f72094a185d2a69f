"""What light, a lens and a sensor do to a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import sin

import cv2
import numpy as np
from numpy.typing import NDArray

from hiprobe.scenes.figures import Camera
from hiprobe.scenes.motion import ramp, wobble

Picture = NDArray[np.uint8]
# A strength over time in seconds.
Level = Callable[[float], float]


@dataclass(frozen=True)
class Plume:
    """Rising blobs of fire (`glow`) or smoke over a ground point; `level` grows 0..1 in time."""

    x: float
    z: float
    size: float
    glow: bool
    level: Level
    grey: int
    lives: NDArray[np.float64] = field(repr=False)  # [blobs, 4]: phase, rate, side, size
    wind: float = 0.0
    base: float = 0.0


def plume(
    rng: np.random.Generator, x: float, z: float, *, size: float, glow: bool, level: Level,
    wind: float = 0.0, base: float = 0.0,
) -> Plume:  # fmt: skip
    """A plume `size` metres wide with seeded blobs."""
    count = 70 if glow else 40
    low, high = (0.9, 2.2) if glow else (0.2, 0.5)
    lives = np.stack(
        [rng.uniform(0, 1, count), rng.uniform(low, high, count), rng.uniform(-1, 1, count),
         rng.uniform(0.5, 1.2, count)], axis=1,
    )  # fmt: skip
    return Plume(x, z, size, glow, level, int(rng.integers(60, 200)), lives, wind, base)


def fire_of(fire: Plume) -> Callable[[Picture, Camera, float], None]:
    """What adds the flames at a time in seconds to a black layer of light, in place."""
    return lambda layer, camera, t: _draw_fire(layer, camera, fire, t)


def smoke_of(smoke: Plume) -> Callable[[Picture, Camera, float], None]:
    """What blends the smoke at a time in seconds into a picture, in place."""
    return lambda image, camera, t: _draw_smoke(image, camera, smoke, t)


def _draw_fire(layer: Picture, camera: Camera, fire: Plume, t: float) -> None:
    level = fire.level(t)
    if level <= 0.01:
        return
    size = fire.size * (0.3 + 0.7 * level)
    unit, fresh = camera.pixels_per_metre(fire.z), np.zeros_like(layer)
    ages = (fire.lives[:, 0] + fire.lives[:, 1] * t) % 1.0
    for (_, _, side, big), age in sorted(
        zip(fire.lives.tolist(), ages.tolist(), strict=True), key=lambda pair: -pair[1]
    ):
        x = fire.x + size * (0.5 * side * (1 - 0.6 * age) + 0.1 * sin(9 * t + 7 * side))
        point = np.array([[x + fire.wind * age * age, fire.base + size * 1.7 * age, fire.z]])
        centre = np.rint(camera.project(point)[0]).astype(int).tolist()
        hot = 1 - age
        tone = (int(255 * min(1, 0.35 + hot)), int(215 * hot**1.3), int(95 * hot**3))
        radius = max(1, round(unit * size * 0.13 * big * (1.15 - age)))
        tall = round(radius * (1.2 + 0.8 * age))
        cv2.ellipse(fresh, centre, (radius, tall), 12 * side, 0, 360, tone, -1, cv2.LINE_AA)
    soft = max(1, round(unit * size * 0.05)) * 2 + 1
    cv2.add(layer, cv2.GaussianBlur(fresh, (soft, soft), 0), dst=layer)
    _glow(layer, camera, fire, level * (0.8 + 0.2 * sin(23 * t) * sin(7 * t)))


def _glow(layer: NDArray[np.uint8], camera: Camera, fire: Plume, force: float) -> None:
    # A glow has no detail, so a sixteenth of the size is enough and fast.
    small = np.zeros((max(2, layer.shape[0] // 16), max(2, layer.shape[1] // 16), 3), np.uint8)
    point = np.array([[fire.x, fire.base + 0.6 * fire.size, fire.z]])
    centre = np.rint(camera.project(point)[0] / 16).astype(int).tolist()
    radius = max(1, round(camera.pixels_per_metre(fire.z) * fire.size * 1.3 / 16))
    cv2.circle(small, centre, radius, (int(90 * force), int(48 * force), int(12 * force)), -1)
    small = cv2.GaussianBlur(small, (0, 0), max(0.8, radius * 0.8))
    wide = cv2.resize(small, layer.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    cv2.add(layer, wide, dst=layer)


def _draw_smoke(image: Picture, camera: Camera, smoke: Plume, t: float) -> None:
    level = smoke.level(t)
    if level <= 0.01:
        return
    mask = np.zeros(image.shape[:2], np.uint8)
    unit = camera.pixels_per_metre(smoke.z)
    ages = (smoke.lives[:, 0] + smoke.lives[:, 1] * t) % 1.0
    for (_, _, side, big), age in zip(smoke.lives.tolist(), ages.tolist(), strict=True):
        x = smoke.x + smoke.size * (0.4 * side * (0.4 + age) + 0.12 * sin(2 * t + 9 * side))
        height = smoke.base + smoke.size * 2.4 * age * (0.5 + 0.5 * level)
        point = np.array([[x + smoke.wind * age, height, smoke.z]])
        centre = np.rint(camera.project(point)[0]).astype(int).tolist()
        radius = max(1, round(unit * smoke.size * big * (0.14 + 0.36 * age)))
        blob = int(245 * level * (1 - age) ** 0.7 * min(1, 6 * age + 0.2))
        cv2.circle(mask, centre, radius, blob, -1, cv2.LINE_AA)
    soft = max(1, round(unit * smoke.size * 0.12)) * 2 + 1
    weight = cv2.GaussianBlur(mask, (soft, soft), 0)[:, :, None].astype(np.float32) / 255
    image[:] = (image * (1 - weight) + smoke.grey * weight).astype(np.uint8)


def flicker(rng: np.random.Generator, start: float, grow: float) -> Level:
    """A fire's level: it grows from `start` over `grow` seconds, restless."""
    restless = wobble(rng, 1.0, 4.0)
    return lambda t: min(1.0, ramp(t, start, grow) * (0.85 + 0.15 * restless(t)))


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
    # Larger than the picture: each frame takes another part of it, which costs nothing.
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
