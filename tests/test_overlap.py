"""Windows that overlap give each moment one score, and a causal score never looks ahead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hiprobe.localize import Smoothing, scored_timeline
from hiprobe.overlap import SpanScores, spans_of_windows
from hiprobe.segment import covered_seconds
from hiprobe.timeline import Timeline

Windows = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Starts, ends and scores."""


@st.composite
def windows(draw: st.DrawFn) -> Windows:
    """Of one length, begun every hop of it or later, in one to three pieces; some failed."""
    starts, ends, at = [], [], 0
    for _ in range(draw(st.integers(1, 3))):
        length, count = draw(st.integers(2, 8)), draw(st.integers(1, 12))
        hop = draw(st.integers(1, length))
        last = draw(st.integers(0, min(hop, length - 1)))  # how much shorter the last one is
        starts += [at + hop * n for n in range(count)]
        ends += [at + hop * n + length for n in range(count)]
        ends[-1] -= min(last, hop - 1)
        at = ends[-1] + 5
    scores = np.array(draw(st.lists(st.floats(0, 1), min_size=len(starts), max_size=len(starts))))
    failed = draw(st.lists(st.integers(0, len(starts) - 1), max_size=2))
    scores[failed] = np.nan
    return np.array(starts, float), np.array(ends, float), scores


def score_at(moment: float, found: SpanScores | Timeline) -> float:
    rows = (found.start_seconds <= moment) & (moment < found.end_seconds)
    assert rows.sum() == 1
    return float(found.scores[rows][0])


def piece_of(moment: float, given_windows: Windows) -> Windows:
    """The windows of the piece that a moment lies in, one without a gap."""
    start, end, scores = given_windows
    behind = np.append(start[1:] > end[:-1], True)
    number = np.concatenate([[0], np.cumsum(behind)[:-1]])
    (own,) = {n for n in number if start[number == n][0] <= moment < end[number == n][-1]}
    mask = number == own
    return start[mask], end[mask], scores[mask]


def mean_of(scores: NDArray[np.float64]) -> float:
    known = scores[np.isfinite(scores)]
    return float(known.mean()) if len(known) else float("nan")


@given(windows())
@settings(max_examples=150, deadline=None)
def test_a_moment_has_the_mean_of_the_windows_over_it(given_windows: Windows) -> None:
    start, end, scores = given_windows
    found = spans_of_windows(start, end, scores, is_causal=False)
    assert (found.start_seconds[1:] >= found.end_seconds[:-1]).all()
    assert covered_seconds(found.start_seconds, found.end_seconds) == covered_seconds(start, end)
    for moment in np.arange(0.5, end[-1]):
        over = (start <= moment) & (moment < end)
        if over.any():
            np.testing.assert_allclose(score_at(moment, found), mean_of(scores[over]), rtol=1e-12)


@given(windows())
@settings(max_examples=150, deadline=None)
def test_causal_a_moment_has_the_last_window_that_ended(given_windows: Windows) -> None:
    start, end, scores = given_windows
    found = spans_of_windows(start, end, scores, is_causal=True)
    if found.overlap == "none":
        np.testing.assert_array_equal(found.scores, scores)
        return
    for moment in np.arange(0.5, end[-1]):
        if not ((start <= moment) & (moment < end)).any():
            continue
        _, ends, own = piece_of(moment, given_windows)
        ended = own[ends <= moment]
        known = own if len(own) == 1 else [float("nan"), *ended]
        expected = known[-1]
        np.testing.assert_equal(score_at(moment, found), expected)


