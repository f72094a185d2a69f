"""Where the scenes of training play."""

from __future__ import annotations

import numpy as np

from hiprobe.scenes.backdrop import Place, Plane, lines, speckle, tiles, tint, windows


def _road(rng: np.random.Generator, x: Plane, z: Plane) -> Plane:
    middle, wide = rng.uniform(7, 12), 3.2
    mark = lines(z - middle, 200.0, 0.18) * (x % 3.0 < 1.7)
    kerb = (np.abs(z - middle) > wide + 0.6).astype(np.float32)
    edge = ((np.abs(np.abs(z - middle) - wide - 0.6)) < 0.12).astype(np.float32)
    pave = tint(rng, 15, 50, 5)
    return np.asarray(
        mark[:, :, None] * 85 + kerb[:, :, None] * pave + edge[:, :, None] * 35, np.float32
    )


def _bays(rng: np.random.Generator, x: Plane, z: Plane) -> Plane:
    row = rng.uniform(10, 16)
    marks = lines(x, 2.6, 0.12) * (np.abs(z - row) < 2.6)
    return np.asarray(
        (marks * rng.uniform(50, 90))[:, :, None] * np.ones(3, np.float32), np.float32
    )


def _soil(rng: np.random.Generator, x: Plane, z: Plane) -> Plane:
    green = np.array(rng.choice([[-14, 10, -22], [10, 2, -14], [0, 0, 0]]), np.float32)
    rough = speckle(rng, x.shape[0], x.shape[1], 4)[:, :, None] * 12
    return np.asarray(green + rough + 0 * z[:, :, None], np.float32)


def _shelves(rng: np.random.Generator, image: Plane, roof: int, foot: int) -> None:
    step = max(5, (foot - roof) // 4)
    for y in range(roof, foot - 3, step):
        x = 0
        while x < image.shape[1]:
            w = int(rng.integers(3, 12))
            image[y + 1 : y + step - 2, x : x + w - 1] = tint(rng, 50, 190, 45)
            x += w
        image[y + step - 2 : y + step] = 60


ROAD_TONE = (70, 130, 6)

STREET = Place("street", _road, windows, tone=ROAD_TONE)
CAR_PARK = Place("car park", _bays, windows, tone=ROAD_TONE)
SQUARE = Place("square", tiles, windows)
HALL = Place("hall", tiles, windows, indoors=True)
SHOP = Place("shop", tiles, _shelves, indoors=True)
YARD = Place("yard", _soil, windows, tone=ROAD_TONE)

PLACES = (STREET, CAR_PARK, SQUARE, HALL, SHOP, YARD)
ROADS = (STREET, CAR_PARK, YARD)
