"""Times that jump, overflow or run backwards in a file are mended where they enter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from video_media import make_video, with_times

from hiprobe.segment import Cut
from hiprobe.video.clip import read_clip_and_outcome
from hiprobe.video.decode import FrameReader
from hiprobe.video.segments import ClipAndSegments, read_segments
from hiprobe.video.times import LONGEST_SECONDS
from hiprobe.video.write import save_clip


@pytest.fixture
def ivf(tmp_path: Path) -> Path:
    return make_video(tmp_path / "a.ivf", frames=40, codec="libvpx-vp9")


HUGE = 2**62
TIMES = {
    "one far ahead": {20: HUGE},
    "the rest far ahead": {n: HUGE + n for n in range(20, 40)},
    "far ahead, then more so": {n: HUGE + n * 2**40 for n in range(20, 30)},
    "the first far ahead": {0: HUGE},
    "the last far ahead": {39: HUGE},
    "backwards": {n: 40 - n for n in range(20, 40)},
    "below zero": {n: n - 1000 for n in range(40)},
    "from very low to very high": {0: -HUGE, 39: HUGE},
    "the same for all": dict.fromkeys(range(40), 7),
}


@pytest.mark.parametrize("kind", TIMES)
def test_times_rise_and_stay_within_reason(ivf: Path, tmp_path: Path, kind: str) -> None:
    video = with_times(ivf, TIMES[kind])
    frames = list(FrameReader(video))
    seconds = np.array([f.seconds for f in frames])
    assert len(frames) >= 38
    assert seconds[0] == 0
    assert (np.diff(seconds) > 0).all()
    assert seconds[-1] <= LONGEST_SECONDS
    assert all(0 < f.duration_seconds < 100 for f in frames)
    segments = list(read_segments(video, segment_frames=5))
    assert sum(s.frame_count for s in segments) == len(frames)
    assert len(list(read_segments(video, segment_seconds=0.2))) >= 1
    clip, _ = read_clip_and_outcome(video, Cut())
    both = ClipAndSegments(video, Cut(segment_frames=5))
    assert [s.end_seconds for s in both] == [s.end_seconds for s in segments]
    assert both.whole()[0].duration_seconds == clip.duration_seconds
    save_clip(video, start_seconds=0, end_seconds=1, path=tmp_path / "clip.mp4")


def test_a_jump_of_days_is_a_gap(ivf: Path) -> None:
    days = 25 * 3600 * 24 * 3
    video = with_times(ivf, {n: n + days for n in range(20, 40)})
    frames = list(FrameReader(video))
    assert np.isclose(frames[-1].seconds, 3 * 24 * 3600 + 39 / 25)
