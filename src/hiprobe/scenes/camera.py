"""A pinhole camera over a flat ground, in metres: x to the right, y up, z away from it."""

from __future__ import annotations

from dataclasses import dataclass

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


def place_camera(rng: np.random.Generator, width: int, height: int, *, vehicles: bool) -> Camera:
    """A surveillance-like camera: people at mid-distance fill 0.1-0.5 of the height."""
    share = rng.uniform(0.06, 0.22) if vehicles else rng.uniform(0.1, 0.5)
    horizon = rng.uniform(-0.15, 0.35)
    above = (0.72 - horizon) * 1.7 / share
    focal = height * rng.uniform(0.9, 1.5)
    return Camera(width, height, focal, horizon * height, min(above, 18.0))
