"""Scorers against scikit-learn and closed forms, and by properties."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from hiprobe.errors import StatesError, UsageError
from hiprobe.fitted_scorer import FittedScorer, sigmoid
from hiprobe.scorer import make_scorer
from hiprobe.scorer_names import SCORERS


def draw(n: int = 40, width: int = 6, seed: int = 0, share: float = 0.3):
    rng = np.random.default_rng(seed)
    y = (np.arange(n) < share * n).astype(int)
    x = rng.normal(size=(n, width)) * rng.uniform(0.1, 10, width) + rng.normal(size=width)
    return x + y[:, None] * rng.normal(size=width), y


@pytest.mark.parametrize("width", [6, 200])
@pytest.mark.parametrize("balance", ["weights", "none"])
@pytest.mark.parametrize("c", [0.01, 1.0])
def test_logistic_equals_scikit_learn(width, balance, c):
    x, y = draw(width=width)
    fitted = make_scorer("logistic", c=c, balance=balance).fit(x, y)
    model = LogisticRegression(
        C=c,
        class_weight="balanced" if balance == "weights" else None,
        tol=1e-10,
        max_iter=10000,
    ).fit(StandardScaler().fit_transform(x), y)
    expected = model.predict_proba(StandardScaler().fit(x).transform(x))[:, 1]
    np.testing.assert_allclose(fitted.probability(x), expected, atol=1e-5)
    np.testing.assert_allclose(fitted.weights, model.coef_[0], atol=1e-5)


def test_literal_equation_8_without_penalty_equals_scikit_learn_where_a_minimum_exists():
    x, y = draw(n=200, width=3, seed=4)
    y[::7] = 1 - y[::7]
    fitted = make_scorer("logistic", penalty="none", balance="none", standardise=False).fit(x, y)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10000).fit(x, y)
    np.testing.assert_allclose(fitted.weights, model.coef_[0], rtol=1e-3)


def test_without_penalty_separable_classes_end_at_finite_weights():
    x, y = draw(n=10, width=50)
    fitted = make_scorer("logistic", penalty="none").fit(x, y)
    assert np.isfinite(fitted.weights).all()
    assert ((fitted.probability(x) > 0.5) == y).all()


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_standardised_scores_do_not_depend_on_units_or_order(seed):
    x, y = draw(seed=seed)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(len(y)), rng.permutation(x.shape[1])
    moved = x * rng.uniform(0.5, 20, x.shape[1]) + rng.normal(size=x.shape[1])
    plain = make_scorer("logistic").fit(x, y).probability(x)
    again = make_scorer("logistic").fit(moved[rows][:, columns], y[rows])
    np.testing.assert_allclose(again.probability(moved[:, columns]), plain, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), name=st.sampled_from(["logistic", "svm"]))
def test_swapped_labels_swap_the_probability(seed, name):
    x, y = draw(seed=seed)
    there, back = (make_scorer(name).fit(x, labels).probability(x) for labels in (y, 1 - y))
    np.testing.assert_allclose(there + back, 1, atol=2e-3)


def test_svm_parts_what_can_be_parted():
    x, y = draw(n=60, width=100, share=0.5, seed=2)
    fitted = make_scorer("svm", c=10).fit(x, y)
    assert ((fitted.probability(x) > 0.5) == y).all()
    assert fitted.probability(x)[0] == pytest.approx(
        sigmoid(np.array([fitted.decision(x)[0] + fitted.bias]))[0]
    )


def test_distances_have_their_closed_form_and_ignore_the_anomalous():
    x, y = draw(seed=3)
    normal = x[y == 0]
    away = x - normal.mean(axis=0)
    found = make_scorer("euclidean").fit(x, y)
    np.testing.assert_allclose(found.decision(x), np.sqrt((away**2).mean(axis=1)))
    scaled = make_scorer("mahalanobis").fit(x, y)
    expected = np.sqrt((away**2 / normal.var(axis=0)).mean(axis=1))
    np.testing.assert_allclose(scaled.decision(x), expected)
    x[y == 1] *= 100
    np.testing.assert_allclose(make_scorer("mahalanobis").fit(x, y).weights, scaled.weights)
    np.testing.assert_allclose(make_scorer("mahalanobis").fit(x, y).mean, scaled.mean)


@pytest.mark.parametrize("name", SCORERS.names())
def test_round_trip_through_arrays_and_json_is_exact_and_rows_are_independent(name):
    x, y = draw(width=33)
    x[:, 5] = 4.2
    fitted = make_scorer(name).fit(x.astype(np.float32), y)
    again = FittedScorer.from_parts(fitted.arrays(), json.loads(json.dumps(fitted.to_json())))
    np.testing.assert_array_equal(again.probability(x), fitted.probability(x))
    alone = np.concatenate([fitted.probability(x[i : i + 1]) for i in range(len(x))])
    np.testing.assert_array_equal(alone, fitted.probability(x))
    assert ((alone >= 0) & (alone <= 1)).all()


@pytest.mark.parametrize("name", SCORERS.names())
def test_one_sample_in_a_class_still_fits(name):
    x, y = draw(n=10, share=0.1)
    assert np.isfinite(make_scorer(name).fit(x, y).probability(x)).all()
    assert np.isfinite(make_scorer(name).fit(x[:2], y[:2]).probability(x)).all()


def test_resampling_equals_weights_when_it_repeats_each_sample_equally():
    x, y = draw(n=9, share=0.1)
    x, y = np.concatenate([x, x[:1]]), np.append(y, 1)  # the same anomalous vector twice
    plain = {"standardise": False, "c": 1}
    resampled = make_scorer("logistic", balance="resample", **plain).fit(x, y)
    by_hand_x = np.concatenate([x[y == 0], np.repeat(x[:1], (y == 0).sum(), axis=0)])
    by_hand_y = np.repeat([0, 1], (y == 0).sum())
    expected = make_scorer("logistic", balance="none", standardise=False, c=1).fit(
        by_hand_x, by_hand_y
    )
    np.testing.assert_allclose(resampled.weights, expected.weights, atol=1e-5)


def test_unusable_input_is_refused():
    x, y = draw()
    with pytest.raises(StatesError, match="0 and 1 needed"):
        make_scorer("logistic").fit(x, y * 0)
    x[0, 0] = np.inf
    with pytest.raises(StatesError, match="not finite"):
        make_scorer("logistic").fit(x, y)
    with pytest.raises(UsageError, match="C is"):
        make_scorer("logistic", c=0)
    with pytest.raises(UsageError, match="unknown"):
        make_scorer("forest")
    with pytest.raises(UsageError, match="penalty"):
        make_scorer("logistic", penalty="l1")
    fitted = make_scorer("logistic").fit(*draw())
    with pytest.raises(StatesError, match="takes"):
        fitted.probability(np.zeros((2, 3)))
    with pytest.raises(StatesError, match="differ"):
        FittedScorer.from_parts({**fitted.arrays(), "mean": np.zeros(2)}, fitted.to_json())


def test_sigmoid_does_not_overflow():
    np.testing.assert_allclose(sigmoid(np.array([-1e4, 0.0, 1e4])), [0, 0.5, 1])