@given(windows(), st.integers(0, 30), st.sampled_from(["ema", "none"]))
@settings(max_examples=200, deadline=None)
def test_a_causal_score_never_looks_ahead(given_windows: Windows, at: int, kind: str) -> None:
    """What comes after a moment is another video altogether: the scores until then are the same."""
    start, end, scores = given_windows
    rows = end <= end[at % len(end)]
    moment = end[rows][-1]
    smoothing = Smoothing(kind=kind)  # type: ignore[arg-type]

    def until(values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        found = scored_timeline(start, end, values, smoothing=smoothing, threshold=0.5)
        # A piece of one window is scored as a segment is, at its end.
        known = (found.start_seconds < moment) if found.overlap == "last" else rows
        known &= ~is_segment(found.start_seconds, start, end) | (found.end_seconds <= moment)
        return [found.scores[known], found.smoothed[known]]

    other = np.where(rows, scores, 1 - np.nan_to_num(scores))
    for before, after in zip(until(scores), until(other), strict=True):
        np.testing.assert_array_equal(before, after)


def is_segment(
    spans: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which spans are a window that no other one touches."""
    alone = [not ((start < e) & (end > s)).sum() > 1 for s, e in zip(start, end, strict=True)]
    return np.isin(spans, start[np.array(alone, bool)])


def test_what_looks_ahead_takes_the_mean_and_what_does_not_the_last() -> None:
    start, scores = np.arange(8) * 0.5, np.array([0, 0, 0, 1, 1, 0, 0, 0.0])
    of = {
        kind: scored_timeline(
            start, start + 1, scores, smoothing=Smoothing(kind=kind), threshold=0.6
        )
        for kind in ("gaussian", "ema", "none")
    }
    assert [t.overlap for t in of.values()] == ["mean", "last", "last"]
    # Windows 3 and 4 begin at 1.5 and 2 s and end at 2.5 and 3 s.
    (event,) = of["gaussian"].events
    assert (event.start_seconds, event.end_seconds) == (2.0, 2.5)
    (event,) = of["none"].events
    assert (event.start_seconds, event.end_seconds) == (2.5, 3.5)
    assert of["none"].waiting.tolist() == [True] + [False] * 7
    assert not of["none"].failed.any() and not of["gaussian"].waiting.any()


def test_a_failed_window_leaves_its_moments_to_the_others() -> None:
    start, scores = np.arange(4) * 0.5, np.array([0.2, np.nan, 0.4, np.nan])
    mean = spans_of_windows(start, start + 1, scores, is_causal=False)
    np.testing.assert_allclose(mean.scores, [0.2, 0.2, 0.4, 0.4, np.nan])
    last = scored_timeline(start, start + 1, scores, smoothing=Smoothing(kind="ema"), threshold=0.5)
    np.testing.assert_allclose(last.scores, [np.nan, 0.2, np.nan, 0.4])
    assert last.failed.tolist() == [False, False, True, False]


def test_segments_that_follow_one_another_pass_as_they_are() -> None:
    start = np.array([0.0, 1.0, 2.0, 9.0])
    end = np.array([1.0, 2.0005, 3.0, 9.5])  # times in files are rounded
    scores = np.array([0.1, np.nan, 0.3, 0.4])
    for is_causal in (False, True):
        found = spans_of_windows(start, end, scores, is_causal=is_causal)
        assert found.overlap == "none"
        for given_values, got in zip(
            (start, end, scores),
            (found.start_seconds, found.end_seconds, found.scores),
            strict=True,
        ):
            np.testing.assert_array_equal(given_values, got)


@pytest.mark.parametrize("is_causal", [False, True])
def test_windows_within_others_still_give_spans_in_order(is_causal: bool) -> None:
    start, end = np.array([0.0, 1.0, 2.0, 2.0]), np.array([100.0, 1.5, 3.0, 50.0])
    found = spans_of_windows(start, end, np.full(4, 0.5), is_causal=is_causal)
    assert (found.end_seconds > found.start_seconds).all()
    assert (found.start_seconds[1:] >= found.end_seconds[:-1]).all()


def test_a_span_is_reused_where_all_windows_that_score_it_are() -> None:
    start = np.arange(8) * 0.5
    scores = np.array([0.1, 0.1, 0.1, 0.4, 0.7, 0.7, 0.7, 0.7])
    reused = np.array([0, 1, 1, 0, 0, 1, 1, 1], bool)
    for kind, expected in (("gaussian", (2, 6, 7, 8)), ("ema", (2, 3, 6, 7))):
        found = scored_timeline(
            start,
            start + 1,
            scores,
            smoothing=Smoothing(kind=kind),
            threshold=0.5,
            reused=reused,
        )
        assert found.reused_segments == expected
        # each has the score of the last one that is not among them
        for number in expected:
            read = max(n for n in range(number) if n not in expected)
            assert found.scores[number] == found.scores[read]
