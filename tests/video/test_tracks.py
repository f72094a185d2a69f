"""Which of several video tracks is read, and that the user hears of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from hiprobe.video.clip import read_clip
from hiprobe.video.decode import FrameReader
from hiprobe.video.probe import video_info

Track = tuple[tuple[int, int], int]
"""Size and number of frames."""


def make_tracks(path: Path, *tracks: Track) -> Path:
    """A file with several video tracks, in this order."""
    with av.open(str(path), "w") as container:
        streams: list[Any] = []
        for (width, height), _ in tracks:
            stream: Any = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            streams.append(stream)
        for stream, ((width, height), count) in zip(streams, tracks, strict=True):
            for number in range(count):
                pixels = np.full((height, width, 3), 40 + number, np.uint8)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_the_largest_track_is_read_and_the_others_named(tmp_path: Path, suffix: str) -> None:
    video = make_tracks(tmp_path / f"a.{suffix}", ((64, 48), 30), ((320, 240), 30))
    with pytest.warns(UserWarning, match=r"2 video tracks.*\(320x240\).*passed over.*\(64x48\)"):
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
    with pytest.warns(UserWarning, match="passed over: track 0"):
        assert len(list(FrameReader(video))) == 30


def test_one_track_is_no_news(tmp_path: Path) -> None:
    assert video_info(make_tracks(tmp_path / "a.mp4", ((64, 48), 5))).width == 64
