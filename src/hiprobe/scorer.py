"""Scorers: from a hidden state to an anomaly probability (paper, eqs. 8 and 9, and table 4).

Fitting takes vectors and labels; what comes out is a `FittedScorer`, a few arrays that score in
numpy alone. All of it is computed in float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import StatesError, UsageError

Balance = Literal["weights", "resample", "none"]
"""How classes of different size are made equal."""

BALANCES: tuple[Balance, ...] = get_args(Balance)

DEFAULT_STRENGTH = 5.76
"""C times the summed variance of all dimensions, where no C is given: 0.01 for 576 standardised
dimensions. C alone means more the wider a state is, since a logit sums over its dimensions."""

_Floats = NDArray[np.float64]


def inverse_strength(z: _Floats, c: float | None) -> float:
    """C as given, or `DEFAULT_STRENGTH` over the summed variance of `[n, dimensions]`.

    So by default neither the width of a backbone nor the unit of its states moves a score.
    """
    if c is not None:
        return c
    return DEFAULT_STRENGTH / (float(z.var(axis=0).sum()) or 1.0)


def prepared(
    x: NDArray[Any],
    y: NDArray[Any],
    standardise: bool,
    balance: Balance,
    seed: int,
    only: int | None = None,
) -> tuple[_Floats, NDArray[np.int64], _Floats, _Floats]:
    """Checked, resampled and standardised vectors, labels, and the mean and scale taken off."""
    z, labels = np.asarray(x, dtype=np.float64), np.asarray(y).astype(np.int64)
    if z.ndim != 2 or labels.shape != (len(z),) or not np.isfinite(z).all():
        raise StatesError(
            f"cannot fit on states {z.shape} with labels {labels.shape}: not finite "
            "or of another shape than [n, dimensions] and [n]"
        )
    if set(labels.tolist()) != {0, 1}:
        raise StatesError(f"cannot fit on labels {sorted(set(labels.tolist()))}: 0 and 1 needed")
    if only is not None:
        z, labels = z[labels == only], labels[labels == only]
    if balance == "resample":
        rows = _resampled(labels, seed)
        z, labels = z[rows], labels[rows]
    mean, scale = np.zeros(z.shape[1]), np.ones(z.shape[1])
    if standardise:
        mean, deviation = z.mean(axis=0), z.std(axis=0)
        # rounding alone gives a constant column a tiny deviation, which must not be blown up
        constant = deviation <= 1e-12 * np.abs(z).max(axis=0)
        scale = np.where(constant, 1.0, deviation)
    return (z - mean) / scale, labels, mean, scale


def _resampled(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """All rows, and random ones of the smaller class again, until both classes are equal."""
    counts = np.bincount(labels, minlength=2)
    small = int(np.argmin(counts))
    extra = np.random.default_rng(seed).choice(
        np.flatnonzero(labels == small), size=int(abs(counts[0] - counts[1]))
    )
    return np.concatenate([np.arange(len(labels)), extra])


def class_weights(labels: NDArray[np.int64], balance: Balance) -> _Floats:
    """Weight of each sample; n / (2 n_class) for equal total weight of both classes."""
    if balance != "weights":
        return np.ones(len(labels))
    counts = np.bincount(labels, minlength=2)
    return np.asarray((len(labels) / (2.0 * counts))[labels], dtype=np.float64)


@dataclass(frozen=True)
class Convergence:
    """How L-BFGS ended.

    Attributes:
        iterations: how many it took.
        converged: False where the limit of iterations came first.
        minimum_exists: False where no penalty holds the weights and they part the classes:
            the loss then falls for ever as they grow.
    """

    iterations: int
    converged: bool
    minimum_exists: bool

    @property
    def remark(self) -> str | None:
        """What a user should know of it, as a sentence; None where all is well."""
        if not self.minimum_exists:
            return (
                "Without a penalty these clips can be parted perfectly, so equation 8 has no "
                f"minimum: the weights are those where L-BFGS stopped after {self.iterations} "
                "iterations, and scores lie near 0 and 1. Use the penalty l2."
            )
        if not self.converged:
            return (
                f"L-BFGS did not converge in {self.iterations} iterations; standardise the "
                "states, or use a smaller C."
            )
        return None


@dataclass(frozen=True)
class FittedScorer:
    """A fitted scorer: arrays and numbers, saved as such.

    Attributes:
        kind: "linear" (logistic, SVM) or "distance" to the normal mean.
        mean, scale: float64 `[dimensions]`, taken off and divided by before anything else.
        weights: float64 `[dimensions]`, of the linear form or of the squared distances.
        slope, bias: probability = sigmoid(slope * decision + bias).
        convergence: how the minimisation ended; None where there was none.
    """

    kind: Literal["linear", "distance"]
    mean: _Floats
    scale: _Floats
    weights: _Floats
    slope: float
    bias: float
    convergence: Convergence | None = None

    def decision(self, x: NDArray[Any]) -> _Floats:
        """w.z of each row, or its distance from the normal mean; float64 `[n]`.

        Raises:
            StatesError: `x` is not `[n, dimensions]`.
        """
        if x.ndim != 2 or x.shape[1] != len(self.weights):
            raise StatesError(f"states are {x.shape}, the scorer takes [n, {len(self.weights)}]")
        z = (x.astype(np.float64) - self.mean) / self.scale
        # a row's result must not depend on the rows beside it, as it would with BLAS
        if self.kind == "linear":
            return np.asarray((z * self.weights).sum(axis=1))
        return np.asarray(np.sqrt((np.square(z) * self.weights).sum(axis=1)))

    def probability(self, x: NDArray[Any]) -> _Floats:
        """Anomaly probability of each row, float64 `[n]` (paper, eq. 9)."""
        return sigmoid(self.slope * self.decision(x) + self.bias)

    def arrays(self) -> dict[str, _Floats]:
        """What is saved as tensors."""
        return {"mean": self.mean, "scale": self.scale, "weights": self.weights}

    def to_json(self) -> dict[str, object]:
        """What is saved as JSON."""
        ended = None if self.convergence is None else asdict(self.convergence)
        return {"kind": self.kind, "slope": self.slope, "bias": self.bias, "convergence": ended}

    @classmethod
    def from_parts(
        cls, arrays: Mapping[str, NDArray[Any]], numbers: Mapping[str, Any]
    ) -> FittedScorer:
        """Put together what `arrays` and `to_json` gave.

        Raises:
            StatesError: arrays differ in length or hold values that are not finite.
        """
        parts = {n: np.asarray(arrays[n], dtype=np.float64) for n in ("mean", "scale", "weights")}
        slope, bias, kind = float(numbers["slope"]), float(numbers["bias"]), numbers["kind"]
        everything = [*parts.values(), np.array([slope, bias])]
        sound = all(bool(np.isfinite(a).all()) for a in everything)
        if len({a.shape for a in parts.values()}) != 1 or not sound:
            raise StatesError("the scorer's arrays differ in shape or are not finite")
        if kind not in ("linear", "distance"):
            raise StatesError(f"scorer of unknown kind {kind!r}")
        told = numbers.get("convergence")
        ended = None if told is None else Convergence(**told)
        return cls(kind=kind, slope=slope, bias=bias, convergence=ended, **parts)


class Scorer(Protocol):
    """What can be fitted on vectors and labels."""

    def fit(self, x: NDArray[Any], y: NDArray[Any]) -> FittedScorer:
        """Fit on `[n, dimensions]` and labels `[n]`, 0 normal, 1 anomalous."""
        ...


def sigmoid(x: _Floats) -> _Floats:
    """1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, small) / (1.0 + small), dtype=np.float64)


Penalty = Literal["l2", "none"]

PENALTIES: tuple[Penalty, ...] = get_args(Penalty)

MAX_ITERATIONS = 1000
"""Most iterations of L-BFGS (paper, section 4.1)."""


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
