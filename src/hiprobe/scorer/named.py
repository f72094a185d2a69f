"""Scorers by their names."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from hiprobe.errors import UsageError
from hiprobe.scorer.ablation import DistanceScorer, SvmScorer
from hiprobe.scorer.fitted import Scorer
from hiprobe.scorer.logistic import PENALTIES, LogisticScorer, Penalty
from hiprobe.scorer.preparing import BALANCES, Balance

ScorerName = Literal["logistic", "svm", "mahalanobis", "euclidean"]

SCORERS: tuple[ScorerName, ...] = get_args(ScorerName)


def make_scorer(
    name: ScorerName,
    *,
    c: float | None = None,
    penalty: Penalty = "l2",
    standardise: bool = True,
    balance: Balance = "weights",
    seed: int = 0,
) -> Scorer:
    """The scorer of a name; the distances have no settings.

    Raises:
        UsageError: unknown name, or a value out of its range.
    """
    if c is not None and not (np.isfinite(c) and c > 0):
        raise UsageError(f"C is {c}; give a number above 0 (smaller is a stronger penalty)")
    if penalty not in PENALTIES or balance not in BALANCES:
        raise UsageError(
            f"penalty {penalty!r} must be one of {PENALTIES} and balance {balance!r} "
            f"one of {BALANCES}"
        )
    if name == "logistic":
        return LogisticScorer(c, penalty, standardise, balance, seed=seed)
    if name == "svm":
        return SvmScorer(c, standardise, balance, seed)
    if name in ("mahalanobis", "euclidean"):
        return DistanceScorer(name)
    raise UsageError(f"scorer {name!r} is unknown; choose one of {SCORERS}")
