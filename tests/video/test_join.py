from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from video_media import make_video, near

from hiprobe.errors import UsageError, VideoError
from hiprobe.video.decode import FrameReader
from hiprobe.video.join import JoinPart, join_clips


def _part(
    folder: Path, name: str, *, label: int, fps: int, frames: int, base_level: int
) -> JoinPart:
    video = make_video(folder / name, frames=frames, fps=fps, base_level=base_level)
    return JoinPart(video, label, source=name, name=name)


def test_boundaries_are_exact(tmp_path: Path) -> None:
    parts = [
        _part(tmp_path, "n.mp4", label=0, fps=25, frames=50, base_level=40),
        _part(tmp_path, "a.mkv", label=1, fps=10, frames=13, base_level=120),
        _part(tmp_path, "b.ts", label=1, fps=30, frames=30, base_level=160),
        _part(tmp_path, "m.mp4", label=0, fps=50, frames=25, base_level=220),
    ]
    joined = join_clips(parts, tmp_path / "joined.mp4", width=64, height=48, fps=20)
    assert np.allclose([p.end_seconds for p in joined.parts], [2.0, 3.3, 4.3, 4.8], atol=1e-9)
    assert joined.spans == ((2.0, joined.parts[2].end_seconds),)
    assert joined.cuts_seconds == tuple(p.start_seconds for p in joined.parts[1:])
    for frame in FrameReader(joined.path):
        at = next(p for p in joined.parts if frame.seconds < p.end_seconds - 1e-6)
        value = {"n": 40, "a": 120, "b": 160, "m": 220}[at.part.name[0]]
        assert near(frame.rgb(), value, tolerance=6), frame.seconds
    assert np.isclose(frame.end_seconds, joined.duration_seconds, atol=1e-3)


def test_frames_are_chosen_by_time(tmp_path: Path) -> None:
    ticks = [0, 100, 900, 1000]
    video = make_video(tmp_path / "vfr.mkv", frames=4, ticks=ticks)
    part = JoinPart(video, 0, source="s", name="vfr")
    joined = join_clips([part], tmp_path / "j.mp4", width=64, height=48, fps=10)
    levels = [round(float(f.rgb().mean())) for f in FrameReader(joined.path)]
    # Frame 1 is on screen from 0.1 s to 0.9 s: eight ticks of ten a second.
    assert [sum(abs(v - w) <= 3 for v in levels) for w in (20, 29, 38)] == [1, 8, 1]
    assert joined.spans == () and joined.cuts_seconds == ()


@pytest.mark.parametrize(("fit", "bars"), [("letterbox", True), ("crop", False)])
def test_other_shapes(tmp_path: Path, fit: str, bars: bool) -> None:
    part = _part(tmp_path, "wide.mp4", label=0, fps=5, frames=3, base_level=200)
    joined = join_clips(
        [part],
        tmp_path / "j.mp4",
        width=48,
        height=48,
        fps=5,
        fit=fit,  # type: ignore[arg-type]
    )
    rgb = next(iter(FrameReader(joined.path))).rgb()
    assert rgb.shape == (48, 48, 3)
    assert near(rgb[:4], 0 if bars else 200, tolerance=12)
    assert near(rgb[20:28], 200, tolerance=6)


def test_stretch_of_a_part(tmp_path: Path) -> None:
    video = make_video(tmp_path / "a.mp4")
    part = JoinPart(video, 1, source="s", name="a", start_seconds=0.4, end_seconds=1.0)
    joined = join_clips([part, part], tmp_path / "j.mp4", width=64, height=48, fps=25)
    assert [p.frame_count for p in joined.parts] == [15, 15]
    assert joined.spans == ((0.0, 1.2),)


def test_bad_parts_leave_nothing(tmp_path: Path) -> None:
    good = _part(tmp_path, "a.mp4", label=0, fps=5, frames=3, base_level=1)
    missing = JoinPart(tmp_path / "none.mp4", 1, source="s", name="none")
    with pytest.raises(VideoError, match=r"none\.mp4"):
        join_clips([good, missing], tmp_path / "j.mp4", width=64, height=48, fps=5)
    assert not (tmp_path / "j.mp4").exists()
    for parts, width in (([], 64), ([good], 63)):
        with pytest.raises(UsageError):
            join_clips(parts, tmp_path / "j.mp4", width=width, height=48, fps=5)
    with pytest.raises(UsageError, match="label"):
        JoinPart(tmp_path / "a.mp4", 2, source="s", name="a")


def _fights() -> Path:
    beside = Path(__file__).parents[3] / "shared" / "data"
    return Path(os.environ.get("HIPROBE_TEST_DATA", beside)) / "fights"


@pytest.mark.shared
@pytest.mark.skipif(not _fights().is_dir(), reason="no folder of real clips (HIPROBE_TEST_DATA)")
def test_real_clips_of_many_sizes_and_rates(tmp_path: Path) -> None:
    normal, fight = (sorted((_fights() / kind).glob("*.mp4")) for kind in ("noFight", "fight"))
    parts = [
        JoinPart(video, label, source=video.stem, name=video.stem)
        for label, video in [(0, normal[0]), (0, normal[-1]), (1, fight[0]), (0, normal[5])]
    ]
    joined = join_clips(parts, tmp_path / "j.mp4", width=320, height=240, fps=25)
    for at in joined.parts:
        frames = list(FrameReader(at.part.video))
        assert abs(at.end_seconds - at.start_seconds - frames[-1].end_seconds) <= 0.5 / 25 + 1e-6
    assert joined.spans == ((joined.parts[2].start_seconds, joined.parts[2].end_seconds),)
    count = sum(1 for _ in FrameReader(joined.path))
    assert count == sum(p.frame_count for p in joined.parts)
