"""Scorers: from a hidden state to an anomaly probability (paper, eqs. 8 and 9, and table 4).

A scorer is any classifier with scikit-learn's interface: `fit(X, y[, sample_weight])`, and
`decision_function` or `predict_proba`. `SCORERS` holds them by name; other packages add to it
through the entry-point group `hiprobe.scorers`. `Scorer` puts scaling and the balance of the
classes around a classifier, and its `fit` gives a `FittedScorer`. All is computed in float64.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hiprobe.dual_logistic import ITERATIONS, fit_duals
from hiprobe.errors import ProbeFolderError, StatesError, UsageError
from hiprobe.logistic_by_passes import (
    MOST_DEVIATIONS,
    fit_by_passes,
    mean_and_deviation_by_passes,
)
from hiprobe.plugins import Registry, installed

# How classes of different size are made equal.
Balance = Literal["weights", "resample", "none"]

BALANCES: tuple[Balance, ...] = get_args(Balance)

Penalty = Literal["l2", "none"]

PENALTIES: tuple[Penalty, ...] = get_args(Penalty)

# A name in `SCORERS`.
ScorerName = str

# C times the summed variance of all dimensions, where no C is given: 0.01 for 576 standardised
# dimensions. C alone means more the wider a state is, since a logit sums over its dimensions.
DEFAULT_STRENGTH = 5.76

# Up to so many rows a fit goes by their products; with more, L-BFGS takes no longer.
MOST_DUAL_ROWS = 200

# From so many float32 rows on a fit goes by passes over them, without a float64 copy; with fewer
# the copy is small, and the ten to twenty passes are no matter.
MANY_ROWS = 20_000

# Rows that are scored at a time.
_BLOCK_ROWS = 4_096

# Most iterations of L-BFGS (paper, section 4.1).
MAX_ITERATIONS = 1000

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScorerSettings:
    """The settings of a probe that a classifier may use.

    Attributes:
        c: inverse strength of the penalty; None leaves it to the classifier.
        penalty: "l2", or "none" for the literal equation 8.
        seed: of whatever the classifier draws at random.
    """

    c: float | None = None
    penalty: Penalty = "l2"
    seed: int = 0


# What makes the classifier of a name: a class or function. It is called with `settings`, a
# `ScorerSettings`, if it has a parameter of that name; with `random_state`, as scikit-learn's own
# classes, if it has that one; else with nothing.
SCORERS: Registry[Callable[..., Any]] = Registry("hiprobe.scorers", "scorer")


def make_classifier(name: str, settings: ScorerSettings) -> Any:
    """An unfitted classifier of a name.

    Raises:
        UsageError: unknown name, or its package cannot be loaded.
    """
    make = SCORERS.get(name)
    parameters = inspect.signature(make).parameters
    if "settings" in parameters:
        return make(settings=settings)
    if "random_state" in parameters:
        return make(random_state=settings.seed)
    return make()


def make_scorer(
    scorer: Any,
    *,
    c: float | None = None,
    penalty: Penalty = "l2",
    standardise: bool = True,
    balance: Balance = "weights",
    seed: int = 0,
) -> Scorer:
    """A scorer by name, or around a classifier.

    Args:
        scorer: name in `SCORERS`, or an unfitted classifier with scikit-learn's interface.
        c, penalty: of logistic regression and SVM (see `ScorerSettings`).
        standardise, balance, seed: as in `Scorer`; the two distances use none of them.

    Raises:
        UsageError: unknown name, no classifier, or a value out of its range.
    """
    if c is not None and not (np.isfinite(c) and c > 0):
        raise UsageError(f"C is {c}; give a number above 0 (smaller is a stronger penalty)")
    if penalty not in PENALTIES or balance not in BALANCES:
        raise UsageError(
            f"penalty {penalty!r} must be one of {PENALTIES} and balance {balance!r} "
            f"one of {BALANCES}"
        )
    classifier, name = scorer, None
    if isinstance(scorer, str):
        classifier, name = make_classifier(scorer, ScorerSettings(c, penalty, seed)), scorer
    if isinstance(classifier, type) or not (
        hasattr(classifier, "fit")
        and (hasattr(classifier, "decision_function") or hasattr(classifier, "predict_proba"))
    ):
        raise UsageError(
            f"scorer {scorer!r} is no classifier: it needs fit(X, y) and decision_function(X) or "
            "predict_proba(X), as scikit-learn's have"
        )
    return Scorer(classifier, standardise, balance, seed, name)


def scorer_name(scorer: Any) -> str:
    """What a scorer is called in a saved probe: its name, or that of an equal registered one.

    A classifier that no name makes is called as it is shown, `LinearDiscriminantAnalysis()`.
    """
    if isinstance(scorer, str):
        return scorer
    name = _registered_name(scorer)
    same = name is not None and repr(make_classifier(name, ScorerSettings())) == repr(scorer)
    return name if name is not None and same else repr(scorer)[:200]


def _registered_name(classifier: Any) -> str | None:
    """The name whose maker is the classifier's class."""
    own = type(classifier)
    # reads entry points by their text, so that a package that is not asked for is not loaded
    for name, entry in installed(SCORERS.group).items():
        if entry.value.replace(" ", "") == f"{own.__module__}:{own.__qualname__}":
            return name
    return None


