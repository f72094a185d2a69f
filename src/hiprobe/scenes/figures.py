"""People, drawn limb by limb, and the camera that sees them."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """Projects metres to pixels of a picture of `width` x `height`.

    `focal` and `horizon` are in pixels (the horizon may lie above the picture), `above` is the
    camera's height over the ground in metres.
    """

    width: int
    height: int
    focal: float
    horizon: float
    above: float

    def project(self, points: Points) -> Points:
        """Pixels `[n, 2]` of points `[n, 3]`; what is behind the camera is held before it."""
        # behind the camera a division would turn the figure over and throw it across the picture
        depth = np.maximum(points[:, 2], 0.3)
        x = self.width / 2 + self.focal * points[:, 0] / depth
        y = self.horizon + self.focal * (self.above - points[:, 1]) / depth
        return np.clip(np.stack([x, y], axis=1), -4000, 4000)

    def pixels_per_metre(self, z: float) -> float:
        """Size on the picture of one metre at distance z."""
        return self.focal / max(z, 0.3)

    def ground(self, u: float, v: float) -> tuple[float, float]:
        """The ground point (x, z) seen at the fractions (u, v) of the picture."""
        z = self.focal * self.above / max(v * self.height - self.horizon, 1.0)
        return (u - 0.5) * self.width * z / self.focal, z


def place_camera(rng: np.random.Generator, width: int, height: int, *, wide: bool) -> Camera:
    """A surveillance-like camera: people at mid-distance fill 0.1-0.5 of the height.

    Args:
        wide: the camera sees the area of a road, and people fill 0.06-0.22.
    """
    share = rng.uniform(0.06, 0.22) if wide else rng.uniform(0.1, 0.5)
    horizon = rng.uniform(-0.15, 0.35)
    # Height at which a person of 1.7 m who stands at 0.72 of the picture fills `share` of it.
    above = (0.72 - horizon) * 1.7 / share
    focal = height * rng.uniform(0.9, 1.5)
    return Camera(width, height, focal, horizon * height, min(above, 18.0))


Colour = tuple[int, int, int]
SHIFT = 3  # cv2 draws at eighths of a pixel, so that slow motion is smooth


class Pose(NamedTuple):
    """Where a figure stands and how it is bent; angles in radians, forward positive."""

    x: float
    z: float
    facing: float
    pitch: float = 0.0
    lean: float = 0.0
    hip_left: float = 0.0
    hip_right: float = 0.0
    knee_left: float = 0.05
    knee_right: float = 0.05
    arm_left: float = 0.0
    arm_right: float = 0.0
    elbow_left: float = 0.2
    elbow_right: float = 0.2
    spread: float = 0.15
    stance: float = 0.0
    lift: float = 0.0


@dataclass(frozen=True)
class Clothing:
    """Height in metres, build (1 is average) and RGB colours of a figure."""

    height: float
    build: float
    skin: Colour
    hair: Colour
    shirt: Colour
    sleeve: Colour
    trousers: Colour
    shoes: Colour


def mix(first: Pose, second: Pose, weight: float) -> Pose:
    """The pose between two, weight 0 for the first and 1 for the second."""
    return Pose(*(a + (b - a) * weight for a, b in zip(first, second, strict=True)))


def joints(pose: Pose, height: float) -> Points:
    """World points `[14, 3]`: hips, knees, ankles, shoulders, elbows, hands (l, r), neck, head."""
    local = _local_joints(pose) * height
    turned = _pitched(local, pose.pitch)
    # Whatever the pose, the lowest joint stands on the ground, 4 % of the height above it for a
    # foot.
    turned[:, 2] += 0.04 * height - turned[:, 2].min() + pose.lift
    c, s = cos(pose.facing), sin(pose.facing)
    x = pose.x + turned[:, 0] * c - turned[:, 1] * s
    z = pose.z + turned[:, 0] * s + turned[:, 1] * c
    return np.stack([x, turned[:, 2], z], axis=1)


def _local_joints(p: Pose) -> Points:
    rows: list[tuple[float, float, float]] = []
    legs = ((1, p.hip_left, p.knee_left), (-1, p.hip_right, p.knee_right))
    hips = [(0.0, side * 0.055, 0.0) for side, _, _ in legs]
    out = 0.055 + 0.24 * sin(p.stance)
    knees = [(0.245 * sin(a), s * out, -0.245 * cos(a)) for s, a, _ in legs]
    ankles = [
        (k[0] + 0.245 * sin(a - b), s * (out + 0.24 * sin(p.stance)), k[2] - 0.245 * cos(a - b))
        for k, (s, a, b) in zip(knees, legs, strict=True)
    ]
    sl, cl = sin(p.lean), cos(p.lean)
    arms = ((1, p.arm_left, p.elbow_left), (-1, p.arm_right, p.elbow_right))
    shoulders = [(0.29 * sl, s * 0.115, 0.29 * cl) for s, _, _ in arms]
    flat, open_ = cos(p.spread), sin(p.spread)
    elbows = [
        (h[0] + 0.17 * sin(a) * flat, h[1] + s * 0.17 * open_, h[2] - 0.17 * cos(a) * flat)
        for h, (s, a, _) in zip(shoulders, arms, strict=True)
    ]
    hands = [
        (e[0] + 0.17 * sin(a + b), e[1] + s * 0.08 * open_, e[2] - 0.17 * cos(a + b))
        for e, (s, a, b) in zip(elbows, arms, strict=True)
    ]
    rows = [*hips, *knees, *ankles, *shoulders, *elbows, *hands]
    rows += [(0.32 * sl, 0.0, 0.32 * cl), (0.41 * sl + 0.01, 0.0, 0.41 * cl)]
    return np.array(rows)


def _pitched(points: Points, pitch: float) -> Points:
    c, s = cos(pitch), sin(pitch)
    forward = points[:, 0] * c + points[:, 2] * s
    up = points[:, 2] * c - points[:, 0] * s
    return np.stack([forward, points[:, 1], up], axis=1)


def draw_figure(image: NDArray[np.uint8], camera: Camera, body: Points, clothing: Clothing) -> None:
    """Draw the limbs of `body` (from `joints`), the far ones first, in place."""
    px = np.rint(camera.project(body) * (1 << SHIFT)).astype(int)
    unit = camera.pixels_per_metre(float(body[0, 2])) * clothing.height / 1.7
    # Painter's order: what is nearer covers what is farther.
    near = 0 if body[6, 2] < body[7, 2] else 1
    for side in (1 - near, near):
        if side == near:
            _torso(image, px, clothing, unit)
        _limb(image, px, (0 + side, 2 + side), clothing.trousers, 0.17 * unit * clothing.build)
        _limb(image, px, (2 + side, 4 + side), clothing.trousers, 0.13 * unit * clothing.build)
        _limb(image, px, (4 + side, 4 + side), clothing.shoes, 0.14 * unit)
        _limb(image, px, (6 + side, 8 + side), clothing.shirt, 0.12 * unit * clothing.build)
        _limb(image, px, (8 + side, 10 + side), clothing.sleeve, 0.09 * unit * clothing.build)
        _limb(image, px, (10 + side, 10 + side), clothing.skin, 0.11 * unit)
    _head(image, px, clothing, unit)


def draw_shadow(mask: NDArray[np.uint8], camera: Camera, body: Points, sun: Points) -> None:
    """Draw the shadow of `body` cast along `sun` (metres of x and z per metre of height)."""
    flat = body.copy()
    flat[:, 0] += sun[0] * body[:, 1]
    flat[:, 2] += sun[1] * body[:, 1]
    flat[:, 1] = 0.0
    px = np.rint(camera.project(flat) * (1 << SHIFT)).astype(int)
    unit = camera.pixels_per_metre(float(body[0, 2]))
    for a, b, wide in ((0, 4, 0.15), (1, 5, 0.15), (0, 12, 0.3), (6, 10, 0.1), (7, 11, 0.1)):
        _limb(mask, px, (a, b), (255, 255, 255), wide * unit)
    _limb(mask, px, (13, 13), (255, 255, 255), 0.22 * unit)


def _limb(
    image: NDArray[np.uint8],
    px: NDArray[np.int_],
    ends: tuple[int, int],
    colour: Colour,
    wide: float,
) -> None:
    a, b = px[ends[0]].tolist(), px[ends[1]].tolist()
    cv2.line(image, a, b, colour, max(1, round(wide)), cv2.LINE_AA, SHIFT)


def _torso(image: NDArray[np.uint8], px: NDArray[np.int_], clothing: Clothing, unit: float) -> None:
    outline = px[[6, 7, 1, 0]].astype(np.int32)
    cv2.fillPoly(image, [outline], clothing.shirt, cv2.LINE_AA, SHIFT)
    _limb(image, px, (12, 12), clothing.shirt, 0.2 * unit)
    wide = max(1, round(0.16 * unit * clothing.build))
    cv2.polylines(image, [outline], True, clothing.shirt, wide, cv2.LINE_AA, SHIFT)
    _limb(image, px, (12, 13), clothing.skin, 0.1 * unit)


def _head(image: NDArray[np.uint8], px: NDArray[np.int_], clothing: Clothing, unit: float) -> None:
    radius = max(1, round(0.115 * unit * (1 << SHIFT)))
    centre = px[13]
    cv2.circle(image, centre.tolist(), radius, clothing.skin, -1, cv2.LINE_AA, SHIFT)
    crown = centre + (centre - px[12]) * 0.35
    cv2.circle(
        image, np.rint(crown).astype(int).tolist(), round(radius * 0.85), clothing.hair, -1,
        cv2.LINE_AA, SHIFT,
    )  # fmt: skip
