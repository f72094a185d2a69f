"""Scorers: from a hidden state to an anomaly probability (paper, eqs. 8 and 9, and table 4).

Fitting takes vectors and labels; what comes out is a `FittedScorer`, a few arrays that score in
numpy alone. All of it is computed in float64.
"""

from hiprobe.scorer.ablation import DistanceScorer, SvmScorer
from hiprobe.scorer.fitted import Convergence, FittedScorer, Scorer, sigmoid
from hiprobe.scorer.logistic import LogisticScorer, Penalty
from hiprobe.scorer.named import SCORERS, ScorerName, make_scorer
from hiprobe.scorer.preparing import Balance

__all__ = [
    "SCORERS",
    "Balance",
    "Convergence",
    "DistanceScorer",
    "FittedScorer",
    "LogisticScorer",
    "Penalty",
    "Scorer",
    "ScorerName",
    "SvmScorer",
    "make_scorer",
    "sigmoid",
]
