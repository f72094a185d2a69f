from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from video_media import cut_file, level, make_video, near

from hiprobe.errors import VideoError
from hiprobe.segment import Cut, Stretch, key_frame_positions
from hiprobe.video.clip import read_clip, read_clip_and_outcome
from hiprobe.video.decode import FrameReader


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
@pytest.mark.parametrize("gop", ["7", "250"])
def test_key_frames_over_the_whole_clip(tmp_path: Path, suffix: str, gop: str) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    clip = read_clip(make_video(tmp_path / f"a.{suffix}", codec=codec, options={"g": gop}))
    positions = key_frame_positions(frame_count=50)
    assert clip.frame_count == 50
    assert np.allclose(clip.frame_seconds, np.array(positions) / 25, atol=1e-3)
    expected = [level(p) for p in positions]
    assert all(near(f, e, tolerance=8) for f, e in zip(clip.frames, expected, strict=True))
    assert np.isclose(clip.end_seconds, 2.0, atol=1e-3)


def test_stretch_of_a_clip(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", options={"g": "9"})
    clip = read_clip(path, key_frames=2, start_seconds=0.8, end_seconds=1.2)
    assert clip.frame_count == 10
    assert np.allclose(clip.frame_seconds, [22 / 25, 27 / 25], atol=1e-3)
    assert near(clip.frames[0], level(22)) and near(clip.frames[1], level(27))


def test_one_frame_is_repeated(tmp_path: Path) -> None:
    clip = read_clip(make_video(tmp_path / "a.mp4", frames=1))
    assert clip.frame_count == 1 and len(clip.frames) == 8
    assert len({id(f) for f in clip.frames}) == 1


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_broken_clip_counts_what_it_has_and_says_so(tmp_path: Path, suffix: str) -> None:
    whole = make_video(
        tmp_path / f"a.{suffix}",
        frames=100,
        options={"g": "10"},
        noise=True,
        container_options={"movflags": "+faststart"} if suffix == "mp4" else None,
    )
    assert read_clip_and_outcome(whole, Cut())[1] == "end"
    cut = cut_file(whole, keep=0.507, target=tmp_path / f"cut.{suffix}")
    clip, outcome = read_clip_and_outcome(cut, Cut())
    assert outcome == "truncated"
    decoded = {f.seconds for f in FrameReader(cut)}
    assert 10 < clip.frame_count < 90
    assert set(clip.frame_seconds) <= decoded
    # What lies before the damage is whole.
    assert read_clip_and_outcome(cut, Cut(), Stretch(end_seconds=0.4))[1] == "end"


def test_stretch_behind_the_end(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no frame"):
        read_clip(make_video(tmp_path / "a.mp4"), start_seconds=9.0)
