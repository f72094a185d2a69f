"""Events, matches and false alarms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation import metrics
from hiprobe.evaluation.frame_scores import ScoredFrames


def spans(*pairs: tuple[int, int]) -> NDArray[np.int64]:
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


@settings(deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=15), min_size=1, max_size=6))
def test_runs_rebuild_the_mask_and_stay_in_their_video(videos: list[list[bool]]) -> None:
    mask = np.array([m for video in videos for m in video])
    offsets = np.concatenate(([0], np.cumsum([len(v) for v in videos])))
    rebuilt = np.zeros(len(mask), dtype=bool)
    found = metrics.runs(mask, offsets)
    for start, end in found:
        rebuilt[start:end] = True
        assert np.searchsorted(offsets, start, "right") == np.searchsorted(offsets, end, "left")
    assert (rebuilt == mask).all()
    for video, a in zip(videos, offsets[:-1], strict=True):
        own = sum(1 for i, m in enumerate(video) if m and (i == 0 or not video[i - 1]))
        assert own == ((found[:, 0] >= a) & (found[:, 0] < a + len(video))).sum()


def test_matches_are_one_to_one_and_the_best_first() -> None:
    true = spans((0, 10), (20, 30))
    found = metrics.match_events(detected=spans((0, 4), (4, 10), (22, 40)), true=true, iou=0.3)
    assert (found.found, found.detected, found.true) == (2, 3, 2)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == 1
    assert found.f1 == pytest.approx(0.8)


def test_iou_is_inclusive_and_closed_form() -> None:
    true, half = spans((0, 10)), spans((0, 5))
    assert metrics.match_events(detected=half, true=true, iou=0.5).found == 1
    assert metrics.match_events(detected=half, true=true, iou=0.51).found == 0
    with pytest.raises(EvaluationError, match="IoU is 0"):
        metrics.match_events(detected=half, true=true, iou=0)


def test_nothing_detected_is_zero_not_an_error() -> None:
    found = metrics.match_events(detected=spans(), true=spans((0, 3)), iou=0.5)
    assert (found.precision, found.recall, found.f1) == (0, 0, 0)


def test_false_alarms_at_a_recall() -> None:
    scores = np.array([0.9, 0.1, 0.6, 0.1, 0.5, 0.5, 0.1, 0.4])
    labels = np.array([1, 0, 0, 0, 1, 1, 0, 0], dtype=bool)
    frames = ScoredFrames(scores, labels, np.array([0, 4, 8]))
    true = spans((0, 1), (4, 6))
    half = metrics.false_alarms_per_hour(frames, true=true, recall=0.5, fps=1.0)
    assert (half.threshold, half.false_alarms, half.reached) == (0.9, 0, 0.5)
    whole = metrics.false_alarms_per_hour(frames, true=true, recall=1.0, fps=1.0)
    assert (whole.threshold, whole.false_alarms, whole.reached) == (0.5, 1, 1.0)
    assert whole.per_hour == pytest.approx(1 / (8 / 3600))
    with pytest.raises(EvaluationError, match="at least one event"):
        metrics.false_alarms_per_hour(frames, true=spans(), recall=0.5, fps=1.0)
