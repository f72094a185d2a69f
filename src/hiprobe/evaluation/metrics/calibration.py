"""Whether scores can be read as probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frames import check_length


@dataclass(frozen=True)
class Calibration:
    """Brier score (mean squared error) and expected calibration error over equal-width bins."""

    brier: float
    expected_error: float
    bins: int


def calibration(scores: ArrayLike, labels: ArrayLike, *, bins: int = 15) -> Calibration:
    """Brier score (Brier 1950) and expected calibration error (Naeini et al., AAAI 2015).

    ECE = sum over bins of n_b / n |mean score - share of abnormal frames|; bins of equal width
    on [0, 1], the last one closed.

    Raises:
        EvaluationError: a score is NaN or outside [0, 1], `bins` is below 1, or scores and
            labels differ in length.
    """
    values = np.asarray(scores, dtype=np.float64)
    truth = np.asarray(labels, dtype=np.bool_).astype(np.float64)
    check_length("scores", len(values), len(truth))
    if not len(values) or bins < 1 or not ((values >= 0) & (values <= 1)).all():
        raise EvaluationError(
            f"calibration needs scores within [0, 1] and at least 1 bin, got {len(values)} "
            f"scores and {bins} bins; give probabilities"
        )
    place = np.minimum((values * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, weights=values - truth, minlength=bins)
    return Calibration(
        float(np.mean((values - truth) ** 2)), float(np.abs(gap).sum() / len(values)), bins
    )