@dataclass(frozen=True)
class Scorer:
    """A classifier behind the scaling and the balance of a probe.

    A classifier whose attribute `takes_raw_states` is true gets the states as they are.

    Attributes:
        classifier: unfitted; each `fit` works on a copy.
        standardise: bring each dimension to mean 0 and deviation 1 over the training vectors.
        balance: "weights" gives both classes the same total weight, where the classifier's `fit`
            takes `sample_weight`; "resample" repeats vectors of the smaller class at random until
            both are equal.
        seed: of the resampling.
        name: in `SCORERS`; None for a classifier that was passed as an object.
    """

    classifier: Any
    standardise: bool = True
    balance: Balance = "weights"
    seed: int = 0
    name: str | None = None

    def fit(
        self, x: NDArray[Any], y: NDArray[Any], *, groups: Sequence[str] | None = None
    ) -> FittedScorer:
        """Fit on `[n, dimensions]` and labels `[n]`, 0 normal, 1 anomalous.

        Args:
            x, y: the vectors and their labels.
            groups: `[n]`, recordings; for scorers that hold clips out within the fit.

        Raises:
            StatesError: a value is not finite, a class is missing, or the classifier refuses.
        """
        from sklearn.base import clone
        from sklearn.utils.validation import has_fit_parameter

        found = self._fit_by_passes(x, y)
        if found is not None:
            return found
        z, labels = checked_rows(x, y)
        raw = getattr(self.classifier, "takes_raw_states", False)
        if self.balance == "resample" and not raw:
            rows = _resampled(labels, self.seed)
            z, labels = z[rows], labels[rows]
        mean, scale = np.zeros(z.shape[1]), np.ones(z.shape[1])
        if self.standardise and not raw:
            mean, scale = mean_and_scale(z)
            z = (z - mean) / scale
        weighted = self.balance == "weights" and not raw
        extra: dict[str, Any] = {}
        if weighted and has_fit_parameter(self.classifier, "sample_weight"):
            extra["sample_weight"] = class_weights(labels)
        model = clone(self.classifier, safe=False)
        try:
            model.fit(z, labels, **extra)
        except ValueError as error:
            raise StatesError(
                f"{type(model).__name__} cannot be fitted on {len(z)} vectors of {z.shape[1]} "
                f"dimensions: {error}"
            ) from error
        return _as_fitted(model, z, mean, scale, name=self.name)

    def _fit_by_passes(self, x: NDArray[Any], y: NDArray[Any]) -> FittedScorer | None:
        """The usual logistic regression on very many rows, where they lie; None for any other fit.

        In float64 100,000 rows of width 4096 would take 10 GB and minutes.
        """
        model, usual = self.classifier, self.standardise and self.balance != "resample"
        many = x.ndim == 2 and x.dtype == np.float32 and len(x) >= MANY_ROWS
        if not (usual and many and type(model) is LogisticScorer and model.penalty == "l2"):
            return None
        labels = _checked_labels(y, rows=len(x))
        mean, deviation = mean_and_deviation_by_passes(x)
        scale = np.where(deviation == 0, 1.0, deviation)
        off_centre = np.sqrt(np.mean(np.square(mean / scale)))
        if not off_centre <= MOST_DEVIATIONS:  # NaN too, which the usual way refuses with words
            return None
        fit = fit_by_passes(
            x,
            labels,
            mean=mean,
            scale=scale,
            weights=class_weights(labels) if self.balance == "weights" else np.ones(len(x)),
            c=model.c
            if model.c is not None
            else DEFAULT_STRENGTH / (np.count_nonzero(deviation) or 1),
            iterations=model.max_iterations,
        )
        ended = Convergence(fit.iterations, fit.converged, minimum_exists=True)
        return FittedScorer("linear", mean, scale, fit.weights, 1.0, fit.bias, ended)


