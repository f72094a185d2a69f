"""Frames of one video and one score, counted together and sorted once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.intp]
"""Counts of entries, intp."""


@dataclass(frozen=True)
class Entries:
    """Frames of one video and one score counted together, in falling order of score.

    Attributes:
        owners: intp `[entries]`, the video.
        counts: float64 `[entries]`, how many frames.
        scores: float64 `[entries]`.
    """

    owners: NDArray[np.intp]
    counts: NDArray[np.float64]
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, scores: NDArray[np.float64], owners: NDArray[np.intp]) -> Entries:
        """Sort and count; frames arrive video by video."""
        order = np.argsort(-scores, kind="stable")  # stable: videos stay in order
        scores, owners = scores[order], owners[order]
        change = (scores[1:] != scores[:-1]) | (owners[1:] != owners[:-1])
        begins = np.flatnonzero(np.concatenate(([len(scores) > 0], change)))
        counts = np.diff(np.concatenate((begins, [len(scores)]))).astype(np.float64)
        return cls(owners[begins], counts, scores[begins])

    def cumulated(self, weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """float64 `[..., entries + 1]`: frames in the first 0, 1, ... entries, videos weighted.

        Args:
            weights: `[..., videos]`.
        """
        counts = self.counts if weights is None else weights[..., self.owners] * self.counts
        total = np.zeros((*counts.shape[:-1], counts.shape[-1] + 1))
        np.cumsum(counts, axis=-1, out=total[..., 1:])
        return total

    def places(self, scores: NDArray[np.float64], side: Literal["left", "right"]) -> Places:
        """How many entries lie above each score (left), or not below it (right)."""
        return np.searchsorted(-self.scores, -scores, side=side)
