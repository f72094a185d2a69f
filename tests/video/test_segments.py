from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from video_media import cut_file, level, make_video, near

from hiprobe.errors import UsageError
from hiprobe.segment import key_frame_positions
from hiprobe.video.segments import read_segments


def test_all_frames_are_in_a_segment(tmp_path: Path) -> None:
    reader = read_segments(make_video(tmp_path / "a.mp4"))
    segments = list(reader)
    assert [s.frame_count for s in segments] == [24, 24, 2]
    assert [s.first_frame for s in segments] == [0, 24, 48]
    assert np.allclose([s.start_seconds for s in segments], [0, 0.96, 1.92], atol=1e-3)
    assert np.allclose([s.end_seconds for s in segments], [0.96, 1.92, 2.0], atol=1e-3)
    assert segments[0].end_pts == segments[1].start_pts
    assert (reader.outcome, reader.frame_count) == ("end", 50)


def test_key_frames_lie_at_the_centres_of_bins(tmp_path: Path) -> None:
    for segment in read_segments(make_video(tmp_path / "a.mp4")):
        positions = key_frame_positions(frame_count=segment.frame_count)
        expected = [level(segment.first_frame + p) for p in positions]
        assert all(near(f, e) for f, e in zip(segment.frames, expected, strict=True))
    assert len({id(f) for f in segment.frames}) == 2  # the last one has two frames only


def test_variable_frame_rate_keeps_true_times(tmp_path: Path) -> None:
    ticks = [0, 10, 20, 1000, 1010, 4000]
    path = make_video(tmp_path / "a.mkv", frames=6, ticks=ticks)
    segments = list(read_segments(path, segment_frames=3, key_frames=3))
    assert np.allclose([s.start_seconds for s in segments], [0, 1.0], atol=1e-3)
    assert np.isclose(segments[0].end_seconds, 1.0, atol=1e-3)
    assert segments[1].end_seconds > 4.0
    assert np.allclose(segments[1].frame_seconds, [1.0, 1.01, 4.0], atol=1e-3)


def test_windows_of_seconds(tmp_path: Path) -> None:
    path = make_video(tmp_path / "slow.mp4", frames=11, fps=2)
    segments = list(read_segments(path, segment_seconds=2.0, key_frames=4))
    assert [s.frame_count for s in segments] == [4, 4, 3]
    assert np.allclose([s.start_seconds for s in segments], [0, 2, 4], atol=1e-3)
    assert np.allclose(segments[0].frame_seconds, [0, 0.5, 1.0, 1.5], atol=1e-3)


def test_a_window_without_frames_gives_no_segment(tmp_path: Path) -> None:
    path = make_video(tmp_path / "gap.mkv", frames=4, ticks=[0, 100, 5000, 5100])
    segments = list(read_segments(path, segment_seconds=1.0))
    assert [(s.index, s.frame_count) for s in segments] == [(0, 2), (1, 2)]
    assert np.isclose(segments[0].end_seconds, segments[1].start_seconds)


def test_stretch_begins_its_own_windows(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", options={"g": "10"})
    segments = list(read_segments(path, segment_seconds=0.4, start_seconds=0.6, end_seconds=1.6))
    assert np.allclose([s.start_seconds for s in segments], [0.6, 1.0, 1.4], atol=1e-3)
    assert [s.frame_count for s in segments] == [10, 10, 5]


@pytest.fixture
def only_new_objects() -> Iterator[None]:
    """`gc.get_objects` leaves out what other tests still hold."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("only_new_objects")
def test_few_frames_are_held_however_long_a_segment_is(tmp_path: Path) -> None:
    path = make_video(tmp_path / "long.mp4", frames=1500, fps=60, size=(32, 32))
    reader = read_segments(path, segment_seconds=20.0)
    held, alive = [], []
    for segment in reader:
        held.append(reader.held_frames)
        alive.append(sum(issubclass(type(o), av.VideoFrame) for o in gc.get_objects()))
        bins = segment.frame_count / 8
        exact = [(p + 0.5) * bins / 60 for p in range(8)]
        shown = np.array(segment.frame_seconds) - segment.start_seconds
        assert np.abs(shown - exact).max() <= bins / 60 / 4
    assert max(held) <= 33
    assert 0 < max(alive) <= 80  # the decoder's own look-ahead included


def test_a_long_segment_of_known_length_has_exact_key_frames(tmp_path: Path) -> None:
    path = make_video(tmp_path / "long.mp4", frames=450, size=(32, 32))
    first = next(iter(read_segments(path, segment_frames=400)))
    expected = np.array(key_frame_positions(frame_count=400)) / 25
    assert np.allclose(first.frame_seconds, expected, atol=1e-3)


def test_broken_file_says_so_after_its_segments(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "a.mkv", frames=100, options={"g": "10"})
    reader = read_segments(cut_file(whole, keep=0.6, target=tmp_path / "cut.mkv"))
    assert len(list(reader)) >= 1
    assert reader.outcome == "truncated"


def test_key_frames_are_shrunk_on_request(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=24)
    (segment,) = read_segments(path, max_side_pixels=16)
    assert segment.frames[0].shape == (12, 16, 3)
    (same,) = read_segments(path, max_side_pixels=1000)
    assert same.frames[0].shape == (48, 64, 3)


@pytest.mark.parametrize(
    "wrong", [{"segment_frames": 0}, {"key_frames": 0}, {"segment_seconds": 0.0}]
)
def test_senseless_settings_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        read_segments(tmp_path / "a.mp4", **wrong)
