"""Vehicles as boxes in metres: body, cabin, wheels and lamps."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hiprobe.scenes.camera import Camera, Points
from hiprobe.scenes.figure import SHIFT, Colour

FACES = ((0, 1, 2, 3), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7))


class Drive(NamedTuple):
    """Where a vehicle is: metres, heading and roll in radians."""

    x: float
    z: float
    heading: float
    roll: float = 0.0
    lift: float = 0.0


@dataclass(frozen=True)
class Build:
    """Length, width, height of body and cabin in metres; cabin from/to as shares of length."""

    length: float
    width: float
    body: float
    cabin: float
    cabin_from: float
    cabin_to: float
    colour: Colour
    word: str


def draw_vehicle(image: NDArray[np.uint8], camera: Camera, at: Drive, build: Build) -> None:
    """Draw wheels, body and cabin in place."""
    half, wide = build.length / 2, build.width / 2
    low = 0.3
    _box(image, camera, at, (-half, half), wide, (low, low + build.body), build.colour)
    _wheels(image, camera, at, build)
    if build.cabin > 0:
        span = (-half + build.cabin_from * build.length, -half + build.cabin_to * build.length)
        base = low + build.body
        _box(image, camera, at, span, wide * 0.88, (base, base + build.cabin * 0.85), (45, 55, 65))
        top = (span[0] + 0.15, span[1] - 0.25)
        _box(image, camera, at, top, wide * 0.86, (base + build.cabin * 0.85, base + build.cabin),
             build.colour)  # fmt: skip
    for end, colour in ((1, (255, 250, 220)), (-1, (200, 30, 30))):
        _lamps(image, camera, at, build, end, colour)


def _wheels(image: NDArray[np.uint8], camera: Camera, at: Drive, build: Build) -> None:
    across = at.z * cos(at.heading) - at.x * sin(at.heading)  # side of the camera, left positive
    side = -1.0 if across > 0 else 1.0
    turn = np.linspace(0, 2 * np.pi, 13)[:-1]
    for end in (-0.62, 0.62):
        for radius, tone in ((0.36, (22, 22, 24)), (0.17, (110, 110, 112))):
            f = end * build.length / 2 + radius * np.cos(turn)
            y = 0.36 + radius * np.sin(turn)
            rim = _placed(at, f, np.full(12, side * build.width / 2), y)
            px = np.rint(camera.project(rim) * (1 << SHIFT)).astype(np.int32)
            cv2.fillPoly(image, [px], tone, cv2.LINE_AA, SHIFT)


def footprint(at: Drive, build: Build, sun: Points) -> Points:
    """Ground points `[8, 3]` of the shadow: the base and the base moved along the sun."""
    flat = _corners(at, (-build.length / 2, build.length / 2), build.width / 2, (0.0, 0.0))
    moved = flat.copy()
    moved[:, 0] += sun[0] * (build.body + build.cabin) * 0.7
    moved[:, 2] += sun[1] * (build.body + build.cabin) * 0.7
    return np.concatenate([flat, moved])


def lamp_points(at: Drive, build: Build, end: int) -> Points:
    """The two lamps `[2, 3]` at the front (end 1) or the back (end -1)."""
    x = end * build.length / 2
    return _corners(at, (x, x), build.width * 0.38, (0.7, 0.7))[[0, 3]]


def _lamps(
    image: NDArray[np.uint8], camera: Camera, at: Drive, build: Build, end: int, colour: Colour
) -> None:
    middle = np.array([at.x, at.z])
    out = np.array([cos(at.heading), sin(at.heading)]) * end
    if float(out @ middle) > 0:  # this end looks away from the camera
        return
    radius = max(1, round(0.13 * camera.pixels_per_metre(at.z)))
    for x, y in np.rint(camera.project(lamp_points(at, build, end))).astype(int).tolist():
        cv2.circle(image, (x, y), radius, colour, -1, cv2.LINE_AA)


def _corners(at: Drive, along: tuple[float, float], wide: float, up: tuple[float, float]) -> Points:
    f = np.array([along[0], along[1], along[1], along[0]] * 2)
    s = np.array([-wide, -wide, wide, wide] * 2)
    y = np.array([up[0]] * 4 + [up[1]] * 4)
    return _placed(at, f, s, y)


def _placed(at: Drive, f: Points, s: Points, y: Points) -> Points:
    """World points `[n, 3]` from a vehicle's own forward, left and up, rolled and turned."""
    rolled, up = s * cos(at.roll) - y * sin(at.roll), s * sin(at.roll) + y * cos(at.roll)
    c, n = cos(at.heading), sin(at.heading)
    lift = at.lift + abs(sin(at.roll)) * 0.9
    return np.stack([at.x + f * c - rolled * n, up + lift, at.z + f * n + rolled * c], axis=1)


def _box(
    image: NDArray[np.uint8], camera: Camera, at: Drive, along: tuple[float, float], wide: float,
    up: tuple[float, float], colour: Colour,
) -> None:  # fmt: skip
    points = _corners(at, along, wide, up)
    px = np.rint(camera.project(points) * (1 << SHIFT)).astype(np.int32)
    eye = np.array([0.0, camera.above, 0.0])
    distance = [float(np.linalg.norm(points[list(f)].mean(0) - eye)) for f in FACES]
    shade = (0.5, 1.12, 0.8, 0.65, 0.9, 0.7)
    for i in sorted(range(6), key=lambda i: -distance[i])[3:]:
        tone = tuple(min(255, int(c * shade[i])) for c in colour)
        cv2.fillPoly(image, [px[list(FACES[i])]], tone, cv2.LINE_AA, SHIFT)
