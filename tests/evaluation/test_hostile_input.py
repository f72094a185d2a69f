"""What a reader who doubts the metrics would try: ties, order, one class, equal methods."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation import metrics
from hiprobe.evaluation.frame_scores import ScoredFrames, join_frames
from hiprobe.evaluation.truth import Truth, VideoTruth

Spans = NDArray[np.int64]


def spans(*pairs: tuple[int, int]) -> Spans:
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def reversed_in_time(given: Spans, *, length: int) -> Spans:
    return np.sort(length - given[:, ::-1], axis=0)


@st.composite
def some_events(draw: st.DrawFn) -> Spans:
    edges = sorted(draw(st.sets(st.integers(0, 30), min_size=2, max_size=9)))
    return spans(*zip(edges[::2], edges[1::2], strict=False))


def most_pairs(detected: Spans, true: Spans, iou: float) -> int:
    """By trying every order."""

    def fits(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
        shared = max(0, min(a[1], b[1]) - max(a[0], b[0]))
        return bool(shared / ((a[1] - a[0]) + (b[1] - b[0]) - shared) >= iou)

    few, many = sorted((detected, true), key=len)
    return max(
        sum(fits(a, b) for a, b in zip(few, order, strict=False))
        for order in permutations(many, len(few))
    )


@settings(deadline=None, max_examples=60)
@given(some_events(), some_events(), st.sampled_from((0.05, 0.1, 0.3, 0.5)))
def test_as_many_events_match_as_can_in_either_direction_of_time(
    detected: Spans, true: Spans, iou: float
) -> None:
    found = metrics.match_events(detected=detected, true=true, iou=iou)
    assert found.found == most_pairs(detected, true, iou)
    back = [reversed_in_time(given, length=31) for given in (detected, true)]
    assert metrics.match_events(detected=back[0], true=back[1], iou=iou) == found
    turned = metrics.match_events(detected=true, true=detected, iou=iou)
    assert (turned.precision, turned.recall) == (found.recall, found.precision)


def test_a_better_pair_does_not_rob_another_event() -> None:
    true, detected = spans((0, 8), (9, 12)), spans((0, 2), (3, 12))
    found = metrics.match_events(detected=detected, true=true, iou=0.2)
    assert found.found == 2  # the best pair first would take (3, 12) for (0, 8) and lose one
    with pytest.raises(EvaluationError, match="out of order"):
        metrics.match_events(detected=detected[::-1], true=true, iou=0.2)


def test_many_short_alarms_need_little_memory() -> None:
    starts = np.arange(0, 1_000_000, 2)
    true = spans(*((a, a + 100) for a in range(0, 1_000_000, 1000)))
    detected = np.stack((starts, starts + 1), axis=1)
    found = metrics.match_events(detected=detected, true=true, iou=0.01)
    assert (found.found, found.detected) == (1000, 500_000)


def test_one_endless_alarm_is_no_false_alarm_but_is_seen() -> None:
    labels = np.zeros(100, dtype=bool)
    labels[40:50] = True
    frames = ScoredFrames(np.full(100, 0.5), labels, np.array([0, 100]))
    rate = metrics.false_alarms_per_hour(frames, true=spans((40, 50)), recall=1, fps=1)
    assert (rate.false_alarms, rate.normal_share) == (0, 1.0)


@pytest.mark.parametrize(
    ("scores", "labels", "told"),
    [
        ([0.1, np.nan], [0, 1], "1 scores are NaN"),
        ([0.1, 0.2, 0.3], [0, 1], "scores: 3 frames, but 2 are expected: 1 too many"),
        ([[0.1], [0.2]], [0, 1], "shape"),
        ([0.1, 0.2], [0, 2], "0 or 1"),
        ([0.1, 0.2], [0, 0.5], "0 or 1"),
        ([], [], "0 of 0 frames"),
    ],
)
def test_malformed_frames_are_refused(scores: list[float], labels: list[int], told: str) -> None:
    for metric in (metrics.roc_auc, metrics.average_precision):
        with pytest.raises(EvaluationError, match=told):
            metric(scores, labels)


@pytest.mark.parametrize("scores", [[0.1, np.nan], [0.1, np.inf], [0.1], [0.1, -0.001]])
def test_calibration_refuses_what_is_no_probability(scores: list[float]) -> None:
    with pytest.raises(EvaluationError):
        metrics.calibration(scores, [False, True])


def test_a_video_with_nan_is_named_with_its_first_frame() -> None:
    truth = Truth("two", (VideoTruth("a", 3, ()), VideoTruth("b", 4, ((1, 2),), ("fight",))))
    with pytest.raises(EvaluationError, match=r"b: 2 of 4 scores are NaN .* in frame 2"):
        join_frames(scores={"a": [0, 0, 0], "b": [0, 1, np.nan, np.inf]}, truth=truth)


@pytest.mark.parametrize(
    ("events", "end", "told"),
    [
        (((3, 3),), "half-open", "holds no frame"),
        (((3, 5), (5, 8)), "inclusive", "share a frame"),
        (((3, 9), (4, 6)), "half-open", "share a frame"),
    ],
)
def test_spans_that_are_no_events_are_refused(
    events: tuple[tuple[int, int], ...], end: str, told: str
) -> None:
    video = VideoTruth("a", 20, events, ("fight",))
    with pytest.raises(EvaluationError, match=told):
        Truth("one", (video,), end=end)  # type: ignore[arg-type]


def test_spans_past_the_end_are_cut_there_and_touching_ones_stay_two() -> None:
    video = VideoTruth("a", 10, ((2, 4), (4, 6), (8, 12)), ("fight",))
    truth = Truth("one", (video,), end="half-open")
    assert truth.event_spans().tolist() == [[2, 4], [4, 6], [8, 10]]
    assert truth.labels().sum() == 6


def test_draws_without_both_classes_are_left_out_and_counted() -> None:
    labels = np.array([True, False, False, False])
    frames = ScoredFrames(np.array([0.9, 0.1, 0.2, 0.3]), labels, np.array([0, 2, 4]))
    drawn = metrics.metric_draws(frames, np.array([[2.0, 0], [0, 2], [1, 1]]))
    assert drawn["auc"].tolist()[::2] == [1, 1] and np.isnan(drawn["auc"][1])
    assert np.isnan(drawn["video_auc"][:2]).all()
    assert metrics.interval(drawn["auc"]).draws == 2
    assert metrics.interval(drawn["video_auc"]) == metrics.Interval(1.0, 1.0, 1)


def two_equal_methods(rng: np.random.Generator) -> tuple[ScoredFrames, ScoredFrames]:
    """Two draws of the same method on 40 videos; half of the videos have an event."""
    labels = np.zeros((40, 20), dtype=bool)
    for row, start in zip(labels[:20], rng.integers(0, 12, 20), strict=True):
        row[start : start + 6] = True

    def method() -> NDArray[np.float64]:
        by_video = rng.normal(0, 1, (40, 1))
        found: NDArray[np.float64] = (labels + by_video + rng.normal(0, 1, labels.shape)).ravel()
        return found

    first = ScoredFrames(method(), labels.ravel(), np.arange(41) * 20)
    return first, first.with_scores(method())


def test_equal_methods_are_called_different_about_as_often_as_said() -> None:
    rng, trials = np.random.default_rng(0), 150
    rejected = dict.fromkeys(metrics.HEADLINES, 0)
    for trial in range(trials):
        found = metrics.paired_test(*two_equal_methods(rng), draws=99, seed=trial)
        for name, one in found.items():
            rejected[name] += one.p_value < 0.05
    # 0.05 of 150 are 7.5; 16 is beyond three standard errors of that.
    assert all(count <= 16 for count in rejected.values()), rejected
    assert sum(rejected.values()) > 0


def test_the_paired_test_is_symmetric_and_its_p_has_a_floor() -> None:
    one, other = two_equal_methods(np.random.default_rng(3))
    there = metrics.paired_test(one, other, draws=50, seed=1)
    back = metrics.paired_test(other, one, draws=50, seed=1)
    for name in metrics.HEADLINES:
        assert there[name].p_value == back[name].p_value
        assert there[name].difference == -back[name].difference
        assert there[name].interval.low == pytest.approx(-back[name].interval.high)
    perfect = one.with_scores(one.labels.astype(float))
    clear = metrics.paired_test(perfect, other, draws=50)["auc"]
    assert clear.p_value == pytest.approx(2 / 51)


def test_a_difference_that_no_draw_has_is_undefined() -> None:
    frames = ScoredFrames(np.array([0.1, 0.9]), np.array([False, True]), np.array([0, 2]))
    found = metrics.paired_test(frames, frames, draws=5)["video_auc"]
    assert np.isnan(found.p_value) and found.interval.draws == 0
