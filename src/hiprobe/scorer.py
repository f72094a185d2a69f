"""Scorers: from a hidden state to an anomaly probability (paper, eqs. 8 and 9, and table 4).

A scorer is any classifier with scikit-learn's interface: `fit(X, y[, sample_weight])`, and
`decision_function` or `predict_proba`. `Scorer` puts scaling and the balance of the classes around
a classifier, and its `fit` gives a `FittedScorer`. All is computed in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hiprobe.classifiers import DEFAULT_STRENGTH, LogisticScorer, mean_and_scale
from hiprobe.errors import StatesError, UsageError
from hiprobe.fitted_scorer import Convergence, FittedClassifier, FittedScorer, sigmoid
from hiprobe.logistic_by_passes import (
    MOST_DEVIATIONS,
    fit_by_passes,
    mean_and_deviation_by_passes,
)
from hiprobe.scorer_names import PENALTIES, Penalty, ScorerSettings, make_classifier

# How classes of different size are made equal.
Balance = Literal["weights", "resample", "none"]

BALANCES: tuple[Balance, ...] = get_args(Balance)

# From so many float32 rows on a fit goes by passes over them, without a float64 copy; with fewer
# the copy is small enough to make.
MANY_ROWS = 20_000

_Floats = NDArray[np.float64]


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
        # A copy, since one scorer is fitted again in every fold; `safe=False` copies classifiers
        # that are not scikit-learn's as well.
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
        """The usual logistic regression on very many rows, not copied; None for any other fit.

        In float64 100,000 rows of width 4096 would take 10 GB and minutes.
        """
        model, usual = self.classifier, self.standardise and self.balance != "resample"
        many = x.ndim == 2 and x.dtype == np.float32 and len(x) >= MANY_ROWS
        # Not isinstance: a subclass may have another loss.
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
