"""Which of several video tracks is read, and that the user hears of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from video_media import make_tracks

from hiprobe.video.clip import read_clip
from hiprobe.video.decode import FrameReader
from hiprobe.video.video_info import video_info


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_the_largest_track_is_read_and_the_others_named(tmp_path: Path, suffix: str) -> None:
    video = make_tracks(tmp_path / f"a.{suffix}", ((64, 48), 30), ((320, 240), 30))
    with pytest.warns(UserWarning, match=r"2 video tracks.*\(320x240\).*skipped.*\(64x48\)"):
        frames = list(FrameReader(video))
    assert {f.size for f in frames} == {(320, 240)}
    with pytest.warns(UserWarning, match="2 video tracks"):
        assert video_info(video).width == 320
    with pytest.warns(UserWarning, match="2 video tracks"):
        assert read_clip(video).frames[0].shape == (240, 320, 3)


def test_of_equal_tracks_the_first_is_read(tmp_path: Path) -> None:
    video = make_tracks(tmp_path / "a.mp4", ((64, 48), 10), ((64, 48), 20))
    with pytest.warns(UserWarning, match="the largest is read, track 0"):
        assert len(list(FrameReader(video))) == 10


def test_a_large_poster_is_not_the_video(tmp_path: Path) -> None:
    video = make_tracks(tmp_path / "a.mp4", ((640, 480), 1), ((64, 48), 30))
    with pytest.warns(UserWarning, match="skipped: track 0"):
        assert len(list(FrameReader(video))) == 30


def test_one_track_is_no_news(tmp_path: Path) -> None:
    assert video_info(make_tracks(tmp_path / "a.mp4", ((64, 48), 5))).width == 64
