"""What fitting a scorer leaves: arrays and numbers that score in numpy alone, and can be saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import ProbeFolderError, StatesError, UsageError
from hiprobe.scorer_names import SCORERS, ScorerSettings, make_classifier, registered_name

# Rows that are scored at a time.
_BLOCK_ROWS = 4_096

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Convergence:
    """How the minimisation ended.

    Attributes:
        iterations: how many it took.
        converged: False where the limit of iterations came first.
        minimum_exists: False where no penalty holds the weights and they separate the classes:
            the loss then keeps falling as they grow.
    """

    iterations: int
    converged: bool
    minimum_exists: bool

    @property
    def remark(self) -> str | None:
        """What a user should know of it, as a sentence; None where all is well."""
        if not self.minimum_exists:
            return (
                "Without a penalty these clips can be separated perfectly, so equation 8 has no "
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
    """A fitted scorer as arrays and numbers, saved as such; scores in numpy alone.

    Attributes:
        kind: "linear" (logistic regression, SVM and their like), "distance" to the normal mean,
            or "classifier" for any other (see `FittedClassifier`).
        mean, scale: float64 `[dimensions]`, taken off and divided by before anything else.
        weights: float64 `[dimensions]`, of the linear form or of the squared distances.
        slope, bias: probability = sigmoid(slope * decision + bias).
        convergence: how the minimisation ended; None where there was none.
    """

    kind: Literal["linear", "distance", "classifier"]
    mean: _Floats
    scale: _Floats
    weights: _Floats
    slope: float
    bias: float
    convergence: Convergence | None = None

    @property
    def width(self) -> int:
        """Dimensions of the vectors that it takes."""
        return len(self.mean)

    def decision(self, x: NDArray[Any]) -> _Floats:
        """w.z of each row, or its distance from the normal mean; float64 `[n]`.

        Raises:
            StatesError: `x` is not `[n, dimensions]`.
        """
        # in blocks: all of a long video at once would be several float64 copies of it
        parts = [x[n : n + _BLOCK_ROWS] for n in range(0, len(x), _BLOCK_ROWS)] or [x]
        return np.concatenate([self._decision_of_few(part) for part in parts])

    def _decision_of_few(self, x: NDArray[Any]) -> _Floats:
        z = self._scaled(x)
        # a row's result must not depend on the rows beside it, as it would with BLAS
        if self.kind == "linear":
            return np.asarray((z * self.weights).sum(axis=1))
        return np.asarray(np.sqrt((np.square(z) * self.weights).sum(axis=1)))

    def probability(self, x: NDArray[Any]) -> _Floats:
        """Anomaly probability of each row, float64 `[n]` (paper, eq. 9)."""
        return sigmoid(self.slope * self.decision(x) + self.bias)

    def arrays(self) -> dict[str, NDArray[Any]]:
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
            ProbeFolderError: a classifier of a package that is not installed.
        """
        parts = {n: np.asarray(arrays[n], dtype=np.float64) for n in ("mean", "scale", "weights")}
        slope, bias, kind = float(numbers["slope"]), float(numbers["bias"]), numbers["kind"]
        # A weight that is not a number would give every segment a score of NaN, which is above no
        # threshold: `detect` would find nothing, without a word.
        everything = [*parts.values(), np.array([slope, bias])]
        same = ("mean", "scale") if kind == "classifier" else tuple(parts)
        sound = all(bool(np.isfinite(a).all()) for a in everything)
        if len({parts[n].shape for n in same}) != 1 or not sound:
            raise StatesError("the scorer's arrays differ in shape or are not finite")
        if kind == "classifier":
            name = str(numbers["name"])
            model = _classifier_from(name, arrays)
            mean, scale, weights = parts.values()
            return FittedClassifier(kind, mean, scale, weights, slope, bias, None, model, name)
        if kind not in ("linear", "distance"):
            raise StatesError(f"scorer of unknown kind {kind!r}")
        saved = numbers.get("convergence")
        ended = None if saved is None else Convergence(**saved)
        return cls(kind=kind, slope=slope, bias=bias, convergence=ended, **parts)

    def _scaled(self, x: NDArray[Any]) -> _Floats:
        if x.ndim != 2 or x.shape[1] != self.width:
            raise StatesError(f"states are {x.shape}, the scorer takes [n, {self.width}]")
        return np.asarray((x.astype(np.float64) - self.mean) / self.scale)


