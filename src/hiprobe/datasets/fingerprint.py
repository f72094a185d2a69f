"""Perceptual fingerprints: find one recording twice, whatever its encoding, size or brightness.

A fingerprint is a few small grey pictures over the video. Two videos of one fixed camera share
their still part, and are no duplicates for it; so what changes within the video is compared: the
pictures minus their mean, by the cosine between them. Only videos in which nothing changes are
compared by the still part.

A part cut out of a longer video is not found: its pictures are of other moments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe.segment import Frame

PICTURES, SIDE = 8, 16
SHAPE = (PICTURES, SIDE, SIDE)

ALIKE = 0.85
"""Cosine from which on the change within two videos is taken as the same.

On the real clips at hand, other recordings stay below 0.65, of one camera too; copies that are
encoded anew, half as large, darker or two frames shorter stay above 0.94.
"""

STILL_LEVELS = 1.0
"""Below this root mean square, in grey levels of 255, the change is the codec's own."""

STILL_ALIKE = 0.999

_BLOCK = 1024


@dataclass(frozen=True)
class Pair:
    """Two videos that look like one recording, by their positions in the list.

    `still` marks videos in which nothing moves: there it is the same scene, at least.
    """

    first: int
    second: int
    likeness: float
    still: bool


def fingerprint(frames: Sequence[Frame]) -> NDArray[np.uint8]:
    """uint8 `[8, 16, 16]` of as many RGB frames, scaled without regard to the aspect."""
    import cv2

    grey = [cv2.cvtColor(np.ascontiguousarray(f), cv2.COLOR_RGB2GRAY) for f in frames]
    small = [cv2.resize(g, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for g in grey]
    return np.stack(small).astype(np.uint8)


def near_duplicates(fingerprints: NDArray[np.uint8], *, alike: float = ALIKE) -> tuple[Pair, ...]:
    """Pairs of uint8 `[videos, 8, 16, 16]` that look like one recording.

    Memory grows with 1,024 times the number of videos, not with its square.
    """
    moving, still, level = _parts(fingerprints)
    is_still = level < STILL_LEVELS
    found = []
    for first in range(0, len(moving), _BLOCK):
        rows = slice(first, first + _BLOCK)
        change = moving[rows] @ moving.T
        both_move = ~is_still[rows, None] & ~is_still[None, :]
        same_still = (is_still[rows, None] & is_still[None, :]) & (
            still[rows] @ still.T >= STILL_ALIKE
        )
        hits = (both_move & (change >= alike)) | same_still
        for i, j in zip(*np.nonzero(hits), strict=True):
            if first + i < j:
                calm = bool(same_still[i, j])
                likeness = float(still[first + i] @ still[j]) if calm else float(change[i, j])
                found.append(Pair(int(first + i), int(j), likeness, calm))
    return tuple(found)


def _parts(
    fingerprints: NDArray[np.uint8],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Unit vectors of the change and of the still part, and the change in grey levels."""
    pictures = fingerprints.reshape(-1, PICTURES, SIDE * SIDE).astype(np.float32)
    mean = pictures.mean(axis=1, keepdims=True)
    change = (pictures - mean).reshape(len(pictures), -1)
    level = np.sqrt((change**2).mean(axis=1))
    scene = mean[:, 0] - mean[:, 0].mean(axis=1, keepdims=True)
    return _unit(change), _unit(scene), level


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (rows / np.maximum(length, 1e-6)).astype(np.float32)
    return unit
