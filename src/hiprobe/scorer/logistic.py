"""Logistic regression by L-BFGS (paper, eq. 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hiprobe.scorer.fitted import Convergence, FittedScorer, sigmoid
from hiprobe.scorer.preparing import Balance, class_weights, inverse_strength, prepared

Penalty = Literal["l2", "none"]

PENALTIES: tuple[Penalty, ...] = get_args(Penalty)

MAX_ITERATIONS = 1000
"""Most iterations of L-BFGS (paper, section 4.1)."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LogisticScorer:
    """Logistic regression by L-BFGS on binary cross-entropy (paper, eq. 8).

    The loss is C * sum of cross-entropies + |w|^2 / 2; `c` None takes C from the width (see
    `inverse_strength`). The paper's equation has no penalty; where classes can be separated it
    then has no minimum: `penalty="none"` stops wherever the gradient vanishes or the iterations
    end, and `FittedScorer.convergence` says so. `balance`: "weights" gives both classes the same
    total weight, "resample" repeats vectors of the smaller class at random (seeded) until both
    are equal.
    """

    c: float | None = None
    penalty: Penalty = "l2"
    standardise: bool = True
    balance: Balance = "weights"
    max_iterations: int = MAX_ITERATIONS
    seed: int = 0

    def fit(self, x: NDArray[Any], y: NDArray[Any]) -> FittedScorer:
        """Fit on `[n, dimensions]` and labels `[n]`.

        Raises:
            StatesError: a value is not finite, or a class is missing.
        """
        z, labels, mean, scale = prepared(x, y, self.standardise, self.balance, self.seed)
        sample = class_weights(labels, self.balance)
        ridge = 1.0 / inverse_strength(z, self.c) if self.penalty == "l2" else 0.0
        weights, bias, ended = _minimise(z, labels, sample, ridge=ridge, limit=self.max_iterations)
        return FittedScorer("linear", mean, scale, weights, 1.0, bias, ended)


def _minimise(
    z: _Floats, labels: NDArray[np.int64], sample: _Floats, *, ridge: float, limit: int
) -> tuple[_Floats, float, Convergence]:
    """Weights and bias at the least mean weighted cross-entropy + ridge |w|^2 / (2 n)."""
    from scipy.optimize import minimize

    n = len(z)
    target = labels.astype(np.float64)

    def loss(parameters: _Floats) -> tuple[float, _Floats]:
        w, bias = parameters[:-1], parameters[-1]
        logit = z @ w + bias
        value = (sample * (np.logaddexp(0.0, logit) - target * logit)).sum() + ridge * w @ w / 2
        error = sample * (sigmoid(logit) - target)
        return value / n, np.append(z.T @ error + ridge * w, error.sum()) / n

    options = {"maxiter": limit, "ftol": 1e-14, "gtol": 1e-8, "maxfun": 20 * limit}
    start = np.zeros(z.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    weights, bias = np.asarray(found.x[:-1], dtype=np.float64), float(found.x[-1])
    parted = bool((np.where(labels == 1, 1, -1) * (z @ weights + bias) > 0).all())
    ended = Convergence(int(found.nit), bool(found.success), ridge > 0 or not parted)
    return weights, bias, ended
