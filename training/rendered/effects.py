"""What else is drawn: doors, bicycles, things thrown, pieces that fly, and bursts of light."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, exp, pi, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from hiprobe.scenes.figures import Camera
from hiprobe.scenes.lens import Level
from hiprobe.scenes.motion import Track, ramp
from hiprobe.scenes.story import Painting, Picture


def burst(start: float, *, rise: float = 0.12, fade: float = 0.5) -> Level:
    """A level that jumps at `start` and dies off within about `fade` seconds."""
    return lambda t: ramp(t, start, rise) * exp(-max(0.0, t - start - rise) / fade)


def door_of(level: Level, track: Track) -> Painting:
    """A door beside someone; `level` says how far it is open."""

    def painting(image: Picture, camera: Camera, t: float) -> None:
        pose = track(t)
        angle, (hx, hz) = 1.4 * level(t), (pose.x + 0.4, pose.z + 0.9)
        for wide, tone in ((0.0, (28, 26, 24)), (angle, (128, 92, 60))):
            x, z = hx + 0.95 * cos(wide), hz - 0.95 * sin(wide)
            corners = np.array([[hx, 0, hz], [hx, 2.1, hz], [x, 2.1, z], [x, 0, z]])
            outline = np.rint(camera.project(corners)).astype(np.int32)
            cv2.fillPoly(image, [outline], tone, cv2.LINE_AA)

    return painting


def ball_of(ball: Callable[[float], tuple[float, float, float, float]]) -> Painting:
    """Something thrown: x, y, z and radius in metres at a time; a radius of 0 is not drawn."""

    def painting(image: Picture, camera: Camera, t: float) -> None:
        x, y, z, radius = ball(t)
        if radius > 0:
            where = np.rint(camera.project(np.array([[x, y, z]]))[0]).astype(int).tolist()
            wide = max(1, round(radius * camera.pixels_per_metre(z)))
            cv2.circle(image, where, wide, (70, 60, 52), -1, cv2.LINE_AA)

    return painting


def bicycle_of(track: Track) -> Painting:
    """The wheels below a cyclist."""

    def painting(image: Picture, camera: Camera, t: float) -> None:
        pose = track(t)
        for end in (-0.52, 0.52):
            hub = np.array(
                [[pose.x + end * cos(pose.facing), 0.34, pose.z + end * sin(pose.facing)]]
            )
            unit = camera.pixels_per_metre(pose.z)
            axes = (max(1, round(0.34 * unit * abs(cos(pose.facing)))), max(1, round(0.34 * unit)))
            centre = np.rint(camera.project(hub)[0]).astype(int).tolist()
            cv2.ellipse(image, centre, axes, 0, 0, 360, (25, 25, 25), 1, cv2.LINE_AA)

    return painting


def debris(
    rng: np.random.Generator, x: float, z: float, *, speed: float, count: int = 18
) -> NDArray[np.float64]:
    """Seeded pieces `[n, 7]` for `debris_of`, from the point (x, z): place, speed, size."""
    angle, fast = rng.uniform(0, 2 * pi, count), rng.uniform(0.2, 1, count) * speed
    return np.stack(
        [np.full(count, x), rng.uniform(0.3, 1.0, count), np.full(count, z), fast * np.cos(angle),
         rng.uniform(0.3, 1.2, count) * speed, 0.5 * fast * np.sin(angle),
         rng.uniform(0.03, 0.14, count)], axis=1,
    )  # fmt: skip


def debris_of(pieces: NDArray[np.float64], start: float) -> Painting:
    """Pieces `[n, 7]` that fly off at `start` seconds."""
    return lambda image, camera, t: _draw_debris(image, camera, pieces, t - start)


def _draw_debris(
    image: NDArray[np.uint8], camera: Camera, pieces: NDArray[np.float64], since: float
) -> None:
    """Draw pieces `[n, 7]` (x, y, z, vx, vy, vz, size) `since` seconds after they flew off."""
    if since < 0:
        return
    where = pieces[:, :3] + pieces[:, 3:6] * min(since, 2.0)
    where[:, 1] = np.maximum(0.03, where[:, 1] - 4.9 * min(since, 2.0) ** 2)
    for (x, y), piece in zip(camera.project(where).tolist(), pieces.tolist(), strict=True):
        radius = max(1, round(piece[6] * camera.pixels_per_metre(piece[2])))
        cv2.circle(image, (round(x), round(y)), radius, (40, 38, 36), -1, cv2.LINE_AA)
