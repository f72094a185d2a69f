"""The classifiers of the paper: logistic regression (eq. 8), SVM and two distances (table 4)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.dual_logistic import ITERATIONS, fit_duals
from hiprobe.errors import UsageError
from hiprobe.fitted_scorer import Convergence, FittedScorer
from hiprobe.scorer_names import Penalty, ScorerSettings

# C times the summed variance of all dimensions, where no C is given: 0.01 for 576 standardised
# dimensions. C alone means more the wider a state is, since a logit sums over its dimensions.
DEFAULT_STRENGTH = 5.76

# Up to so many rows a fit goes by their products; with more, L-BFGS takes no longer.
MOST_DUAL_ROWS = 200

# Most iterations of L-BFGS (paper, section 4.1).
MAX_ITERATIONS = 1000

_Floats = NDArray[np.float64]


def mean_and_scale(z: _Floats) -> tuple[_Floats, _Floats]:
    """Mean and deviation of each dimension; 1 for the deviation of a constant one."""
    mean, deviation = z.mean(axis=0), z.std(axis=0)
    # rounding alone gives a constant column a tiny deviation, which must not be blown up
    constant = deviation <= 1e-12 * np.abs(z).max(axis=0)
    return mean, np.where(constant, 1.0, deviation)


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
        """Keep what was fitted: weights `[1, dimensions]` and bias `[1]`."""
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
        """Fit on `[n, dimensions]` and labels `[n]`, 0 or 1.

        Args:
            sample_weight: `[n]`, of the rows; all alike where None.
        """
        few = len(X) <= min(MOST_DUAL_ROWS, X.shape[1])
        if not (self.penalty == "l2" and few and self._fit_by_rows(X, y, sample_weight)):
            self._fit_by_dimensions(X, y, sample_weight)
        return self

    def _fit_by_rows(
        self, X: NDArray[Any], y: NDArray[Any], sample_weight: NDArray[Any] | None
    ) -> bool:
        """Fit by products of the rows; False where that does not converge."""
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
        separated = bool((np.where(y == 1, 1, -1) * self.decision_function(X) > 0).all())
        self.convergence_ = Convergence(
            iterations=int(model.n_iter_[0]),
            converged=not stopped,
            minimum_exists=self.penalty == "l2" or not separated,
        )


@dataclass
class SvmScorer(_LinearClassifier):
    """Linear support vector machine as a classifier; the sigmoid of its margin is uncalibrated."""

    c: float | None = None

    def fit(
        self, X: NDArray[Any], y: NDArray[Any], sample_weight: NDArray[Any] | None = None
    ) -> SvmScorer:
        """Fit on `[n, dimensions]` and labels `[n]`, 0 or 1.

        Args:
            sample_weight: `[n]`, of the rows; all alike where None.
        """
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


def logistic(settings: ScorerSettings) -> LogisticScorer:
    """What `SCORERS` holds as "logistic"."""
    return LogisticScorer(settings.c, settings.penalty)


def svm(settings: ScorerSettings) -> SvmScorer:
    """What `SCORERS` holds as "svm"."""
    return SvmScorer(settings.c)


mahalanobis = partial(DistanceScorer, "mahalanobis")
euclidean = partial(DistanceScorer, "euclidean")
