"""Gaps are read off the times of segments, and nothing reaches across one."""

from __future__ import annotations

import numpy as np
import pytest

from hiprobe.localize import find_events, smooth
from hiprobe.segment import after_gap, covered_seconds, gap_spans, pieces, without_gaps

START = np.array([0.0, 1.0, 2.0, 100.0, 101.0, 500.0])
END = np.array([1.0, 2.0, 2.5, 101.0, 102.0, 501.0])


def test_gaps_lie_where_a_segment_does_not_start_at_the_last_ones_end() -> None:
    assert after_gap(START, END).tolist() == [False, False, False, True, False, True]
    assert gap_spans(START, END) == ((2.5, 100.0), (102.0, 500.0))
    assert pieces(START, END) == [slice(0, 3), slice(3, 5), slice(5, 6)]
    assert covered_seconds(START, END) == pytest.approx(5.5)


def test_times_that_differ_by_their_rounding_touch() -> None:
    start = [0.0, 0.333334, 0.666667]
    assert not after_gap(start, [0.333333, 0.666666, 1.0]).any()
    assert not after_gap([], []).any() and pieces([], []) == [] and covered_seconds([], []) == 0


def test_without_gaps_the_clock_stands_still() -> None:
    start, end = without_gaps(START, END)
    np.testing.assert_allclose(start, [0, 1, 2, 2.5, 3.5, 4.5])
    np.testing.assert_allclose(end, [1, 2, 2.5, 3.5, 4.5, 5.5])
    for found, given in zip(without_gaps(START[:3], END[:3]), (START[:3], END[:3]), strict=True):
        np.testing.assert_array_equal(found, given)


@pytest.mark.parametrize("sigma", [0.4, 3.0])
def test_smoothing_does_not_reach_across_a_gap(sigma: float) -> None:
    scores = np.array([0.1, 0.2, 0.9, 0.3, np.nan, 0.6])
    times = {"start_seconds": START, "end_seconds": END}
    found = smooth(scores, sigma_segments=sigma, **times)
    apart = [smooth(scores[p], sigma_segments=sigma) for p in pieces(START, END)]
    np.testing.assert_array_equal(found, np.concatenate(apart))
    assert found[3] == pytest.approx(0.3) and found[5] == pytest.approx(0.6)
    assert smooth([], start_seconds=[], end_seconds=[]).shape == (0,)


def test_events_do_not_join_across_a_gap() -> None:
    events = find_events(START, END, [0.1, 0.9, 0.9, 0.8, 0.9, 0.9], 0.5)
    assert [(e.start_seconds, e.end_seconds) for e in events] == [(1, 2.5), (100, 102), (500, 501)]
    assert [(e.first_segment, e.end_segment) for e in events] == [(1, 3), (3, 5), (5, 6)]
