"""No segment spans a gap; what is usual for a camera is none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_media import make_video

from hiprobe.datasets.files_found import FoundVideo
from hiprobe.datasets.measure import measure
from hiprobe.segment import Cut, Segment, gap_spans
from hiprobe.video.clip import read_clip
from hiprobe.video.segments import ClipAndSegments, read_segments, spread_segments
from hiprobe.video.times import GAP_DISTANCES, GAP_SECONDS

HOUR = 3_600_000
HOLE = [i * 40 for i in range(50)] + [4 * HOUR + 2000 + i * 40 for i in range(50)]
"""Four seconds of pictures with four hours between their halves, in 1/1000 s."""

CONTAINERS: dict[str, dict[str, Any]] = {
    "mkv": {},
    "webm": {"codec": "libvpx"},
    "mp4": {},
    "mov": {},
    "ts": {},
    "avi": {"codec": "mpeg4"},
}


def video(folder: Path, ticks: Sequence[int], *, suffix: str = "mkv", **more: Any) -> Path:
    options = {"bf": "0"}
    path = folder / f"a.{suffix}"
    return make_video(path, frames=len(ticks), ticks=ticks, options=options, **more)


def times(segments: Sequence[Segment]) -> list[list[float]]:
    return [[s.start_seconds, s.end_seconds] for s in segments]


def gaps_of(segments: Sequence[Segment]) -> tuple[tuple[float, float], ...]:
    return gap_spans([s.start_seconds for s in segments], [s.end_seconds for s in segments])


@pytest.mark.parametrize("suffix", ["mkv", "webm", "mp4", "mov", "ts"])
def test_segments_are_cut_at_a_gap(tmp_path: Path, suffix: str) -> None:
    segments = list(read_segments(video(tmp_path, HOLE, suffix=suffix, **CONTAINERS[suffix])))
    late = 14402.0
    expected = [
        [0, 0.96],
        [0.96, 1.92],
        [1.92, 2.0],
        [late, late + 0.96],
        [late + 0.96, late + 1.92],
        [late + 1.92, late + 2.0],
    ]
    np.testing.assert_allclose(times(segments), expected, atol=2e-3)
    assert [s.frame_count for s in segments] == [24, 24, 2, 24, 24, 2]
    assert [s.first_frame for s in segments] == [0, 24, 48, 50, 74, 98]
    assert [s.index for s in segments] == list(range(6))
    for s in segments:
        assert (s.end_pts - s.start_pts) * s.time_base_seconds == pytest.approx(
            s.duration_seconds, abs=2e-3
        )
        assert max(s.frame_offsets_seconds) < 1


def test_a_transport_stream_whose_clock_jumps(tmp_path: Path) -> None:
    first = make_video(tmp_path / "1.ts")
    second = make_video(tmp_path / "2.ts", begin_seconds=5002.0)
    path = tmp_path / "jump.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    segments = list(read_segments(path))
    assert sum(s.frame_count for s in segments) == 100
    assert sum(s.duration_seconds for s in segments) == pytest.approx(4.0, abs=0.2)
    ((start, end),) = gaps_of(segments)
    assert end - start == pytest.approx(5000, abs=0.5)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 30.0])
def test_windows_of_seconds_are_cut_too(tmp_path: Path, seconds: float) -> None:
    segments = list(read_segments(video(tmp_path, HOLE), segment_seconds=seconds))
    assert gaps_of(segments) == (pytest.approx((2.0, 14402.0), abs=2e-3),)
    assert max(s.duration_seconds for s in segments) <= min(seconds, 2.0) + 0.04


def test_a_window_goes_on_behind_a_gap_within_it(tmp_path: Path) -> None:
    ticks = [0, 40, 80, 9000, 9040, 9080]
    segments = list(read_segments(video(tmp_path, ticks), segment_seconds=60.0))
    np.testing.assert_allclose(times(segments), [[0, 0.12], [9, 9.12]], atol=2e-3)


@pytest.mark.parametrize("hole_at", [1, 2, 60])
def test_a_gap_is_known_from_the_first_frames_on(tmp_path: Path, hole_at: int) -> None:
    ticks = [i * 40 + (600_000 if i >= hole_at else 0) for i in range(hole_at + 60)]
    segments = list(read_segments(video(tmp_path, ticks)))
    ((start, end),) = gaps_of(segments)
    assert (start, end) == pytest.approx((hole_at * 0.04, 600 + hole_at * 0.04), abs=2e-3)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize("step_seconds", [1, 10, 60, 1800])
def test_a_slow_camera_has_no_gaps(tmp_path: Path, suffix: str, step_seconds: int) -> None:
    ticks = [i * 1000 * step_seconds for i in range(30)]
    path = video(tmp_path, ticks, suffix=suffix)
    segments = list(read_segments(path, segment_frames=10, key_frames=2))
    assert [s.frame_count for s in segments] == [10, 10, 10] and not gaps_of(segments)
    late = list(read_segments(path, start_seconds=12.0 * step_seconds))
    assert [s.frame_count for s in late] == [18]


def test_a_slow_camera_may_have_one(tmp_path: Path) -> None:
    hole = 2 * GAP_DISTANCES
    ticks = [(i + (hole if i >= 15 else 0)) * 1000 for i in range(30)]
    segments = list(read_segments(video(tmp_path, ticks)))
    assert gaps_of(segments) == (pytest.approx((15, hole + 15), abs=1),)


def test_stalls_are_no_gaps(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    steps = rng.choice([16, 33, 100, 500, 3000], p=[0.5, 0.3, 0.1, 0.07, 0.03], size=199)
    ticks = [0, *np.cumsum(steps).tolist()]
    segments = list(read_segments(video(tmp_path, ticks)))
    assert not gaps_of(segments) and [s.frame_count for s in segments] == [24] * 8 + [8]
    assert max(steps) / 1000 < GAP_SECONDS


def test_a_camera_that_slows_down_is_followed(tmp_path: Path) -> None:
    fast = [i * 40 for i in range(50)]
    slow = [2000 + (i + 1) * 20_000 for i in range(60)]
    segments = list(read_segments(video(tmp_path, fast + slow)))
    assert segments[-1].frame_count > 1
    assert all(start < 400 for start, _ in gaps_of(segments))


def test_a_last_frame_does_not_stand_for_hours(tmp_path: Path) -> None:
    # MP4 states the distance to the next frame as the duration; the stretch ends at the hole.
    path = video(tmp_path, HOLE, suffix="mp4")
    *_, last = read_segments(path, end_seconds=100.0)
    assert last.end_seconds == pytest.approx(2.0, abs=2e-3)
    clip = read_clip(path, end_seconds=100.0)
    assert (clip.frame_count, clip.end_seconds) == (50, pytest.approx(2.0, abs=2e-3))


def test_clip_and_segments_in_one_pass_are_the_same(tmp_path: Path) -> None:
    path = video(tmp_path, HOLE, suffix="mp4")
    both = ClipAndSegments(path, Cut())
    assert times(list(both)) == times(list(read_segments(path)))
    whole, outcome = both.whole()
    alone = read_clip(path)
    assert outcome == "end" and whole.frame_seconds == alone.frame_seconds
    assert whole.end_seconds == alone.end_seconds == pytest.approx(14404, abs=2e-3)


def test_spread_segments_take_none_twice(tmp_path: Path) -> None:
    found = list(spread_segments(video(tmp_path, HOLE), Cut(), count=20))
    starts = [s.start_seconds for s in found]
    assert starts and len(set(starts)) == len(starts)


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_the_frame_rate_counts_pictures(tmp_path: Path, suffix: str, quick: bool) -> None:
    path = video(tmp_path, HOLE, suffix=suffix)
    found = measure(FoundVideo(path, Path(path.name)), quick=quick)
    assert (found.frame_count, found.problem) == (100, "")
    assert found.fps == pytest.approx(25, rel=0.01)
