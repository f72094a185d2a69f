"""Scores after the threshold, as some papers evaluate them. The headline uses neither."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def binary(scores: ArrayLike, *, threshold: float) -> NDArray[np.float64]:
    """1 where the score exceeds the threshold, 0 elsewhere."""
    return (np.asarray(scores, dtype=np.float64) > threshold).astype(np.float64)


def gated(scores: ArrayLike, *, threshold: float) -> NDArray[np.float64]:
    """The score where it exceeds the threshold, 0 elsewhere."""
    values = np.asarray(scores, dtype=np.float64)
    return np.where(values > threshold, values, 0.0)
