"""Smoothing, threshold and events against scipy, and by cases counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from hiprobe.errors import UsageError
from hiprobe.localize import adaptive_threshold, find_events, smooth

curves = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 3.3])
def test_smoothing_is_scipys_gaussian_with_missing_neighbours_left_out(sigma):
    scores = np.random.default_rng(0).random(30)
    there = gaussian_filter1d(np.ones(30), sigma, mode="constant")
    expected = gaussian_filter1d(scores, sigma, mode="constant") / there
    np.testing.assert_allclose(smooth(scores, sigma_segments=sigma), expected, rtol=1e-12)


@given(curves, st.floats(0.1, 50))
def test_smoothing_stays_within_the_scores_and_leaves_a_constant(scores, sigma):
    found = smooth(scores, sigma_segments=sigma)
    assert found.min() >= min(scores) - 1e-12 and found.max() <= max(scores) + 1e-12
    np.testing.assert_allclose(smooth([0.3] * len(scores), sigma_segments=sigma), 0.3)


@given(curves, st.floats(0.1, 5))
def test_smoothing_commutes_with_reversal(scores, sigma):
    back = smooth(scores[::-1], sigma_segments=sigma)[::-1]
    np.testing.assert_allclose(back, smooth(scores, sigma_segments=sigma), atol=1e-12)


def test_sigma_zero_changes_nothing_and_the_input_is_left_alone():
    scores = np.array([0.1, 0.9, np.nan])
    np.testing.assert_array_equal(smooth(scores, sigma_segments=0), scores)
    smooth(scores, sigma_segments=1)[:] = 5
    assert scores[0] == 0.1


def test_a_failed_segment_stays_nan_and_does_not_pull_its_neighbours():
    found = smooth([0.5, 0.5, np.nan, 0.5], sigma_segments=1)
    np.testing.assert_allclose(found, [0.5, 0.5, np.nan, 0.5])
    assert np.isnan(smooth([np.nan, np.nan])).all()
    assert smooth([]).shape == (0,)


@pytest.mark.parametrize("sigma", [-1, np.nan, np.inf])
def test_impossible_sigma_is_refused(sigma):
    with pytest.raises(UsageError, match="sigma"):
        smooth([0.1], sigma_segments=sigma)


def test_threshold_is_mean_plus_kappa_population_deviations():
    assert adaptive_threshold([0.2, 0.4, np.nan, 0.6], kappa=0.5) == pytest.approx(
        0.4 + 0.5 * np.sqrt(0.08 / 3)
    )
    with pytest.raises(UsageError):
        adaptive_threshold([np.nan])
    with pytest.raises(UsageError):
        adaptive_threshold([0.5], kappa=np.inf)


def test_events_are_runs_strictly_above_the_threshold():
    start = np.arange(7.0)
    smoothed = [0.9, 0.5, 0.6, 0.8, 0.8, np.nan, 0.7]
    events = find_events(start, start + 1, smoothed, 0.5)
    assert [(e.first_segment, e.end_segment) for e in events] == [(0, 1), (2, 5), (6, 7)]
    middle = events[1]
    assert (middle.start_seconds, middle.end_seconds, middle.peak_seconds) == (2, 5, 3.5)
    assert middle.peak == 0.8 and middle.mean == pytest.approx(2.2 / 3)
    assert find_events(start, start + 1, smoothed, 1.0) == ()
    assert find_events([], [], [], 0.5) == ()


@given(curves, st.floats(0, 1))
def test_events_cover_exactly_the_segments_above(scores, threshold):
    start = np.arange(len(scores), dtype=float)
    covered = np.zeros(len(scores), dtype=bool)
    for event in find_events(start, start + 1, scores, threshold):
        assert not covered[max(event.first_segment - 1, 0)]
        covered[event.first_segment : event.end_segment] = True
    np.testing.assert_array_equal(covered, np.array(scores) > threshold)


def test_bad_arguments_of_events_are_refused():
    with pytest.raises(UsageError, match="differ"):
        find_events([0.0], [1.0], [0.1, 0.2], 0.5)
    with pytest.raises(UsageError, match="NaN"):
        find_events([0.0], [1.0], [0.1], np.nan)