def checked_rows(x: NDArray[Any], y: NDArray[Any]) -> tuple[_Floats, NDArray[np.int64]]:
    """Vectors and labels to fit on, as float64 `[n, dimensions]` and int64 `[n]`.

    Raises:
        StatesError: a value is not finite, or a class is missing.
    """
    z = np.asarray(x, dtype=np.float64)
    if z.ndim != 2 or np.shape(y) != (len(z),) or not np.isfinite(z).all():
        raise StatesError(
            f"cannot fit on states {z.shape} with labels {np.shape(y)}: not finite "
            "or of another shape than [n, dimensions] and [n]"
        )
    return z, _checked_labels(y, rows=len(z))


def _checked_labels(y: NDArray[Any], *, rows: int) -> NDArray[np.int64]:
    labels = np.asarray(y).astype(np.int64)
    if labels.shape != (rows,):
        raise StatesError(f"cannot fit on {rows} states with labels {labels.shape}")
    if set(labels.tolist()) != {0, 1}:
        raise StatesError(f"cannot fit on labels {sorted(set(labels.tolist()))}: 0 and 1 needed")
    return labels


def mean_and_scale(z: _Floats) -> tuple[_Floats, _Floats]:
    """Mean and deviation of each dimension; 1 for the deviation of a constant one."""
    mean, deviation = z.mean(axis=0), z.std(axis=0)
    # rounding alone gives a constant column a tiny deviation, which must not be blown up
    constant = deviation <= 1e-12 * np.abs(z).max(axis=0)
    return mean, np.where(constant, 1.0, deviation)


