"""Where the literal equation 8 has no minimum it is said, and C means the same on any width."""

import json

import numpy as np
import pytest

from hiprobe.classifiers import LogisticScorer
from hiprobe.fitted_scorer import FittedScorer
from hiprobe.scorer import Scorer, make_scorer


def draw(n, width, seed=0, gap=1.0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return rng.normal(size=(n, width)) + gap * y[:, None], y


def test_separable_clips_without_a_penalty_have_no_minimum_and_it_is_said():
    fitted = make_scorer("logistic", penalty="none").fit(*draw(20, 100))
    assert fitted.convergence is not None and not fitted.convergence.minimum_exists
    assert "no minimum" in (fitted.convergence.remark or "")
    again = FittedScorer.from_parts(fitted.arrays(), json.loads(json.dumps(fitted.to_json())))
    assert again.convergence == fitted.convergence


def test_a_penalty_or_an_overlap_gives_a_minimum():
    for penalty, sample in (("l2", draw(20, 100)), ("none", draw(400, 2, gap=0.3))):
        ended = make_scorer("logistic", penalty=penalty).fit(*sample).convergence
        assert ended is not None and ended.minimum_exists and ended.converged
        assert ended.remark is None and 0 < ended.iterations < 1000


def test_too_few_iterations_are_said():
    ended = (
        Scorer(LogisticScorer(c=100.0, max_iterations=2)).fit(*draw(60, 20, gap=0.2)).convergence
    )
    assert ended is not None and not ended.converged
    assert "did not converge in 2 iterations" in (ended.remark or "")


@pytest.mark.parametrize("scorer", ["logistic", "svm"])
@pytest.mark.parametrize("standardise", [True, False])
def test_by_default_neither_width_nor_unit_moves_a_score(scorer, standardise):
    x, y = draw(40, 30, gap=0.4)
    plain = make_scorer(scorer, standardise=standardise).fit(x, y).probability(x)
    wide = np.repeat(x, 5, axis=1)
    fitted = make_scorer(scorer, standardise=standardise).fit(wide, y)
    np.testing.assert_allclose(fitted.probability(wide), plain, atol=1e-3)
    scaled = make_scorer(scorer, standardise=standardise).fit(7.0 * x, y)
    np.testing.assert_allclose(scaled.probability(7.0 * x), plain, atol=1e-3)


def test_the_default_is_a_hundredth_at_576_standardised_dimensions():
    x, y = draw(30, 576)
    np.testing.assert_allclose(
        make_scorer("logistic").fit(x, y).weights,
        make_scorer("logistic", c=0.01).fit(x, y).weights,
        atol=1e-9,
    )
