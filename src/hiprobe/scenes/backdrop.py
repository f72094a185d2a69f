"""Painted backgrounds: textured ground in perspective, wall or sky behind, clutter, lamps."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from hiprobe.scenes.figures import Camera

Picture = NDArray[np.uint8]
Plane = NDArray[np.float32]

TRAINING_PLACES = ("street", "car park", "square", "hall", "shop", "yard")
DEMO_PLACES = ("corridor", "courtyard", "kiosk")
ROADS = ("street", "car park", "yard")
INDOORS = ("hall", "shop", "corridor")


def speckle(rng: np.random.Generator, height: int, width: int, cell: int) -> Plane:
    """Smooth noise `[height, width]` in about [-1, 1], spots of `cell` pixels."""
    coarse = rng.uniform(-1, 1, (height // cell + 3, width // cell + 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def tint(rng: np.random.Generator, low: int, high: int, colour: float = 14) -> Plane:
    """A muted RGB colour between two levels of grey."""
    grey = rng.uniform(low, high)
    return np.clip(grey + rng.uniform(-colour, colour, 3), 0, 255).astype(np.float32)


def paint(rng: np.random.Generator, camera: Camera, place: str) -> Picture:
    """The empty scene, uint8 RGB `[height, width, 3]`."""
    rows, columns = np.mgrid[0 : camera.height, 0 : camera.width].astype(np.float32)
    below = np.maximum(rows - camera.horizon, 1.0)
    z = camera.focal * camera.above / below
    x = (columns - camera.width / 2) * z / camera.focal
    end = float(rng.uniform(9, 26)) if place in INDOORS else float(rng.uniform(14, 45))
    image = _ground(rng, x, z, place)
    foot = int(camera.horizon + camera.focal * camera.above / end)
    if place == "corridor":
        _side_walls(rng, image, x, z, camera)
    if foot > 0:
        _wall(rng, image, min(foot, camera.height // 2), place, camera)
    for cell, force in ((2, 4.0), (9, 7.0), (40, 9.0)):
        image += speckle(rng, camera.height, camera.width, cell)[:, :, None] * force
    _clutter(rng, image, camera, place)
    return np.clip(image, 0, 255).astype(np.uint8)


def _ground(rng: np.random.Generator, x: Plane, z: Plane, place: str) -> Plane:
    base = tint(rng, 70, 175) if place not in ROADS else tint(rng, 70, 130, 6)
    image = np.empty((*x.shape, 3), np.float32)
    image[:] = base
    fade = np.clip(1.3 - z / 28, 0, 1)[:, :, None]
    pattern = GROUNDS[place](rng, x, z)
    return np.asarray(image + pattern * fade, np.float32)


def _lines(values: Plane, spacing: float, wide: float) -> Plane:
    return np.asarray(
        (np.abs((values / spacing + 0.5) % 1.0 - 0.5) * spacing < wide / 2).astype(np.float32),
        np.float32,
    )


def _tiles(rng: np.random.Generator, x: Plane, z: Plane) -> Plane:
    turn, size = rng.uniform(-0.6, 0.6), rng.uniform(0.5, 1.6)
    a, b = x * np.cos(turn) - z * np.sin(turn), x * np.sin(turn) + z * np.cos(turn)
    if rng.random() < 0.4:
        check = (np.floor(a / size) + np.floor(b / size)) % 2
        return np.asarray(
            ((check - 0.5) * rng.uniform(8, 40))[:, :, None] * np.ones(3, np.float32), np.float32
        )
    seams = np.maximum(_lines(a, size, 0.06), _lines(b, size, 0.06))
    return np.asarray(
        (-seams * rng.uniform(10, 35))[:, :, None] * np.ones(3, np.float32), np.float32
    )


def _road(rng: np.random.Generator, x: Plane, z: Plane) -> Plane:
    middle, wide = rng.uniform(7, 12), 3.2
    mark = _lines(z - middle, 200.0, 0.18) * (x % 3.0 < 1.7)
    kerb = (np.abs(z - middle) > wide + 0.6).astype(np.float32)
    edge = ((np.abs(np.abs(z - middle) - wide - 0.6)) < 0.12).astype(np.float32)
    pave = tint(rng, 15, 50, 5)
    return np.asarray(
        mark[:, :, None] * 85 + kerb[:, :, None] * pave + edge[:, :, None] * 35, np.float32
    )


def _bays(rng: np.random.Generator, x: Plane, z: Plane) -> Plane:
    row = rng.uniform(10, 16)
    marks = _lines(x, 2.6, 0.12) * (np.abs(z - row) < 2.6)
    return np.asarray(
        (marks * rng.uniform(50, 90))[:, :, None] * np.ones(3, np.float32), np.float32
    )


def _soil(rng: np.random.Generator, x: Plane, z: Plane) -> Plane:
    green = np.array(rng.choice([[-14, 10, -22], [10, 2, -14], [0, 0, 0]]), np.float32)
    rough = speckle(rng, x.shape[0], x.shape[1], 4)[:, :, None] * 12
    return np.asarray(green + rough + 0 * z[:, :, None], np.float32)


def _cobbles(rng: np.random.Generator, x: Plane, z: Plane) -> Plane:
    ring = np.sqrt(x**2 + (z - rng.uniform(7, 10)) ** 2)
    seams = np.maximum(_lines(ring, 0.7, 0.1), _lines(np.arctan2(z - 8, x + 1e-3), 0.2, 0.02))
    lawn = ((ring > 7.5) & (ring < 12)).astype(np.float32)
    return np.asarray(
        -seams[:, :, None] * 22 + lawn[:, :, None] * np.array([-35, 15, -40], np.float32),
        np.float32,
    )


GROUNDS: dict[str, Callable[[np.random.Generator, Plane, Plane], Plane]] = {
    "street": _road, "car park": _bays, "square": _tiles, "hall": _tiles, "shop": _tiles,
    "yard": _soil, "corridor": _tiles, "courtyard": _cobbles, "kiosk": _tiles,
}  # fmt: skip


def _wall(rng: np.random.Generator, image: Plane, foot: int, place: str, camera: Camera) -> None:
    wide = camera.width
    image[:foot] = tint(rng, 90, 210, 22)
    if rng.random() < 0.4:
        step = int(rng.integers(4, 9))
        image[:foot:step] -= 16
    if place not in INDOORS:
        roof = int(foot * rng.uniform(0.0, 0.6))
        image[:roof] = tint(rng, 150, 235, 18) - np.linspace(20, 0, max(roof, 1))[:, None, None]
    else:
        roof = 0
    if place == "shop":
        _shelves(rng, image, roof, foot)
    elif place == "kiosk":
        _stall(rng, image, foot, wide)
    else:
        _windows(rng, image, roof, foot)
    image[max(0, foot - 2) : foot] *= 0.7


def _windows(rng: np.random.Generator, image: Plane, roof: int, foot: int) -> None:
    tall, count = foot - roof, int(rng.integers(1, 7))
    pitch, glass = image.shape[1] / count, tint(rng, 30, 110, 20)
    for i in range(count):
        a, b = int((i + 0.25) * pitch), int((i + rng.uniform(0.5, 0.75)) * pitch)
        door = rng.random() < 0.2
        top, bottom = roof + int(tall * 0.25), foot if door else roof + int(tall * 0.68)
        image[top:bottom, a:b] = glass + rng.uniform(-10, 25)
        image[top:bottom, (a + b) // 2 : (a + b) // 2 + 1] += 40


def _shelves(rng: np.random.Generator, image: Plane, roof: int, foot: int) -> None:
    step = max(5, (foot - roof) // 4)
    for y in range(roof, foot - 3, step):
        x = 0
        while x < image.shape[1]:
            w = int(rng.integers(3, 12))
            image[y + 1 : y + step - 2, x : x + w - 1] = tint(rng, 50, 190, 45)
            x += w
        image[y + step - 2 : y + step] = 60


def _stall(rng: np.random.Generator, image: Plane, foot: int, wide: int) -> None:
    a, b = int(wide * rng.uniform(0.1, 0.35)), int(wide * rng.uniform(0.55, 0.9))
    image[int(foot * 0.15) : foot, a:b] = tint(rng, 60, 150, 40)
    image[int(foot * 0.35) : int(foot * 0.7), a + 4 : b - 4] = 40
    for i, x in enumerate(range(a - 4, b + 4, 8)):
        image[int(foot * 0.1) : int(foot * 0.3), max(x, 0) : x + 8] = (
            (190, 40, 40) if i % 2 else (225, 220, 210)
        )


def _side_walls(rng: np.random.Generator, image: Plane, x: Plane, z: Plane, camera: Camera) -> None:
    half, colour = float(rng.uniform(2.4, 3.4)), tint(rng, 120, 200, 18)
    columns = np.abs(np.arange(camera.width, dtype=np.float32) - camera.width / 2)[None, :]
    away = camera.focal * half / np.maximum(columns, 1.0)  # distance at which the wall stands
    wall = (np.abs(x) > half) & (z > 0)
    doors = (_lines(away + 0 * z, 4.0, 1.1) > 0) & wall
    image[wall] = colour
    image[doors] = colour * 0.6
    foot = np.abs(np.abs(x) - half) * camera.focal / z < 2.5
    image[foot & (z > 0)] *= 0.6


def _clutter(rng: np.random.Generator, image: Plane, camera: Camera, place: str) -> None:
    for _ in range(int(rng.integers(0, 5)) if place != "corridor" else 0):
        u, v = (
            float(rng.choice([rng.uniform(-0.05, 0.2), rng.uniform(0.8, 1.05)])),
            rng.uniform(0.4, 0.95),
        )
        _, z = camera.ground(u, float(v))
        unit = camera.pixels_per_metre(z)
        wide, tall = rng.uniform(0.2, 1.3) * unit, rng.uniform(0.4, 1.4) * unit
        if place not in INDOORS and rng.random() < 0.3:
            wide, tall = 0.12 * unit, 4.0 * unit  # a pole
        bottom, left = int(v * camera.height), int(u * camera.width)
        tone = tint(rng, 30, 170, 30)
        box = image[max(0, bottom - int(tall)) : bottom, max(0, left) : max(0, left + int(wide))]
        box[:] = tone
        box[: max(1, len(box) // 8)] += 25
