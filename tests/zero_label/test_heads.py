"""Choosing attention heads by saliency and stability."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.gaussian_process.kernels import RBF

from hiprobe.baselines.attention_heads import (
    Head,
    best_heads,
    columns,
    fit_heads,
    head_saliency,
    robust_saliency,
)
from hiprobe.baselines.attention_heads import _discrepancy as discrepancy
from hiprobe.errors import StatesError, UsageError

LABELS = np.array([0, 1] * 12)


def noise(seed: int, shape: tuple[int, ...] = (24, 3, 4, 5)) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_the_head_that_tells_the_classes_apart_is_the_most_salient() -> None:
    states = noise(0)
    states[LABELS == 1, 1, 2] += 3.0
    values = head_saliency(states, LABELS)
    assert values.shape == (3, 4) and values.min() >= 0 and values.max() <= 1
    assert np.unravel_index(np.argmax(values), values.shape) == (1, 2)


def test_a_head_that_works_under_one_prompt_only_falls_behind_a_stable_one() -> None:
    prompts = [noise(1), noise(2), noise(3)]
    for states in prompts:
        states[LABELS == 1, 2, 3] += 3.0
    prompts[0][LABELS == 1, 0, 0] += 4.0
    alone = head_saliency(prompts[0], LABELS)
    assert np.unravel_index(np.argmax(alone), alone.shape) == (0, 0)
    robust = robust_saliency(prompts, LABELS)
    assert np.unravel_index(np.argmax(robust), robust.shape) == (2, 3)
    mean = robust_saliency(prompts, LABELS, stability=0.0)
    np.testing.assert_allclose(mean, np.mean([head_saliency(s, LABELS) for s in prompts], axis=0))
    assert (robust <= mean + 1e-12).all()


def test_the_best_heads_come_in_order_and_equals_from_the_shallowest() -> None:
    values = np.array([[0.1, 0.5], [0.9, 0.5]])
    assert best_heads(values, top=3) == ((Head(2, 0), Head(1, 1), Head(2, 1)), (0.9, 0.5, 0.5))
    assert len(best_heads(values, top=99)[0]) == 4


def test_columns_are_the_heads_side_by_side() -> None:
    states = noise(4)
    found = columns(states, (Head(3, 1), Head(1, 0)))
    np.testing.assert_array_equal(found, np.hstack([states[:, 2, 1], states[:, 0, 0]]))


def test_fitted_heads_score_what_they_were_fitted_on_apart() -> None:
    prompts = [noise(5), noise(6)]
    for states in prompts:
        states[LABELS == 1, 1, 1] += 3.0
    fitted = fit_heads(prompts, LABELS, top=2)
    assert fitted.heads[0] == Head(2, 1) and len(fitted.heads) == 2
    assert list(fitted.saliency) == sorted(fitted.saliency, reverse=True)
    assert fitted.layers == tuple(sorted({h.layer for h in fitted.heads}))
    scores = fitted.scorer.probability(columns(prompts[0], fitted.heads))
    assert scores[LABELS == 1].min() > scores[LABELS == 0].max()


def test_the_discrepancy_is_that_of_a_gaussian_kernel() -> None:
    x = noise(7, (24, 5))
    apart = np.linalg.norm(x[:, None] - x[None], axis=-1) ** 2
    median = np.median(apart[~np.eye(24, dtype=bool)])
    kernel = RBF(length_scale=np.sqrt(median))(x.astype(np.float64))
    odd = LABELS == 1
    expected = (
        kernel[np.ix_(odd, odd)].mean()
        + kernel[np.ix_(~odd, ~odd)].mean()
        - 2 * kernel[np.ix_(odd, ~odd)].mean()
    )
    assert discrepancy(x, LABELS) == pytest.approx(expected, rel=1e-5)
    assert discrepancy(np.ones((24, 5), np.float32), LABELS) == 0.0


def test_heads_that_say_nothing_are_equal() -> None:
    assert (head_saliency(np.ones((24, 2, 2, 3), np.float32), LABELS) == 0).all()


@pytest.mark.parametrize("wrong", [{"top": 0}, {"stability": -1.0}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        fit_heads([noise(0)], LABELS, **wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        fit_heads([], LABELS)


def test_prompts_of_different_shapes_are_refused() -> None:
    with pytest.raises(StatesError, match="same under each prompt"):
        fit_heads([noise(0), noise(0, (24, 2, 4, 5))], LABELS)
