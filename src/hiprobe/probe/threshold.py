"""The threshold of a fit, and what any threshold means on its clips."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hiprobe.localize import adaptive_threshold, out_of_reach
from hiprobe.probe.fitted import FewShotScores
from hiprobe.probe.results import Basis, ThresholdBasis, ThresholdSummary


def basis_of(scores: FewShotScores, wanted: Basis) -> Basis:
    """The scores asked for; those of the training fit where there were no folds."""
    return wanted if wanted in scores else "training"


def few_shot_threshold(scores: FewShotScores, *, wanted: Basis, kappa: float) -> float:
    """T from the few-shot scores (paper, eq. 10).

    Raises:
        UsageError: kappa is not finite.
    """
    return adaptive_threshold(scores[basis_of(scores, wanted)], kappa=kappa)


def reach_warning(threshold: float) -> tuple[str, ...]:
    """What to say of a T that no score, or every score, lies above."""
    wrong = out_of_reach(threshold)
    if wrong is None:
        return ()
    return (f"The threshold is {threshold:.3f}; {wrong}. Choose another kappa.",)


def summarise(
    threshold: float,
    *,
    scores: FewShotScores,
    labels: NDArray[np.int64],
    basis: ThresholdBasis,
) -> ThresholdSummary:
    """How many clips of each kind lie above a threshold, on held-out scores where there are."""
    measured = basis_of(scores, "cross_validated")
    above, anomalous = scores[measured] > threshold, labels == 1
    return ThresholdSummary(
        threshold=threshold,
        basis=basis,
        measured_on=measured,
        found=int(above[anomalous].sum()),
        anomalous=int(anomalous.sum()),
        flagged=int(above[~anomalous].sum()),
        normal=int((~anomalous).sum()),
    )