# Before the names of a classifier's own arrays.
_INSIDE = "classifier/"


@dataclass(frozen=True)
class FittedClassifier(FittedScorer):
    """A fitted classifier that is more than weights and a bias.

    It can be saved where it has `to_arrays()`, which gives a dictionary of arrays, and
    `from_arrays(arrays)`, which gives back the fitted classifier: nothing is pickled, so that a
    probe from a stranger can be opened without running the stranger's code.

    Attributes:
        classifier: fitted on scaled vectors.
        name: in `SCORERS`; None for a classifier that was passed as an object.
    """

    classifier: Any = None
    name: str | None = None

    def decision(self, x: NDArray[Any]) -> _Floats:
        """The same as `probability`."""
        return self.of_scaled(self._scaled(x))

    def probability(self, x: NDArray[Any]) -> _Floats:
        """Anomaly probability of each row, float64 `[n]`; the sigmoid of a decision function."""
        return self.decision(x)

    def of_scaled(self, z: _Floats) -> _Floats:
        """The probability of vectors that are scaled already.

        Raises:
            StatesError: the classifier gives something else than one number a row.
        """
        if not len(z):  # most classifiers refuse no rows at all
            return np.zeros(0)
        if hasattr(self.classifier, "predict_proba"):
            # The columns are in the order of `classes_`.
            column = list(getattr(self.classifier, "classes_", (0, 1))).index(1)
            found = np.asarray(self.classifier.predict_proba(z), dtype=np.float64)[:, column]
        else:
            decided = np.asarray(self.classifier.decision_function(z), dtype=np.float64)
            found = sigmoid(decided.reshape(len(z), -1)[:, -1])
        if found.shape != (len(z),) or not np.isfinite(found).all():
            raise StatesError(
                f"{type(self.classifier).__name__} gave {found.shape} scores for {len(z)} "
                "vectors, or some that are not finite; choose another scorer"
            )
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is saved as tensors.

        Raises:
            UsageError: the classifier cannot be taken apart, or no name makes it again.
        """
        kind = type(self.classifier).__name__
        if not hasattr(self.classifier, "to_arrays") or not hasattr(self.classifier, "from_arrays"):
            raise UsageError(
                f"a probe with the scorer {kind} cannot be saved: {kind} is not linear (coef_ and "
                "intercept_) and lacks to_arrays() and from_arrays(arrays), and nothing is pickled "
                "here; add the two methods, or choose another scorer"
            )
        if self._saved_name is None:
            raise UsageError(
                f"a probe with the scorer {kind} cannot be saved: no name stands for it, so it "
                f"could not be loaded again; add it to the entry points {SCORERS.group}"
            )
        own = {f"{_INSIDE}{n}": np.asarray(a) for n, a in self.classifier.to_arrays().items()}
        return {**super().arrays(), **own}

    def to_json(self) -> dict[str, object]:
        """What is saved as JSON."""
        return {**super().to_json(), "name": self._saved_name}

    @property
    def _saved_name(self) -> str | None:
        return self.name or registered_name(self.classifier)


def _classifier_from(name: str, arrays: Mapping[str, NDArray[Any]]) -> Any:
    own = {n.removeprefix(_INSIDE): a for n, a in arrays.items() if n.startswith(_INSIDE)}
    try:
        return make_classifier(name, ScorerSettings()).from_arrays(own)
    except UsageError as error:
        raise ProbeFolderError(
            f"the probe was fitted with the scorer {name!r}, which is not installed here "
            f"({error}); install the package that adds it"
        ) from error


def sigmoid(x: _Floats) -> _Floats:
    """1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, small) / (1.0 + small), dtype=np.float64)
