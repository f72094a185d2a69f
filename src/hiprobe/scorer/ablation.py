"""The scorers of the ablation: a linear SVM, and the distance to the normal mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.scorer.fitted import FittedScorer
from hiprobe.scorer.preparing import Balance, inverse_strength, prepared


@dataclass(frozen=True)
class SvmScorer:
    """Linear support vector machine; its probability is the sigmoid of the margin, uncalibrated."""

    c: float | None = None
    standardise: bool = True
    balance: Balance = "weights"
    seed: int = 0

    def fit(self, x: NDArray[Any], y: NDArray[Any]) -> FittedScorer:
        """Fit on `[n, dimensions]` and labels `[n]`.

        Raises:
            StatesError: a value is not finite, or a class is missing.
        """
        from sklearn.svm import SVC

        z, labels, mean, scale = prepared(x, y, self.standardise, self.balance, self.seed)
        weight = "balanced" if self.balance == "weights" else None
        c = inverse_strength(z, self.c)
        model = SVC(kernel="linear", C=c, class_weight=weight, tol=1e-6)
        model.fit(z, labels)
        weights = np.asarray(model.coef_, dtype=np.float64)[0]
        return FittedScorer("linear", mean, scale, weights, 1.0, float(model.intercept_[0]))


@dataclass(frozen=True)
class DistanceScorer:
    """Distance from the mean of the normal vectors; anomalous ones are not looked at.

    "mahalanobis" divides each dimension by the normal vectors' standard deviation (a diagonal
    covariance; a constant dimension is left as it is), "euclidean" does not. The probability
    is the sigmoid of the distance's z-score among the normal vectors, so it is 0.5 at their mean
    distance and grows with distance.
    """

    metric: Literal["mahalanobis", "euclidean"] = "mahalanobis"

    def fit(self, x: NDArray[Any], y: NDArray[Any]) -> FittedScorer:
        """Fit on the rows of `[n, dimensions]` with label 0.

        Raises:
            StatesError: a value is not finite, or a class is missing.
        """
        normal, _, mean, scale = prepared(x, y, self.metric == "mahalanobis", "none", 0, only=0)
        width = normal.shape[1]
        centre = mean if self.metric == "mahalanobis" else normal.mean(axis=0)
        weights = np.full(width, 1.0 / width)
        away = FittedScorer("distance", centre, scale, weights, 1.0, 0.0)
        found = away.decision(x[np.asarray(y) == 0])
        spread = float(found.std()) or 1.0
        return FittedScorer(
            "distance", centre, scale, weights, 1.0 / spread, -float(found.mean()) / spread
        )
