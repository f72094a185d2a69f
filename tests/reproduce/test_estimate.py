"""Means over seeds and their intervals, against scikit-learn and by properties."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frame_scores import ScoredFrames
from hiprobe.evaluation.metrics import Ranking
from hiprobe.reproduce.estimate import (
    Units,
    auc_estimate,
    clip_units,
    difference,
    precision_estimate,
    within_estimate,
)


def scored(seed: int, *, count: int = 60, per_source: int = 3, shift: float = 1.0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.integers(0, 2, count // per_source), per_source)
    labels[:per_source], labels[-per_source:] = 0, 1
    sources = [str(i // per_source) for i in range(count)]
    return rng.normal(size=count) + shift * labels, labels, sources


def test_the_value_is_the_mean_of_what_scikit_learn_gives_each_seed() -> None:
    seeds = [scored(s) for s in (1, 2, 3)]
    found = auc_estimate([clip_units(*s) for s in seeds], draws=50)
    expected = [roc_auc_score(y, x) for x, y, _ in seeds]
    assert found.by_seed == pytest.approx(expected)
    assert found.ours == pytest.approx(np.mean(expected))
    precision = precision_estimate([clip_units(*s) for s in seeds], draws=1)
    assert precision.by_seed == pytest.approx([average_precision_score(y, x) for x, y, _ in seeds])


def test_the_interval_holds_the_value_and_is_the_same_again() -> None:
    units = clip_units(*scored(4))
    one, two = auc_estimate([units], draws=300), auc_estimate([units], draws=300)
    assert one == two
    assert one.low is not None and one.high is not None
    assert one.low < one.ours < one.high


def test_clips_of_one_source_do_not_count_as_many() -> None:
    scores, labels, sources = scored(5, count=40, per_source=1)
    wide = auc_estimate([clip_units(scores, labels, sources)], draws=400)
    repeated = [np.repeat(a, 8) for a in (scores, labels, np.array(sources))]
    same = auc_estimate([clip_units(*repeated)], draws=400)
    assert same.ours == pytest.approx(wide.ours)
    assert (same.low, same.high) == pytest.approx((wide.low, wide.high))


def test_one_source_has_no_interval() -> None:
    found = auc_estimate([clip_units([0.1, 0.9], [0, 1], ["a", "a"])], draws=20)
    assert found.ours == 1.0
    assert found.low is None and found.high is None


def test_units_need_a_source_each() -> None:
    with pytest.raises(EvaluationError, match="one for each"):
        clip_units([0.1, 0.2], [0, 1], ["a"])


def test_a_difference_with_itself_is_nothing_and_seeds_share_their_draws() -> None:
    first, second = clip_units(*scored(6)), clip_units(*scored(6, shift=0.2))
    assert difference([first], [first], draws=50).ours == 0.0
    gap = difference([first], [second], draws=200)
    assert gap.ours == pytest.approx(
        auc_estimate([first], draws=1).ours - auc_estimate([second], draws=1).ours
    )


def test_auc_inside_videos_leaves_out_videos_of_one_kind() -> None:
    scores = np.array([0.1, 0.9, 0.5, 0.4, 0.3, 0.2])
    labels = np.array([False, True, False, False, True, False])
    frames = ScoredFrames(scores, labels, np.array([0, 2, 4, 6]))
    assert within_estimate([frames], draws=10).ours == 1.0


def test_parts_keep_the_frames_together() -> None:
    frames = ScoredFrames(np.arange(6.0), np.array([0, 0, 0, 1, 1, 1], bool), np.array([0, 3, 6]))
    assert auc_estimate([Units(frames, ("a", "b"))], draws=20).ours == 1.0


def test_draws_weighed_together_are_those_weighed_one_by_one() -> None:
    scores, labels, sources = scored(7)
    units = clip_units(np.round(scores, 1), labels, sources)  # rounded: ties
    rng = np.random.default_rng(0)
    weights = rng.multinomial(60, np.full(60, 1 / 60), size=40).astype(np.float64)
    weights[0] = labels  # no normal clip was drawn
    weights[1] = 1 - labels
    ranking = Ranking.of(units.frames)
    together = np.array(ranking.aucs_and_precisions(weights))
    alone = np.array([ranking.auc_and_precision(w) for w in weights]).T
    np.testing.assert_allclose(together, alone, rtol=1e-12)
    assert np.isnan(together[0, :2]).all() and not np.isnan(together[:, 2:]).any()
    drawn = [roc_auc_score(labels, np.round(scores, 1), sample_weight=w) for w in weights[2:]]
    np.testing.assert_allclose(together[0, 2:], drawn)
