"""Scores to frames: every frame gets the score of its own segment, or it is an error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frame_scores import (
    ScoredFrames,
    join_frames,
    repeat_to_frames,
    seconds_to_frames,
    segments_to_frames,
)
from hiprobe.evaluation.truth import Truth, VideoTruth

TRUTH = Truth(
    name="two",
    videos=(VideoTruth("a", 5, ((1, 2),), ("fight",)), VideoTruth("b", 3, ())),
    end="inclusive",
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.floats(0, 1)), min_size=1, max_size=20))
def test_each_frame_takes_the_score_of_its_segment(parts: list[tuple[int, float]]) -> None:
    ends = np.cumsum([size for size, _ in parts])
    starts = np.concatenate(([0], ends[:-1]))
    got = segments_to_frames(
        starts=starts, ends=ends, scores=[s for _, s in parts], frames=int(ends[-1])
    )
    expected = [score for size, score in parts for _ in range(size)]
    assert got.tolist() == expected


@pytest.mark.parametrize(
    ("starts", "ends", "frames", "words"),
    [
        ([0, 4], [4, 8], 10, "8 frames, but 10 are expected: 2 too few.*add --tail-frames 2"),
        ([0, 4], [4, 8], 7, "1 too many"),
        ([0, 5], [4, 8], 8, r"segment 1 \[5, 8\) does not begin where"),
        ([0, 3], [4, 8], 8, "does not begin where"),
        ([1, 4], [4, 8], 8, "segment 0"),
        ([0, 4], [4, 4], 4, "is empty"),
    ],
)
def test_what_does_not_fit_is_refused(
    starts: list[int], ends: list[int], frames: int, words: str
) -> None:
    with pytest.raises(EvaluationError, match=words):
        segments_to_frames(starts=starts, ends=ends, scores=[0.1, 0.2], frames=frames)


def test_a_short_tail_is_held_only_as_far_as_asked() -> None:
    held = segments_to_frames(starts=[0], ends=[3], scores=[0.5], frames=5, tail_frames=2)
    assert held.tolist() == [0.5] * 5
    with pytest.raises(EvaluationError, match="2 too few"):
        segments_to_frames(starts=[0], ends=[3], scores=[0.5], frames=5, tail_frames=1)


def test_repeat_cuts_the_last_segment_and_refuses_one_too_many() -> None:
    assert repeat_to_frames(scores=[1, 2], repeat=4, frames=6).tolist() == [1, 1, 1, 1, 2, 2]
    with pytest.raises(EvaluationError, match="too many"):
        repeat_to_frames(scores=[1, 2, 3], repeat=4, frames=6)
    with pytest.raises(EvaluationError, match="2 too few"):
        repeat_to_frames(scores=[1], repeat=4, frames=6)


@settings(deadline=None)
@given(st.integers(0, 100_000), st.sampled_from([10.0, 24.0, 25.0, 29.97, 30.0]))
def test_seconds_and_frames_agree(frame: int, fps: float) -> None:
    assert seconds_to_frames([round(frame / fps, 9)], fps=fps).tolist() == [frame]


def test_joined_frames_follow_the_order_of_the_truth() -> None:
    frames = join_frames(scores={"b": [7, 8, 9], "a": [0, 1, 2, 3, 4]}, truth=TRUTH)
    assert frames.scores.tolist() == [0, 1, 2, 3, 4, 7, 8, 9]
    assert frames.labels.tolist() == [False, True, True, False, False, False, False, False]
    assert frames.anomalous.tolist() == [True, False]
    assert frames.of_videos(np.array([False, True])).scores.tolist() == [7, 8, 9]


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ({"a": [0] * 5}, "1 videos have no scores .first: b"),
        ({"a": [0] * 5, "b": [0] * 3, "c": [0]}, "1 videos are unknown .first: c"),
        ({"a": [0] * 7, "b": [0] * 3}, "a: 7 frames, but 5 are expected: 2 too many"),
        ({"a": [float("nan")] * 5, "b": [0] * 3}, "5 scores are NaN"),
    ],
)
def test_scores_of_other_videos_are_refused(scores: dict[str, list[float]], words: str) -> None:
    with pytest.raises(EvaluationError, match=words):
        join_frames(scores=scores, truth=TRUTH)


def test_a_span_may_pass_the_last_frame_but_not_begin_there() -> None:
    video = VideoTruth("v", 10, ((4, 12),))
    assert video.half_open("inclusive").tolist() == [[4, 10]]
    with pytest.raises(EvaluationError, match="does not fit"):
        VideoTruth("v", 10, ((10, 12),))


def test_a_video_without_frames_is_refused() -> None:
    with pytest.raises(EvaluationError, match="without frames"):
        ScoredFrames(np.zeros(2), np.zeros(2, dtype=bool), np.array([0, 2, 2]))
