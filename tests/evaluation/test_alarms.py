"""Alarms an hour with a cool-down, delay, hard normals, causal smoothing."""

import numpy as np
import pytest

from hiprobe.datasets.score_files import RawScores
from hiprobe.errors import EvaluationError, UsageError
from hiprobe.evaluation.evaluate_scores import evaluate_frames
from hiprobe.evaluation.frame_scores import join_frames
from hiprobe.evaluation.metrics import alarm_frames
from hiprobe.evaluation.truth import Truth, VideoTruth
from hiprobe.localize import Smoothing, smooth_as

TRUTH = Truth(
    name="two hours",
    videos=(
        VideoTruth("event", 3600, ((1000, 1600), (2000, 2300)), ("fight",)),
        VideoTruth("quiet", 7200, ()),
        VideoTruth("busy", 7200, ()),
    ),
    fps=2.0,
)


def scores() -> dict[str, np.ndarray]:
    found = {v.name: np.zeros(v.frames) for v in TRUTH.videos}
    found["event"][1010:1100] = 0.9  # 5 s after the event begins
    found["event"][2030:2100] = 0.2  # 15 s
    found["busy"][100:110] = 0.8
    found["busy"][150:160] = 0.7  # 25 s after the alarm before it
    found["busy"][4000:4400] = 0.6
    return found


def test_alarms_keep_silent_for_the_cool_down_and_each_video_starts_anew() -> None:
    above = np.zeros(100, dtype=bool)
    above[[3, 4, 20, 49, 50, 60]] = True
    offsets = np.array([0, 50, 100])
    found = {c: alarm_frames(above, offsets, cooldown_frames=c).tolist() for c in (0, 10, 17, 1000)}
    assert found == {
        0: [3, 4, 20, 49, 50, 60],
        10: [3, 20, 49, 50, 60],
        17: [3, 20, 49, 50],
        1000: [3, 50],
    }


def test_more_frames_above_never_give_fewer_alarms() -> None:
    values, offsets = np.random.default_rng(5).random(400), np.array([0, 130, 400])
    counts = [
        len(alarm_frames(values > level, offsets, cooldown_frames=9))
        for level in np.linspace(1, 0, 60)
    ]
    assert counts == sorted(counts) and counts[-1] == 15 + 30


def test_recall_and_delay_at_each_rate_of_false_alarms() -> None:
    frames = join_frames(scores=scores(), truth=TRUTH)
    day, hour, ten = evaluate_frames(frames=frames, truth=TRUTH, draws=0).at_rates
    assert (day.rate, day.normal_hours, day.threshold, day.false_alarms) == ("1/day", 2, 0.8, 0)
    assert (day.event_recall, day.video_recall, day.delay_seconds) == (0.5, 1.0, 5.0)
    assert day.found_within == (0.0, 0.5, 0.5)
    # Two alarms in two hours: 0.7 comes within a minute of 0.8, so it is no alarm of its own;
    # at 0 the 200 s above 0.6 would give more.
    assert (hour.threshold, hour.false_alarms, hour.per_hour) == (0.6, 1, 0.5)
    assert (ten.threshold, ten.false_alarms, ten.event_recall) == (0.0, 5, 1.0)
    assert ten.delay_seconds == 10.0
    without = evaluate_frames(frames=frames, truth=TRUTH, draws=0, cooldown_seconds=0).at_rates[1]
    assert (without.threshold, without.false_alarms) == (0.8, 0)


def test_hard_normals_are_listed_hardest_first() -> None:
    found = evaluate_frames(frames=join_frames(scores=scores(), truth=TRUTH), truth=TRUTH, draws=0)
    assert found.hard_normals is not None
    first, second = found.hard_normals.listed
    assert (first.video, first.highest, first.at_seconds) == ("busy", 0.8, 50.0)
    assert second.video == "quiet"
    assert found.hard_normals.auc < found.metrics["auc"]


def test_without_a_normal_video_the_normal_frames_count() -> None:
    truth = Truth(name="one", videos=TRUTH.videos[:1], fps=2.0)
    frames = join_frames(scores={"event": scores()["event"]}, truth=truth)
    found = evaluate_frames(frames=frames, truth=truth, draws=0)
    assert found.hard_normals is None
    assert found.at_rates[0].normal_hours == pytest.approx(2700 / 7200)
    assert found.at_rates[0].event_recall == 1.0
    with pytest.raises(EvaluationError, match="cool-down is -1"):
        evaluate_frames(frames=frames, truth=truth, draws=0, cooldown_seconds=-1)


def test_exponential_mean_looks_back_only_and_starts_anew_behind_a_gap() -> None:
    half = Smoothing(kind="ema", ema_weight=0.5)
    assert half.is_causal and not Smoothing().is_causal
    found = smooth_as([1, 0, np.nan, 0, 1], half)
    np.testing.assert_allclose(found, [1, 0.5, np.nan, 0.25, 0.625])
    start, end = [0, 1, 5, 6], [1, 2, 6, 7]
    apart = smooth_as([1, 0, 0, 1], half, start_seconds=start, end_seconds=end)
    np.testing.assert_allclose(apart, [1, 0.5, 0, 0.5])
    np.testing.assert_array_equal(smooth_as([1, 0, 1], Smoothing(kind="none")), [1, 0, 1])
    for wrong in ({"kind": "mean"}, {"ema_weight": 0}, {"sigma_segments": -1}):
        with pytest.raises(UsageError):
            Smoothing(**wrong)


def test_a_detection_is_smoothed_from_its_raw_scores_and_not_across_a_gap() -> None:
    raw = RawScores(
        np.array([0.5, 0.5, 0.5]),
        unsmoothed=np.array([1.0, 0.0, 0.0]),
        gap_before=np.array([False, False, True]),
    )
    found = raw.smoothed(Smoothing(kind="ema", ema_weight=0.5))
    np.testing.assert_array_equal(found.scores, [1, 0.5, 0])
