from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from video_media import level, make_video, near

from hiprobe.errors import UsageError, VideoError
from hiprobe.segment import Frame
from hiprobe.video.decode import FrameReader
from hiprobe.video.video_info import video_info
from hiprobe.video.write import as_rate, redraw_video, save_clip, write_video


def flat(value: int, *, height: int = 48, width: int = 64) -> Frame:
    return np.full((height, width, 3), value, np.uint8)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = write_video(tmp_path / "a.mp4", (flat(level(i)) for i in range(30)), fps=12.5)
    assert (written.frame_count, written.duration_seconds) == (30, 2.4)
    frames = list(FrameReader(written.path))
    assert np.allclose([f.seconds for f in frames], np.arange(30) / 12.5, atol=1e-3)
    assert all(near(f.rgb(), level(i)) for i, f in enumerate(frames))
    info = video_info(written.path)
    assert (info.codec, info.pixel_format) == ("h264", "yuv420p")
    data = written.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # playable while it loads


def test_odd_sizes_are_padded(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [flat(90, height=33, width=31)], fps=5)
    info = video_info(tmp_path / "a.mp4")
    assert (info.width, info.height) == (32, 34)


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    target.write_bytes(b"old")

    def broken() -> object:
        yield flat(1)
        raise ValueError("drawing failed")

    with pytest.raises(ValueError, match="drawing failed"):
        write_video(target, broken(), fps=5)  # type: ignore[arg-type]
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("frames", "fps", "name"),
    [
        ([], 5, "a.mp4"),
        ([flat(1), flat(1, width=32)], 5, "a.mp4"),
        ([flat(1)], 0, "a.mp4"),
        ([flat(1)], 5, "a.txt"),
    ],
)
def test_senseless_requests_are_refused(
    tmp_path: Path, frames: list[Frame], fps: int, name: str
) -> None:
    with pytest.raises(UsageError):
        write_video(tmp_path / name, frames, fps=fps)
    assert not list(tmp_path.iterdir())


def test_rates() -> None:
    assert as_rate(25.0) == 25
    assert as_rate(29.97) == Fraction(30000, 1001)
    assert as_rate(23.976) == Fraction(24000, 1001)
    assert as_rate(12.5) == Fraction(25, 2)
    assert as_rate(Fraction(1, 3)) == Fraction(1, 3)


def test_clip_holds_the_frames_of_its_stretch(tmp_path: Path) -> None:
    video = make_video(tmp_path / "a.mp4", options={"g": "9"})
    clip = save_clip(video, start_seconds=0.8, end_seconds=1.2, path=tmp_path / "clip.mp4")
    frames = list(FrameReader(clip.path))
    assert clip.frame_count == len(frames) == 10
    assert np.isclose(clip.duration_seconds, 0.4, atol=1e-3)
    assert frames[0].seconds == 0
    assert all(near(f.rgb(), level(20 + i)) for i, f in enumerate(frames))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_redrawing_keeps_variable_timing(tmp_path: Path, suffix: str) -> None:
    ticks = [0, 40, 500, 520, 1900, 1940, 5000]
    video = make_video(tmp_path / "vfr.mkv", frames=len(ticks), ticks=ticks)
    seen: list[float] = []

    def invert(frame: Frame, seconds: float) -> Frame:
        seen.append(seconds)
        return 255 - frame

    written = redraw_video(video, tmp_path / f"out.{suffix}", draw=invert)
    frames = list(FrameReader(written.path))
    expected = np.array(ticks) / 1000
    assert np.allclose([f.seconds for f in frames], expected, atol=2e-3)
    assert np.allclose(seen, expected, atol=1e-3)
    assert all(near(f.rgb(), 255 - level(i)) for i, f in enumerate(frames))
    assert written.outcome == "end"


def test_redrawing_over_the_source_is_refused(tmp_path: Path) -> None:
    video = make_video(tmp_path / "a.mp4", frames=3)
    with pytest.raises(UsageError, match="source itself"):
        redraw_video(video, video, draw=lambda frame, seconds: frame)
    with pytest.raises(VideoError):
        redraw_video(tmp_path / "none.mp4", tmp_path / "b.mp4", draw=lambda f, s: f)
    assert list(tmp_path.iterdir()) == [video]
