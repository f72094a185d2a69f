"""Metrics against scikit-learn, closed forms, and by properties."""

import time
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from hiprobe.errors import EvaluationError
from hiprobe.evaluation import metrics
from hiprobe.evaluation.frame_scores import ScoredFrames

unhurried = settings(deadline=None)  # a loaded machine is no failure


@st.composite
def joined(draw: st.DrawFn) -> ScoredFrames:
    """Some videos with many tied scores and both classes."""
    lengths = draw(st.lists(st.integers(1, 30), min_size=2, max_size=8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    total, levels = sum(lengths), draw(st.integers(1, 40))
    labels = rng.random(total) < draw(st.floats(0.1, 0.9))
    assume(labels.any() and not labels.all())
    scores = rng.integers(0, levels + 1, total) / levels
    return ScoredFrames(scores, labels, np.concatenate(([0], np.cumsum(lengths))))


def weighted_frames(frames: ScoredFrames, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return weights[frames.video_index]


@unhurried
@given(joined())
def test_auc_and_precision_are_those_of_scikit_learn(frames: ScoredFrames) -> None:
    expected = roc_auc_score(frames.labels, frames.scores)
    assert metrics.roc_auc(frames.scores, frames.labels) == pytest.approx(expected)
    expected = average_precision_score(frames.labels, frames.scores)
    assert metrics.average_precision(frames.scores, frames.labels) == pytest.approx(expected)


@unhurried
@given(joined(), st.integers(0, 1000))
def test_a_draw_is_a_weighting_of_the_frames(frames: ScoredFrames, seed: int) -> None:
    weights = metrics.video_weights(videos=frames.video_count, draws=1, seed=seed)[0]
    own = weighted_frames(frames, weights)
    got = metrics.Ranking.of(frames).auc_and_precision(weights)
    kept = own > 0
    both = len(set(frames.labels[kept].tolist())) == 2
    if not frames.labels[kept].any():
        assert np.isnan(got).all()
        return
    truth, scores, own = frames.labels[kept], frames.scores[kept], own[kept]
    expected = average_precision_score(truth, scores, sample_weight=own)
    assert got[1] == pytest.approx(expected)
    if both:
        assert got[0] == pytest.approx(roc_auc_score(truth, scores, sample_weight=own))
    else:
        assert np.isnan(got[0])


@unhurried
@given(joined())
def test_within_video_auc_is_that_of_each_video(frames: ScoredFrames) -> None:
    got = metrics.within_video_auc(frames)
    for number, (a, b) in enumerate(zip(frames.offsets[:-1], frames.offsets[1:], strict=True)):
        labels = frames.labels[a:b]
        if labels.all() or not labels.any():
            assert np.isnan(got[number])
        else:
            assert got[number] == pytest.approx(roc_auc_score(labels, frames.scores[a:b]))


@unhurried
@given(joined(), st.floats(0.1, 50), st.floats(-5, 5))
def test_ranking_metrics_ignore_scale_and_turn_with_the_sign(
    frames: ScoredFrames, scale: float, shift: float
) -> None:
    before = metrics.Ranking.of(frames).auc_and_precision()
    moved = metrics.Ranking.of(frames.with_scores(frames.scores * scale + shift))
    assert moved.auc_and_precision() == pytest.approx(before)
    turned = metrics.Ranking.of(frames.with_scores(-frames.scores))
    assert turned.auc_and_precision()[0] == pytest.approx(1 - before[0])


@unhurried
@given(joined())
def test_legacy_area_is_the_trapezoid_and_warns(frames: ScoredFrames) -> None:
    precision, recall, _ = precision_recall_curve(frames.labels, frames.scores)
    with pytest.warns(metrics.LegacyMetricWarning, match="average_precision"):
        got = metrics.legacy_trapezoid_pr_area(frames.scores, frames.labels)
    assert got == pytest.approx(auc(recall, precision))


def test_the_headline_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert metrics.average_precision([0.1, 0.9], [False, True]) == 1


@pytest.mark.parametrize("labels", [[True, True], [False, False]])
def test_one_class_has_no_auc(labels: list[bool]) -> None:
    with pytest.raises(EvaluationError, match="needs both classes"):
        metrics.roc_auc([0.1, 0.2], labels)


def test_video_level_takes_the_highest_frame() -> None:
    frames = ScoredFrames(
        np.array([0.1, 0.9, 0.3, 0.2, 0.2]),
        np.array([False, True, False, False, False]),
        np.array([0, 3, 5]),
    )
    video = metrics.video_level(frames)
    assert video.scores.tolist() == [0.9, 0.2]
    assert video.labels.tolist() == [True, False]


def test_classes_are_taken_with_all_normal_videos() -> None:
    frames = ScoredFrames(
        np.array([0.9, 0.1, 0.2, 0.8, 0.5, 0.5]),
        np.array([True, False, True, False, False, False]),
        np.array([0, 2, 4, 6]),
    )
    rows = metrics.class_table(frames, [("fight",), ("fire", "fight"), ("normal",)])
    assert [(r.name, r.videos, r.positive_frames) for r in rows] == [
        ("fight", 2, 2),
        ("fire", 1, 1),
    ]
    assert rows[1].auc == 0.0 and rows[1].within_video == 0.0
    assert rows[0].within_video == 0.5
    assert rows[0].auc == roc_auc_score(frames.labels, frames.scores)


@unhurried
@given(joined(), st.floats(0, 1))
def test_after_threshold_variants(frames: ScoredFrames, threshold: float) -> None:
    hit = metrics.binary(frames.scores, threshold=threshold)
    assert set(hit.tolist()) <= {0.0, 1.0}
    assert (hit == (frames.scores > threshold)).all()
    assert (metrics.gated(frames.scores, threshold=threshold) == frames.scores * hit).all()


def test_calibration_in_closed_form() -> None:
    scores, labels = [0.1, 0.1, 0.9, 0.9], [False, True, True, True]
    found = metrics.calibration(scores, labels, bins=10)
    assert found.brier == pytest.approx((0.01 + 0.81 + 0.01 + 0.01) / 4)
    assert found.expected_error == pytest.approx((abs(0.2 - 1) + abs(1.8 - 2)) / 4)
    with pytest.raises(EvaluationError, match="within"):
        metrics.calibration([1.5], [True])


def test_a_perfect_forecast_is_calibrated() -> None:
    assert metrics.calibration([0.0, 1.0], [False, True]).expected_error == 0


@settings(deadline=None, max_examples=20)
@given(joined())
def test_the_same_scores_do_not_differ(frames: ScoredFrames) -> None:
    found = metrics.paired_test(frames, frames, draws=50)
    for one in found.values():
        if not np.isnan(one.difference):
            assert one.difference == 0 and one.p_value == 1


def test_a_better_method_is_seen_and_draws_follow_the_seed() -> None:
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(50) < 10, 40)
    labels[1000:] = False
    offsets = np.arange(41) * 50
    good = ScoredFrames(labels + rng.normal(0, 0.3, 2000), labels, offsets)
    poor = good.with_scores(rng.random(2000))
    found = metrics.paired_test(good, poor, draws=200, seed=3)["auc"]
    assert found.difference > 0.3
    assert found.interval.low > 0.3 and found.p_value < 0.01
    assert found == metrics.paired_test(good, poor, draws=200, seed=3)["auc"]


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Video-level AUC of a known normal pair: 0.7602 = Phi(1 / sqrt 2)."""
    rng, covered = np.random.default_rng(1), 0
    labels = np.arange(100) < 50
    for trial in range(60):
        scores = rng.normal(labels, 1.0)
        ranking = metrics.Ranking.of(ScoredFrames(scores, labels, np.arange(101)))
        weights = metrics.video_weights(videos=100, draws=100, seed=trial)
        found = metrics.interval(np.array([ranking.auc_and_precision(w)[0] for w in weights]))
        covered += found.low <= 0.76025 <= found.high
    assert covered >= 50


def test_a_million_frames_take_a_thousand_draws_in_less_than_a_minute() -> None:
    """A tenth of the draws in a tenth of the time, of this process alone."""
    rng = np.random.default_rng(0)
    offsets = np.linspace(0, 1_000_000, 301).astype(np.int64)
    labels = rng.random(1_000_000) < 0.08
    labels[500_000:] = False
    frames = ScoredFrames(rng.random(1_000_000), labels, offsets)
    started = time.process_time()
    weights = metrics.video_weights(videos=300, draws=100)
    drawn = metrics.metric_draws(frames, weights)
    assert time.process_time() - started < 6
    assert all(len(v) == 100 for v in drawn.values())
