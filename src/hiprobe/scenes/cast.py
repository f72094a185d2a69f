"""Who and what appears: random looks of people, random vehicles, and the story they are in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hiprobe.scenes.camera import Camera
from hiprobe.scenes.effects import Level, Plume
from hiprobe.scenes.figure import Colour, Look
from hiprobe.scenes.motion import Track
from hiprobe.scenes.vehicle import Build, Drive

Route = Callable[[float], Drive]

SKINS = ((236, 200, 172), (214, 170, 136), (172, 120, 84), (120, 80, 56), (82, 56, 40))
HAIRS = ((30, 24, 20), (70, 46, 28), (120, 90, 50), (160, 160, 158), (20, 20, 24))


@dataclass(frozen=True)
class Setting:
    """What a story is built from; `start`, `end` bound the anomalous part, in seconds."""

    rng: np.random.Generator
    camera: Camera
    seconds: float
    start: float
    end: float
    u: float
    x: float
    z: float


@dataclass(frozen=True)
class Story:
    """What moves in a scene, and sentences about it (without place and time of day)."""

    says: tuple[str, ...]
    people: tuple[tuple[Look, Track], ...] = ()
    vehicles: tuple[tuple[Build, Route], ...] = ()
    fires: tuple[Plume, ...] = ()
    smokes: tuple[Plume, ...] = ()
    pieces: tuple[tuple[float, NDArray[np.float64]], ...] = ()
    balls: tuple[Callable[[float], tuple[float, float, float, float]], ...] = ()
    flash: Level | None = None
    light: Level | None = None
    shake: Level | None = None
    pan: Level | None = None
    door: Level | None = None
    place_said: bool = True
    where_said: bool = True
    extra: tuple[str, ...] = field(default=())


def colour(rng: np.random.Generator, low: int = 20, high: int = 235) -> Colour:
    """A colour of clothes: mostly muted, sometimes strong."""
    grey, spread = rng.uniform(low, high), 45 if rng.random() < 0.3 else 14
    r, g, b = np.clip(grey + rng.uniform(-spread, spread, 3), 5, 250).astype(int).tolist()
    return r, g, b


def look(rng: np.random.Generator) -> Look:
    """A random person."""
    skin = SKINS[rng.integers(len(SKINS))]
    shirt, trousers = colour(rng), colour(rng, 15, 130)
    sleeve = shirt if rng.random() < 0.7 else skin
    return Look(
        float(rng.uniform(1.55, 1.9)), float(rng.uniform(0.85, 1.3)), skin,
        HAIRS[rng.integers(len(HAIRS))], shirt, sleeve, trousers, colour(rng, 15, 90),
    )  # fmt: skip


def vehicle(rng: np.random.Generator) -> Build:
    """A random car, van, lorry or bus."""
    paint = colour(rng, 30, 225)
    builds = (
        Build(4.3, 1.8, 0.6, 0.6, 0.12, 0.72, paint, "car"),
        Build(4.0, 1.75, 0.65, 0.65, 0.0, 0.7, paint, "car"),
        Build(4.6, 1.85, 0.6, 0.58, 0.2, 0.75, paint, "car"),
        Build(4.9, 1.95, 0.85, 0.95, 0.0, 0.82, paint, "van"),
        Build(7.0, 2.3, 2.4, 0.0, 0.0, 1.0, paint, "lorry"),
    )
    return builds[int(rng.choice(5, p=(0.28, 0.22, 0.22, 0.18, 0.1)))]
