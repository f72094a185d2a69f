"""Scores of segments brought to frames: cuts, failed segments, thresholds of each fold."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from hiprobe.errors import EvaluationError
from hiprobe.reproduce.frame_probe import FrameTest, TestVideo, VideoPart
from hiprobe.reproduce.held_out import Moments
from hiprobe.reproduce.pooled import pool_clips, pool_frames
from hiprobe.reproduce.rows import event_match
from hiprobe.reproduce.scored import ScoredTest, VideoScores

sys.path.append(str(Path(__file__).parent))
import toy_states


def never() -> object:
    raise AssertionError("states are not needed to pool scores")


def video(frames: int = 20, *, spans=((8, 14),), edges=(0, 8, 14, 20)) -> TestVideo:
    parts = tuple(VideoPart(a, b, f"part{i}") for i, (a, b) in enumerate(pairwise(edges)))
    return TestVideo("v", never, frames, 10.0, spans, parts, joined=True)


def scored(found: TestVideo, scores, *, step: int = 5, mean: float = 0.3) -> ScoredTest:
    starts = np.arange(len(scores)) * step / 10.0
    ends = np.append(starts[1:], found.frames / 10.0)
    times = VideoScores(starts, ends, np.array(scores, np.float64))
    test = FrameTest("toy", (), (found,), (), "protocol")
    moments = Moments(mean, 0.1)
    return ScoredTest(test, 3, "clip", np.zeros(0), (times,), moments, Moments(0.9, 0.0), 0.5)


def test_each_frame_takes_the_score_of_the_segment_it_begins_in() -> None:
    pool = pool_frames([scored(video(), [0.1, 0.2, 0.9, 0.4])])
    assert pool is not None
    assert pool.videos.scores.tolist() == [0.1] * 5 + [0.2] * 5 + [0.9] * 5 + [0.4] * 5
    assert np.flatnonzero(pool.videos.labels).tolist() == list(range(8, 14))
    assert pool.units.sources == ("part0", "part1", "part2")
    assert pool.units.frames.offsets.tolist() == [0, 8, 14, 20]


def test_segments_that_a_cut_runs_through_can_be_left_out() -> None:
    pool = pool_frames([scored(video(), [0.1, 0.2, 0.9, 0.4])])
    assert pool is not None
    assert pool.whole.tolist() == [True] * 5 + [False] * 10 + [True] * 5
    uncut = pool.uncut()
    assert len(uncut.frames.scores) == 10
    assert uncut.sources == ("part0", "part2")


def test_a_failed_segment_is_neither_normal_nor_abnormal() -> None:
    pool = pool_frames([scored(video(), [0.1, np.nan, 0.9, 0.4])])
    assert pool is not None
    assert len(pool.videos.scores) == 15
    assert pool.spans.tolist() == [[5, 9]]
    assert pool.videos.labels.sum() == 4


def test_each_fold_has_its_own_threshold() -> None:
    tests = [
        scored(video(), [0.1, 0.2, 0.9, 0.4], mean=0.3),
        scored(video(), [0.1, 0.2, 0.9, 0.4], mean=0.8),
    ]
    pool = pool_frames(tests)
    assert pool is not None
    assert pool.threshold(1.0)[[0, 20]].tolist() == pytest.approx([0.4, 0.9])
    assert pool.threshold(1.0, training=True).tolist() == [0.9] * 40
    kept = pool.gated(pool.threshold(0.0)).frames.scores
    assert np.unique(kept[:20]).tolist() == [0.0, 0.4, 0.9]
    assert np.unique(kept[20:]).tolist() == [0.0, 0.9]
    assert set(pool.binary(0.5).frames.scores.tolist()) == {0.0, 1.0}


def test_events_are_matched_in_the_frames_of_all_videos() -> None:
    tests = [scored(video(), [0.1, 0.1, 0.9, 0.1]), scored(video(), [0.9, 0.1, 0.1, 0.1])]
    pool = pool_frames(tests)
    assert pool is not None
    matched = event_match(pool, 0.5)
    assert (matched.found, matched.detected, matched.true) == (1, 2, 2)


def test_scores_that_end_elsewhere_are_refused() -> None:
    short = scored(video(), [0.1, 0.2, 0.9, 0.4])
    ends = short.videos[0].end_seconds.copy()
    ends[-1] -= 1.6  # earlier ends would be gaps
    early = VideoScores(short.videos[0].start_seconds, ends, short.videos[0].scores)
    broken = ScoredTest(**{**vars(short), "videos": (early,)})
    with pytest.raises(EvaluationError, match="16 apart"):
        pool_frames([broken])


def test_no_videos_no_clips_no_pool() -> None:
    found = toy_states.examples(sources=2)
    test = FrameTest("toy", (), (), found, "protocol")
    scores = np.linspace(0, 1, len(found))
    one = ScoredTest(test, 3, "clip", scores, (), Moments(0.5, 0.1), Moments(0.5, 0.1), 0.0)
    assert pool_frames([one]) is None
    clips = pool_clips([one])
    assert clips is not None and clips.units.sources == tuple(e.source for e in found)
    assert pool_clips([scored(video(), [0.1, 0.2, 0.9, 0.4])]) is None


def test_sources_on_both_sides_are_refused() -> None:
    found = toy_states.examples(sources=4)
    with pytest.raises(EvaluationError, match="fitted and tested"):
        FrameTest("toy", found, (), found[:1], "protocol")


def test_parts_must_cover_the_video() -> None:
    with pytest.raises(EvaluationError, match="cover 20 frames"):
        video(edges=(0, 8, 15))