def _resampled(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """All rows, and random ones of the smaller class again, until both classes are equal."""
    counts = np.bincount(labels, minlength=2)
    small = int(np.argmin(counts))
    extra = np.random.default_rng(seed).choice(
        np.flatnonzero(labels == small), size=int(abs(counts[0] - counts[1]))
    )
    return np.concatenate([np.arange(len(labels)), extra])


def class_weights(labels: NDArray[np.int64]) -> _Floats:
    """n / (2 n_class) of each sample, so that both classes have the same total weight."""
    counts = np.bincount(labels, minlength=2)
    return np.asarray((len(labels) / (2.0 * counts))[labels], dtype=np.float64)


def _as_fitted(
    model: Any, z: _Floats, mean: _Floats, scale: _Floats, *, name: str | None
) -> FittedScorer:
    """A fitted classifier as arrays where it is linear, else as it is."""
    formula: FittedScorer | None = getattr(model, "formula_", None)
    if formula is not None:
        return formula
    whole = FittedClassifier("classifier", mean, scale, np.zeros(0), 1.0, 0.0, None, model, name)
    coefficients = np.asarray(getattr(model, "coef_", np.zeros(0)), dtype=np.float64)
    if coefficients.size != len(mean) or not hasattr(model, "intercept_"):
        return whole
    bias = float(np.asarray(model.intercept_).reshape(-1)[0])
    ended = getattr(model, "convergence_", None)
    linear = FittedScorer("linear", mean, scale, coefficients.reshape(-1), 1.0, bias, ended)
    # Not every classifier with coefficients is a sigmoid of them: some calibrate their
    # probabilities otherwise (an SVC with probability=True, modified Huber loss).
    own, ours = whole.of_scaled(z), sigmoid(z @ linear.weights + bias)
    return linear if np.allclose(own, ours, rtol=0, atol=1e-6) else whole


@dataclass(frozen=True)
class Convergence:
    """How the minimisation ended.

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
        told = numbers.get("convergence")
        ended = None if told is None else Convergence(**told)
        return cls(kind=kind, slope=slope, bias=bias, convergence=ended, **parts)

    def _scaled(self, x: NDArray[Any]) -> _Floats:
        if x.ndim != 2 or x.shape[1] != self.width:
            raise StatesError(f"states are {x.shape}, the scorer takes [n, {self.width}]")
        return np.asarray((x.astype(np.float64) - self.mean) / self.scale)


# Before the names of a classifier's own arrays.
_INSIDE = "classifier/"


@dataclass(frozen=True)
class FittedClassifier(FittedScorer):
    """A fitted classifier that is no linear form.

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
        return self.name or _registered_name(self.classifier)


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


class _LinearClassifier:
    """What the two linear ones share: weights after `fit`, and a decision by them.

    C is taken from the vectors where none is given: `DEFAULT_STRENGTH` over their summed variance,
    so that by default neither the width of a backbone nor the unit of its states moves a score.
    """

    c: float | None
    classes_: NDArray[np.int64]
    coef_: _Floats
    intercept_: _Floats

    def decision_function(self, X: NDArray[Any]) -> _Floats:
        """w.x + bias of each row, float64 `[n]`."""
        return np.asarray(X @ self.coef_[0] + self.intercept_[0], dtype=np.float64)

    def _inverse_strength(self, X: NDArray[Any]) -> float:
        if self.c is not None:
            return self.c
        return DEFAULT_STRENGTH / (float(X.var(axis=0).sum()) or 1.0)

    def _take(self, weights: NDArray[Any], bias: NDArray[Any]) -> None:
        """Weights `[1, dimensions]` and bias `[1]`."""
        self.classes_ = np.array([0, 1])
        self.coef_ = np.asarray(weights, dtype=np.float64)
        self.intercept_ = np.asarray(bias, dtype=np.float64)


@dataclass
class LogisticScorer(_LinearClassifier):
    """Logistic regression on binary cross-entropy (paper, eq. 8), as a classifier.

    The loss is C * sum of cross-entropies + |w|^2 / 2. The paper's equation has no penalty; where
    classes can be separated it then has no minimum: `penalty="none"` stops wherever the gradient
    vanishes or the iterations end, and `convergence_` says so.

    It is minimised by L-BFGS as in the paper. With a penalty there is one minimum whatever finds
    it: where rows are few and wide, Newton's method on their products, 3 to 8 times as fast with
    60 to 183 rows.
    """

    c: float | None = None
    penalty: Penalty = "l2"
    max_iterations: int = MAX_ITERATIONS
    convergence_: Convergence | None = field(default=None, init=False, repr=False)

    def fit(
        self, X: NDArray[Any], y: NDArray[Any], sample_weight: NDArray[Any] | None = None
    ) -> LogisticScorer:
        """Fit on `[n, dimensions]` and labels `[n]`, 0 or 1."""
        few = len(X) <= min(MOST_DUAL_ROWS, X.shape[1])
        if not (self.penalty == "l2" and few and self._fit_by_rows(X, y, sample_weight)):
            self._fit_by_dimensions(X, y, sample_weight)
        return self

    def _fit_by_rows(
        self, X: NDArray[Any], y: NDArray[Any], sample_weight: NDArray[Any] | None
    ) -> bool:
        """By products of the rows; False where that does not converge."""
        weights = np.ones(len(X)) if sample_weight is None else sample_weight
        penalty = np.array([1 / self._inverse_strength(X)])
        limit = min(ITERATIONS, self.max_iterations)
        found = fit_duals((X @ X.T)[None], y, penalty, weights=weights, iterations=limit)
        self._take(found.alpha @ X, found.bias)
        self.convergence_ = Convergence(found.iterations, found.converged, minimum_exists=True)
        return found.converged

    def _fit_by_dimensions(
        self, X: NDArray[Any], y: NDArray[Any], sample_weight: NDArray[Any] | None
    ) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        c = np.inf if self.penalty == "none" else self._inverse_strength(X)
        # Without a minimum the weights are those where L-BFGS stops: 1e-8 is the gradient at which
        # earlier versions stopped. On 28 real clips scores then agree with theirs within 2e-7,
        # with and without penalty; at 1e-10 they differ by up to 0.4 without one.
        model = LogisticRegression(C=c, tol=1e-8, max_iter=self.max_iterations)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            model.fit(X, y, sample_weight=sample_weight)
        self._take(model.coef_, model.intercept_)
        stopped = any(issubclass(w.category, ConvergenceWarning) for w in caught)
        parted = bool((np.where(y == 1, 1, -1) * self.decision_function(X) > 0).all())
        self.convergence_ = Convergence(
            iterations=int(model.n_iter_[0]),
            converged=not stopped,
            minimum_exists=self.penalty == "l2" or not parted,
        )


@dataclass
class SvmScorer(_LinearClassifier):
    """Linear support vector machine as a classifier; the sigmoid of its margin is uncalibrated."""

    c: float | None = None

    def fit(
        self, X: NDArray[Any], y: NDArray[Any], sample_weight: NDArray[Any] | None = None
    ) -> SvmScorer:
        """Fit on `[n, dimensions]` and labels `[n]`, 0 or 1."""
        from sklearn.svm import SVC

        model = SVC(kernel="linear", C=self._inverse_strength(X), tol=1e-6)
        model.fit(X, y, sample_weight=sample_weight)
        self._take(model.coef_, model.intercept_)
        return self


@dataclass
class DistanceScorer:
    """Distance from the mean of the normal vectors; anomalous ones are not looked at.

    "mahalanobis" divides each dimension by the normal vectors' standard deviation (a diagonal
    covariance; a constant dimension is left as it is), "euclidean" does not. The probability
    is the sigmoid of the distance's z-score among the normal vectors, so it is 0.5 at their mean
    distance and grows with distance.
    """

    metric: Literal["mahalanobis", "euclidean"] = "mahalanobis"
    formula_: FittedScorer | None = field(default=None, init=False, repr=False)

    takes_raw_states = True  # the scale is that of the normal vectors alone

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> DistanceScorer:
        """Fit on the rows of `[n, dimensions]` with label 0."""
        normal = X[np.asarray(y) == 0]
        mean, scale = mean_and_scale(normal)
        if self.metric == "euclidean":
            scale = np.ones_like(scale)
        weights = np.full(len(mean), 1.0 / len(mean))
        found = FittedScorer("distance", mean, scale, weights, 1.0, 0.0).decision(normal)
        spread = float(found.std()) or 1.0
        slope, bias = 1.0 / spread, -float(found.mean()) / spread
        self.formula_ = FittedScorer("distance", mean, scale, weights, slope, bias)
        return self

    def decision_function(self, X: NDArray[Any]) -> _Floats:
        """Z-score of each row's distance, float64 `[n]`."""
        if self.formula_ is None:
            raise UsageError("this scorer is not fitted yet; call fit")
        return self.formula_.slope * self.formula_.decision(X) + self.formula_.bias


def _logistic(settings: ScorerSettings) -> LogisticScorer:
    return LogisticScorer(settings.c, settings.penalty)


def _svm(settings: ScorerSettings) -> SvmScorer:
    return SvmScorer(settings.c)


SCORERS.register("logistic", lambda: _logistic)
SCORERS.register("svm", lambda: _svm)
SCORERS.register("mahalanobis", lambda: partial(DistanceScorer, "mahalanobis"))
SCORERS.register("euclidean", lambda: partial(DistanceScorer, "euclidean"))
