"""Painted backgrounds: textured ground in perspective, wall or sky behind, clutter, lamps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hiprobe.scenes.figures import Camera

Picture = NDArray[np.uint8]
Plane = NDArray[np.float32]

# Paints what is added to the ground's colour at the ground points (x, z) of the pixels.
Ground = Callable[[np.random.Generator, Plane, Plane], Plane]

# Paints what is on the wall between two rows: where the roof ends, where the ground begins.
Wall = Callable[[np.random.Generator, Plane, int, int], None]


@dataclass(frozen=True)
class Place:
    """A kind of surroundings.

    Attributes:
        indoors: a wall up to the top of the picture in place of a sky, and no poles.
        tone: darkest and lightest grey of the ground, and how far it may be off grey.
        is_corridor: with walls on both sides, and nothing standing about.
    """

    name: str
    ground: Ground
    wall: Wall
    indoors: bool = False
    tone: tuple[int, int, int] = (70, 175, 14)
    is_corridor: bool = False


def speckle(rng: np.random.Generator, height: int, width: int, cell: int) -> Plane:
    """Smooth noise `[height, width]` in about [-1, 1], spots of `cell` pixels."""
    coarse = rng.uniform(-1, 1, (height // cell + 3, width // cell + 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def tint(rng: np.random.Generator, low: int, high: int, colour: float = 14) -> Plane:
    """A muted RGB colour between two levels of grey."""
    grey = rng.uniform(low, high)
    return np.clip(grey + rng.uniform(-colour, colour, 3), 0, 255).astype(np.float32)


def paint(rng: np.random.Generator, camera: Camera, place: Place) -> Picture:
    """The empty scene, uint8 RGB `[height, width, 3]`."""
    rows, columns = np.mgrid[0 : camera.height, 0 : camera.width].astype(np.float32)
    below = np.maximum(rows - camera.horizon, 1.0)
    # Each pixel below the horizon sees one point of the ground: similar triangles.
    z = camera.focal * camera.above / below
    x = (columns - camera.width / 2) * z / camera.focal
    end = float(rng.uniform(9, 26)) if place.indoors else float(rng.uniform(14, 45))
    image = _ground(rng, x, z, place)
    foot = int(camera.horizon + camera.focal * camera.above / end)
    if place.is_corridor:
        _side_walls(rng, image, x, z, camera)
    if foot > 0:
        _wall(rng, image, min(foot, camera.height // 2), place)
    # Noise at three sizes: dirt, stains, uneven light. Flat colours look drawn, to models too.
    for cell, force in ((2, 4.0), (9, 7.0), (40, 9.0)):
        image += speckle(rng, camera.height, camera.width, cell)[:, :, None] * force
    _clutter(rng, image, camera, place)
    return np.clip(image, 0, 255).astype(np.uint8)


def _ground(rng: np.random.Generator, x: Plane, z: Plane, place: Place) -> Plane:
    base = tint(rng, *place.tone)
    image = np.empty((*x.shape, 3), np.float32)
    image[:] = base
    # Far patterns are finer than a pixel and would flicker as stripes.
    fade = np.clip(1.3 - z / 28, 0, 1)[:, :, None]
    pattern = place.ground(rng, x, z)
    return np.asarray(image + pattern * fade, np.float32)


def lines(values: Plane, spacing: float, wide: float) -> Plane:
    """1 within `wide / 2` of the multiples of `spacing`, 0 elsewhere."""
    return np.asarray(
        (np.abs((values / spacing + 0.5) % 1.0 - 0.5) * spacing < wide / 2).astype(np.float32),
        np.float32,
    )


def tiles(rng: np.random.Generator, x: Plane, z: Plane) -> Plane:
    """Tiles or a chequered floor, as a `Ground`."""
    turn, size = rng.uniform(-0.6, 0.6), rng.uniform(0.5, 1.6)
    a, b = x * np.cos(turn) - z * np.sin(turn), x * np.sin(turn) + z * np.cos(turn)
    if rng.random() < 0.4:
        check = (np.floor(a / size) + np.floor(b / size)) % 2
        return np.asarray(
            ((check - 0.5) * rng.uniform(8, 40))[:, :, None] * np.ones(3, np.float32), np.float32
        )
    seams = np.maximum(lines(a, size, 0.06), lines(b, size, 0.06))
    return np.asarray(
        (-seams * rng.uniform(10, 35))[:, :, None] * np.ones(3, np.float32), np.float32
    )


def _cobbles(rng: np.random.Generator, x: Plane, z: Plane) -> Plane:
    ring = np.sqrt(x**2 + (z - rng.uniform(7, 10)) ** 2)
    seams = np.maximum(lines(ring, 0.7, 0.1), lines(np.arctan2(z - 8, x + 1e-3), 0.2, 0.02))
    lawn = ((ring > 7.5) & (ring < 12)).astype(np.float32)
    return np.asarray(
        -seams[:, :, None] * 22 + lawn[:, :, None] * np.array([-35, 15, -40], np.float32),
        np.float32,
    )


def _wall(rng: np.random.Generator, image: Plane, foot: int, place: Place) -> None:
    image[:foot] = tint(rng, 90, 210, 22)
    if rng.random() < 0.4:
        step = int(rng.integers(4, 9))
        image[:foot:step] -= 16
    if not place.indoors:
        roof = int(foot * rng.uniform(0.0, 0.6))
        image[:roof] = tint(rng, 150, 235, 18) - np.linspace(20, 0, max(roof, 1))[:, None, None]
    else:
        roof = 0
    place.wall(rng, image, roof, foot)
    # The dark line where a wall meets the ground.
    image[max(0, foot - 2) : foot] *= 0.7


def windows(rng: np.random.Generator, image: Plane, roof: int, foot: int) -> None:
    """Windows and doors, as a `Wall`."""
    tall, count = foot - roof, int(rng.integers(1, 7))
    pitch, glass = image.shape[1] / count, tint(rng, 30, 110, 20)
    for i in range(count):
        a, b = int((i + 0.25) * pitch), int((i + rng.uniform(0.5, 0.75)) * pitch)
        door = rng.random() < 0.2
        top, bottom = roof + int(tall * 0.25), foot if door else roof + int(tall * 0.68)
        image[top:bottom, a:b] = glass + rng.uniform(-10, 25)
        image[top:bottom, (a + b) // 2 : (a + b) // 2 + 1] += 40


def _stall(rng: np.random.Generator, image: Plane, roof: int, foot: int) -> None:
    wide = image.shape[1]
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
    doors = (lines(away + 0 * z, 4.0, 1.1) > 0) & wall
    image[wall] = colour
    image[doors] = colour * 0.6
    foot = np.abs(np.abs(x) - half) * camera.focal / z < 2.5
    image[foot & (z > 0)] *= 0.6


def _clutter(rng: np.random.Generator, image: Plane, camera: Camera, place: Place) -> None:
    for _ in range(int(rng.integers(0, 5)) if not place.is_corridor else 0):
        u, v = (
            float(rng.choice([rng.uniform(-0.05, 0.2), rng.uniform(0.8, 1.05)])),
            rng.uniform(0.4, 0.95),
        )
        _, z = camera.ground(u, float(v))
        unit = camera.pixels_per_metre(z)
        wide, tall = rng.uniform(0.2, 1.3) * unit, rng.uniform(0.4, 1.4) * unit
        if not place.indoors and rng.random() < 0.3:
            wide, tall = 0.12 * unit, 4.0 * unit  # a pole
        bottom, left = int(v * camera.height), int(u * camera.width)
        tone = tint(rng, 30, 170, 30)
        box = image[max(0, bottom - int(tall)) : bottom, max(0, left) : max(0, left + int(wide))]
        box[:] = tone
        box[: max(1, len(box) // 8)] += 25


CORRIDOR = Place("corridor", tiles, windows, indoors=True, is_corridor=True)
COURTYARD = Place("courtyard", _cobbles, windows)
KIOSK = Place("kiosk", tiles, _stall)
