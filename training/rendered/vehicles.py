"""Vehicles: how they are drawn, and how they drive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import cos, pi, sin
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hiprobe.scenes.figures import SHIFT, Camera, Colour, Points
from hiprobe.scenes.story import Picture, Setting, random_colour

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


Route = Callable[[float], Drive]


@dataclass(frozen=True)
class Vehicle:
    """A vehicle on its way."""

    build: Build
    route: Route

    def enter(
        self, shadows: Picture, camera: Camera, sun: Points, t: float
    ) -> tuple[float, Callable[[Picture], None]]:
        """See `Actor.enter`."""
        at = self.route(t)
        base = np.rint(camera.project(footprint(at, self.build, sun))).astype(np.int32)
        cv2.fillPoly(shadows, [cv2.convexHull(base)], (255, 255, 255), cv2.LINE_AA)
        return at.z, partial(draw_vehicle, camera=camera, at=at, build=self.build)

    def headlights(self, layer: Picture, camera: Camera, t: float) -> None:
        """The light of its lamps, as a `Painting`."""
        at = self.route(t)
        radius = max(1, round(0.28 * camera.pixels_per_metre(at.z)))
        for end, tone in ((1, (220, 215, 180)), (-1, (150, 20, 20))):
            if end * (cos(at.heading) * at.x + sin(at.heading) * at.z) > 1.5:
                continue
            lamps = np.rint(camera.project(lamp_points(at, self.build, end))).astype(int)
            for x, y in lamps.tolist():
                cv2.circle(layer, (x, y), radius, tone, -1, cv2.LINE_AA)


def vehicle(rng: np.random.Generator) -> Build:
    """A random car, van, lorry or bus."""
    paint = random_colour(rng, 30, 225)
    builds = (
        Build(4.3, 1.8, 0.6, 0.6, 0.12, 0.72, paint, "car"),
        Build(4.0, 1.75, 0.65, 0.65, 0.0, 0.7, paint, "car"),
        Build(4.6, 1.85, 0.6, 0.58, 0.2, 0.75, paint, "car"),
        Build(4.9, 1.95, 0.85, 0.95, 0.0, 0.82, paint, "van"),
        Build(7.0, 2.3, 2.4, 0.0, 0.0, 1.0, paint, "lorry"),
    )
    return builds[int(rng.choice(5, p=(0.28, 0.22, 0.22, 0.18, 0.1)))]


def parked_at(s: Setting) -> Route:
    """A vehicle that stands behind the anchor."""
    spot = Drive(s.x, s.z + 3, float(s.rng.uniform(-0.3, 0.3) + s.rng.choice([0, pi / 2, pi])))
    return lambda t: spot


def drive_by(
    s: Setting, *, speed: float, heading: float, at: float = 0.5, aside: float = 0.0
) -> Route:
    """A straight drive past the anchor, `aside` metres to its left, at the share `at` of time."""
    c, n = cos(heading), sin(heading)

    def route(t: float) -> Drive:
        along = speed * (t - at * s.seconds)
        return Drive(s.x + along * c - aside * n, s.z + along * n + aside * c, heading)

    return route


def road_heading(rng: np.random.Generator) -> float:
    """A road's direction: across the picture, or away from the camera."""
    base = 0.0 if rng.random() < 0.6 else pi / 2
    return base + float(rng.uniform(-0.4, 0.4)) + float(rng.choice([0.0, pi]))


def traffic(s: Setting, count: int, heading: float) -> list[tuple[Build, Route]]:
    """`count` vehicles on the lanes beside the anchor, in both directions."""
    found = []
    for _ in range(count):
        back, lane = pi * float(s.rng.integers(0, 2)), float(s.rng.integers(1, 4))
        found.append((vehicle(s.rng), drive_by(
            s, speed=float(s.rng.uniform(2, 12)), heading=heading + back, aside=-3.4 * lane,
            at=float(s.rng.uniform(-0.5, 1.5)),
        )))  # fmt: skip
    return found
