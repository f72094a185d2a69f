"""What a scene is made of: its setting, who is in it, and what kind of scene it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hiprobe.scenes.backdrop import Place
from hiprobe.scenes.figures import (
    Camera,
    Clothing,
    Colour,
    Points,
    draw_figure,
    draw_shadow,
    joints,
)
from hiprobe.scenes.lens import Level
from hiprobe.scenes.motion import Track

Picture = NDArray[np.uint8]

# Draws into a picture, as the camera sees it, at a time in seconds.
Painting = Callable[[Picture, Camera, float], None]

SKINS = ((236, 200, 172), (214, 170, 136), (172, 120, 84), (120, 80, 56), (82, 56, 40))
HAIRS = ((30, 24, 20), (70, 46, 28), (120, 90, 50), (160, 160, 158), (20, 20, 24))


class Actor(Protocol):
    """Something that stands or moves in a scene, and casts a shadow."""

    def enter(
        self, shadows: Picture, camera: Camera, sun: Points, t: float
    ) -> tuple[float, Callable[[Picture], None]] | None:
        """Draw its shadow at `t` seconds, and say how to draw the actor itself.

        Args:
            shadows: where the shadow is drawn, white on black.
            sun: metres of x and z per metre of height.

        Returns:
            Its distance in metres and what draws it; None where it is not to be seen.
        """


@dataclass(frozen=True)
class Person:
    """Someone who is dressed and moves along a track."""

    clothing: Clothing
    track: Track

    def enter(
        self, shadows: Picture, camera: Camera, sun: Points, t: float
    ) -> tuple[float, Callable[[Picture], None]] | None:
        """See `Actor.enter`."""
        pose = self.track(t)
        # Nearer than a metre, limbs would fill the picture.
        if pose.z < 1.0:
            return None
        body = joints(pose, self.clothing.height)
        draw_shadow(shadows, camera, body, sun)
        return pose.z, partial(draw_figure, camera=camera, body=body, clothing=self.clothing)


@dataclass(frozen=True)
class Setting:
    """What a story is built from.

    Attributes:
        seconds: length of the scene.
        start, end: of the abnormal part, in seconds.
        x, z: the ground point around which the story plays, in metres.
    """

    rng: np.random.Generator
    camera: Camera
    seconds: float
    start: float
    end: float
    x: float
    z: float


@dataclass(frozen=True)
class Story:
    """What moves in a scene.

    Attributes:
        actors: people and the like; who is farther away is drawn first.
        behind, over: paintings below the actors and on top of them, in order.
        fires: paintings of light, added to the picture.
        lamps: the same at night only.
        light: brightness over time, 1 is the scene's own; None where it stays.
        flash: light added to the whole picture, up to 1.
        shake, pan: of the camera, in shares of the picture's width.
    """

    actors: tuple[Actor, ...] = ()
    behind: tuple[Painting, ...] = ()
    over: tuple[Painting, ...] = ()
    fires: tuple[Painting, ...] = ()
    lamps: tuple[Painting, ...] = ()
    light: Level | None = None
    flash: Level | None = None
    shake: Level | None = None
    pan: Level | None = None


@dataclass(frozen=True)
class SceneKind:
    """A kind of scene, of which every seed makes another one.

    Attributes:
        label: 1 where something abnormal happens, else 0.
        places: where it may play.
        seeds: those it may be rendered with, so that training and demonstration share none.
        wide: whether the camera looks at an area as large as a road.
        begun: chance that the abnormal part is under way when the scene begins.
    """

    name: str
    label: int
    build: Callable[[Setting], Story]
    places: tuple[Place, ...]
    seeds: range
    wide: bool = False
    begun: float = 0.0


def random_colour(rng: np.random.Generator, low: int = 20, high: int = 235) -> Colour:
    """A colour of clothes: mostly muted, sometimes strong."""
    grey, spread = rng.uniform(low, high), 45 if rng.random() < 0.3 else 14
    r, g, b = np.clip(grey + rng.uniform(-spread, spread, 3), 5, 250).astype(int).tolist()
    return r, g, b


def dressed(s: Setting, tracks: Iterable[Track]) -> tuple[Person, ...]:
    """A random person for each track."""
    return tuple(Person(_clothing(s.rng), track) for track in tracks)


def _clothing(rng: np.random.Generator) -> Clothing:
    # each draw takes the generator on, so the order of these lines is part of what a seed means
    skin = SKINS[rng.integers(len(SKINS))]
    shirt, trousers = random_colour(rng), random_colour(rng, 15, 130)
    sleeve = shirt if rng.random() < 0.7 else skin
    return Clothing(
        float(rng.uniform(1.55, 1.9)), float(rng.uniform(0.85, 1.3)), skin,
        HAIRS[rng.integers(len(HAIRS))], shirt, sleeve, trousers, random_colour(rng, 15, 90),
    )  # fmt: skip
