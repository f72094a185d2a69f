"""Who is in a scene, what stands around, and the words for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray

from hiprobe.scenes.figures import Build, Camera, Colour, Drive, Look
from hiprobe.scenes.lens import Level, Plume
from hiprobe.scenes.motion import Track, facing_to, stand, walk

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


PLACES = {
    "street": "in a street", "car park": "in a car park", "square": "in a square",
    "hall": "in a hall", "shop": "in a shop", "yard": "in a yard", "corridor": "",
    "courtyard": "", "kiosk": "",
}  # fmt: skip


def describe(rng: np.random.Generator, story: Story, *, u: float, place: str, night: bool) -> str:
    """The sentence; `u` is the share of the picture's width at which the story plays."""
    what = story.says[rng.integers(len(story.says))]
    parts = [what]
    if story.where_said:
        parts.append(_where(rng, u))
    if story.place_said and PLACES[place] and rng.random() < 0.3:
        parts.append(PLACES[place])
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
