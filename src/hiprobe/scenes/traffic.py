"""Routes of vehicles on straight lanes."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np

from hiprobe.scenes.cast import Route, Setting, vehicle
from hiprobe.scenes.vehicle import Build, Drive


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
