"""FittedScorer: a few arrays that turn a hidden state into an anomaly probability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import StatesError

_Floats = NDArray[np.float64]


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
