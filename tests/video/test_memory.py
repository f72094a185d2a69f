"""A small file may claim huge pictures; few of them are held at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from video_media import make_video

from hiprobe.segment import Cut
from hiprobe.video import frames as held
from hiprobe.video.clip import read_clip
from hiprobe.video.segments import ClipAndSegments, read_segments

SIDE, FRAMES = 8190, 16  # held whole they take 4.3 GB
MOST_BYTES = 1_500_000_000

# VmHWM is the peak of this program; `ru_maxrss` would begin at that of the process that started it.
READ = """
import re, sys
from pathlib import Path
from hiprobe.segment import Cut
from hiprobe.video.segments import ClipAndSegments
reader = ClipAndSegments(sys.argv[1], Cut(segment_seconds=60.0, max_side_pixels=320))
frames = sum(s.frame_count for s in reader)
assert reader.whole()[0].frame_count == frames
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(frames, 1024 * int(peak[1]))
"""


def huge_gif(path: Path) -> Path:
    """One whole picture of 8190x8190; in the others a corner changes."""
    picture = np.zeros((SIDE, SIDE), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", rate=10)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "gray"
        for number in range(FRAMES):
            picture[:8, :8] = 6 * number
            frame = av.VideoFrame.from_ndarray(picture, format="gray")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_a_gif_of_huge_pictures_fits_into_memory(tmp_path: Path) -> None:
    video = huge_gif(tmp_path / "huge.gif")
    assert video.stat().st_size < 2_000_000
    done = subprocess.run(
        [sys.executable, "-c", READ, str(video)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    frames, peak_bytes = map(int, done.stdout.split())
    assert frames == FRAMES
    assert peak_bytes < MOST_BYTES


@pytest.mark.parametrize("max_side_pixels", [40, None])
def test_the_budget_does_not_change_a_pixel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_side_pixels: int | None
) -> None:
    video = make_video(tmp_path / "a.mp4", frames=60, noise=True, rotation=90)

    def pixels() -> list[bytes]:
        both = ClipAndSegments(video, Cut(max_side_pixels=max_side_pixels))
        found = [*both, both.whole()[0], read_clip(video, max_side_pixels=max_side_pixels)]
        found += read_segments(video, segment_seconds=0.7, max_side_pixels=max_side_pixels)
        return [frame.tobytes() for segment in found for frame in segment.frames]

    before = pixels()
    monkeypatch.setattr(held, "BUDGET_BYTES", 10_000)  # two pictures
    assert pixels() == before


def test_pictures_that_cannot_be_shrunk_are_fewer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = make_video(tmp_path / "a.mp4", frames=200)
    monkeypatch.setattr(held, "BUDGET_BYTES", 10_000)
    monkeypatch.setattr(held, "FAR_EXCEEDED_BYTES", 60_000)
    reader = read_segments(video, segment_seconds=60.0)
    iterator = iter(reader)
    (segment,) = iterator
    assert segment.frame_count == 200
    assert reader.held_frames <= 16
