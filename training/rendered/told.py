"""A story with sentences about it, and what the stories of training have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from hiprobe.scenes.lens import Level, Plume, fire_of, smoke_of
from hiprobe.scenes.motion import Track, facing_to, stand, walk
from hiprobe.scenes.story import Person, Setting, Story
from rendered.effects import ball_of, bicycle_of, debris_of, door_of
from rendered.vehicles import Build, Route, Vehicle

NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six")


@dataclass(frozen=True)
class ToldStory(Story):
    """A story, and sentences about it (without place and time of day).

    Attributes:
        where_said: whether a caption says where in the picture it plays.
    """

    says: tuple[str, ...] = ()
    where_said: bool = True


def told(
    says: tuple[str, ...],
    people: tuple[Person, ...] = (),
    vehicles: tuple[tuple[Build, Route], ...] = (),
    *,
    fires: tuple[Plume, ...] = (),
    smokes: tuple[Plume, ...] = (),
    pieces: tuple[tuple[float, NDArray[np.float64]], ...] = (),
    ball: Callable[[float], tuple[float, float, float, float]] | None = None,
    bicycle: bool = False,
    door: Level | None = None,
    light: Level | None = None,
    flash: Level | None = None,
    shake: Level | None = None,
    pan: Level | None = None,
    where_said: bool = True,
) -> ToldStory:
    """A story from its parts; a bicycle and a door belong to the first of the people."""
    driven = tuple(Vehicle(build, route) for build, route in vehicles)
    return ToldStory(
        actors=(*people, *driven),
        behind=() if door is None else (door_of(door, people[0].track),),
        over=(
            *(() if ball is None else (ball_of(ball),)),
            *((bicycle_of(people[0].track),) if bicycle else ()),
            *map(smoke_of, smokes),
            *(debris_of(flying, start) for start, flying in pieces),
        ),
        fires=tuple(map(fire_of, fires)),
        lamps=tuple(vehicle.headlights for vehicle in driven),
        light=light,
        flash=flash,
        shake=shake,
        pan=pan,
        says=says,
        where_said=where_said,
    )


def describe(
    rng: np.random.Generator, story: ToldStory, *, u: float, place: str, night: bool
) -> str:
    """A caption; `u` is the share of the picture's width at which the story plays."""
    what = story.says[rng.integers(len(story.says))]
    parts = [what]
    if story.where_said:
        parts.append(_where(rng, u))
    if rng.random() < 0.3:
        parts.append(f"in a {place}")
    when = "at night" if night else ("in daylight" if rng.random() < 0.1 else "")
    if when and rng.random() < 0.4:
        return f"{when[0].upper()}{when[1:]}, {what[0].lower()}{' '.join(parts)[1:]}."
    return " ".join([*parts, when]).strip() + "."


def _where(rng: np.random.Generator, u: float) -> str:
    if u < 0.38:
        return "on the left"
    if u > 0.62:
        return "on the right"
    return str(rng.choice(["in the middle", "in the centre", "in front of the camera"]))


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
