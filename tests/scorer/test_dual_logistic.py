"""Fits by products of rows are those of scikit-learn on the dimensions."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from hiprobe.classifiers import LogisticScorer
from hiprobe.dual_logistic import fit_duals
from hiprobe.scorer import class_weights


def draw(n: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    y = (np.arange(n) % 3 == 0).astype(np.int64)
    return rng.normal(size=(n, width)) + y[:, None], y


def test_all_regressions_at_once_are_those_of_scikit_learn() -> None:
    parts, y = [draw(14, 4)[0], draw(14, 40)[0]], draw(14, 4)[1]
    kernels = np.stack([p @ p.T for p in parts])
    found = fit_duals(kernels, y, np.array([2.0, 10.0]), weights=class_weights(y))
    assert found.converged
    for part, c, a, b in zip(parts, (1 / 2.0, 1 / 10.0), found.alpha, found.bias, strict=True):
        model = LogisticRegression(C=c, class_weight="balanced", tol=1e-10, max_iter=10_000)
        model.fit(part, y)
        np.testing.assert_allclose(part.T @ a, model.coef_[0], atol=1e-5)
        np.testing.assert_allclose(b, model.intercept_[0], atol=1e-5)


def test_few_wide_rows_give_the_minimum_that_many_dimensions_give() -> None:
    x, y = draw(30, 200)
    for c in (None, 1.0, 100.0):
        fitted = LogisticScorer(c=c).fit(x, y, sample_weight=class_weights(y))
        strength = c or fitted._inverse_strength(x)
        model = LogisticRegression(C=strength, class_weight="balanced", tol=1e-10, max_iter=10_000)
        np.testing.assert_allclose(
            fitted.decision_function(x), model.fit(x, y).decision_function(x), rtol=1e-3
        )
        assert fitted.convergence_ is not None and fitted.convergence_.converged


def test_what_newton_does_not_reach_l_bfgs_does() -> None:
    x, y = draw(30, 200)
    stopped = LogisticScorer(c=1.0, max_iterations=3)
    assert not stopped._fit_by_rows(x, y, None)
    fitted = stopped.fit(x, y)
    assert fitted.convergence_ is not None and fitted.convergence_.iterations == 3
