"""People that many stories share: walkers, bystanders, people in a ring."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np

from hiprobe.scenes.cast import Setting, look
from hiprobe.scenes.figure import Look
from hiprobe.scenes.motion import (
    Track,
    facing_to,
    stand,
    walk,
)

NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six")


def heading_of(rng: np.random.Generator) -> float:
    """Mostly across the picture, sometimes towards or away from the camera."""
    side = 0.0 if rng.random() < 0.5 else pi
    return side + float(rng.uniform(-0.5, 0.5) if rng.random() < 0.75 else rng.uniform(-1.5, 1.5))


def walkers(s: Setting, count: int, speed: tuple[float, float], spread: float) -> list[Track]:
    """`count` tracks through points within `spread` metres of the scene's anchor."""
    found = []
    for _ in range(count):
        middle = s.x + s.rng.normal(0, spread), max(2.0, s.z + s.rng.normal(0, spread))
        pace = float(s.rng.uniform(*speed))
        found.append(walk(s.rng, middle, seconds=s.seconds, speed=pace, heading=heading_of(s.rng)))
    return found


def dressed(s: Setting, tracks: list[Track]) -> tuple[tuple[Look, Track], ...]:
    """Give each track a random person."""
    return tuple((look(s.rng), track) for track in tracks)


def bystanders(s: Setting, most: int) -> list[Track]:
    """Up to `most` people who stand or walk by, some metres away."""
    found: list[Track] = []
    for _ in range(int(s.rng.integers(0, most + 1))):
        x, z = s.x + s.rng.choice([-1, 1]) * s.rng.uniform(1.4, 4.5), s.z + s.rng.uniform(-0.5, 4)
        if s.rng.random() < 0.5:
            found.append(stand(s.rng, x, z, facing_to(x, z, s.x, s.z)))
        else:
            found.append(
                walk(s.rng, (x, z), seconds=s.seconds, speed=1.2, heading=heading_of(s.rng))
            )
    return found


def circle(s: Setting, count: int, gesture: float) -> list[Track]:
    """People in a ring who face each other."""
    wide, turn = 0.35 + 0.12 * count, s.rng.uniform(0, 2 * pi)
    found = []
    for i in range(count):
        a = turn + 2 * pi * i / count
        x, z = s.x + wide * cos(a), s.z + wide * sin(a)
        found.append(stand(s.rng, x, z, facing_to(x, z, s.x, s.z), gesture=gesture))
    return found
