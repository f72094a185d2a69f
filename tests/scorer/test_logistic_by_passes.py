"""Very many rows are fitted where they lie, with the scores of a fit in float64."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info

from hiprobe.classifiers import DEFAULT_STRENGTH
from hiprobe.errors import StatesError
from hiprobe.evaluation.metrics.ranking import roc_auc
from hiprobe.scorer import MANY_ROWS, class_weights, make_scorer


def correlated(rows=MANY_ROWS, width=96, seed=0):
    """States whose dimensions depend on each other, far from 0, one in five rows anomalous."""
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < 0.2).astype(np.int64)
    spread = np.arange(1, width + 1) ** -1.0
    mixed = np.linalg.qr(rng.normal(size=(width, width)))[0]
    z = rng.normal(size=(rows, width)) + y[:, None] * rng.normal(0, 2 / width**0.5, width)
    return ((z * spread) @ mixed + rng.normal(0, 2, width)).astype(np.float32), y


def by_scikit_learn(x, y, *, c, weights):
    z = x.astype(np.float64)
    scale = z.std(axis=0)
    z = (z - z.mean(axis=0)) / np.where(scale == 0, 1, scale)
    model = LogisticRegression(C=c, tol=1e-8, max_iter=5000).fit(z, y, sample_weight=weights)
    return model.predict_proba(z)[:, 1]


@pytest.mark.parametrize(("c", "balance"), [(None, "weights"), (1e-4, "none"), (1.0, "weights")])
def test_scores_are_those_of_scikit_learn(c, balance):
    x, y = correlated()
    fitted = make_scorer("logistic", c=c, balance=balance).fit(x, y)
    weights = class_weights(y) if balance == "weights" else None
    expected = by_scikit_learn(x, y, c=c or DEFAULT_STRENGTH / x.shape[1], weights=weights)
    assert fitted.convergence is not None and fitted.convergence.converged
    assert np.ptp(expected) > 0.3
    np.testing.assert_allclose(fitted.probability(x), expected, atol=1e-3)


def test_a_constant_dimension_and_one_far_off_say_nothing():
    x, y = correlated()
    constant = np.full((len(x), 1), 0.1, np.float32)
    fitted = make_scorer("logistic", c=0.01).fit(np.hstack([x, constant]), y)
    assert fitted.scale[-1] == 1.0 and abs(fitted.weights[-1]) < 1e-6
    plain = make_scorer("logistic", c=0.01).fit(x, y)
    np.testing.assert_allclose(fitted.weights[:-1], plain.weights, atol=1e-3)
    # so far off that float32 products would lose the spread: the fit is the one in float64
    far = x + np.float32(2_000)
    moved = make_scorer("logistic", c=0.01).fit(far, y).probability(far)
    np.testing.assert_allclose(moved, plain.probability(x), atol=1e-2)


def test_the_number_of_threads_changes_nothing(monkeypatch):
    x, y = correlated(rows=MANY_ROWS + 7)
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))  # BLAS has its own since it was loaded
        found.append(make_scorer("logistic").fit(x, y))
    for other in found[1:]:
        np.testing.assert_array_equal(other.weights, found[0].weights)
        np.testing.assert_array_equal(other.mean, found[0].mean)


def test_fits_that_overlap_leave_the_number_of_threads():
    def threads():
        return [i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"]

    x, y = correlated()
    before = threads()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: make_scorer("logistic").fit(x, y), range(6)))
    assert threads() == before


def test_a_weak_penalty_is_fitted_too():
    x, y = correlated(width=64)
    fitted = make_scorer("logistic", c=1e4).fit(x, y)
    assert np.isfinite(fitted.weights).all() and roc_auc(fitted.probability(x), y) > 0.7


def test_what_cannot_be_fitted_is_refused():
    x, y = correlated(width=4)
    with pytest.raises(StatesError, match="0 and 1 needed"):
        make_scorer("logistic").fit(x, np.zeros_like(y))
    with pytest.raises(StatesError, match="labels"):
        make_scorer("logistic").fit(x, y[:-1])
    for value in (np.nan, np.inf, 1e38):
        x[7, 2] = value
        if np.isfinite(value):  # its square is not; the way in float64 takes it
            assert np.isfinite(make_scorer("logistic").fit(x, y).weights).all()
        else:
            with pytest.raises(StatesError, match="not finite"):
                make_scorer("logistic").fit(x, y)


def test_rows_stay_on_disk(tmp_path):
    x, y = correlated(rows=2 * MANY_ROWS, width=512)
    np.save(tmp_path / "x.npy", x)
    expected, size = make_scorer("logistic").fit(x, y).weights, x.nbytes
    del x
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    tracemalloc.start()
    try:
        found = make_scorer("logistic").fit(mapped, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(found.weights, expected)
    assert peak < 1.5 * size  # a copy in float64 alone would be twice as much
