"""When a file was recorded, and a clip that is made small."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest

from hiprobe.names import clock_in_name
from hiprobe.video.video_info import recorded_at
from hiprobe.video.write import save_clip, write_video


def video_of(path: Path, told: str | None = None) -> Path:
    """A second of pictures, with a moment of recording where one is given."""
    frames = [np.full((120, 200, 3), shade, dtype=np.uint8) for shade in range(0, 250, 10)]
    write_video(path, frames, fps=25)
    if told is None:
        return path
    copy = path.with_name(f"told-{path.name}")
    with av.open(str(path)) as source, av.open(str(copy), "w") as target:
        target.metadata["creation_time"] = told
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return copy


@pytest.mark.parametrize(
    ("name", "told", "expected"),
    [
        ("a.mp4", None, None),
        ("a.mp4", "2018-04-19T22:46:00Z", datetime(2018, 4, 19, 22, 46, tzinfo=UTC)),
        ("a.mp4", "1970-01-01T00:00:00Z", None),
        ("a.mkv", "2097-01-01T00:00:00Z", None),
        ("a_20180419_224600.mp4", "2020-01-01T00:00:00Z", datetime(2018, 4, 19, 22, 46)),
    ],
)
def test_what_the_file_says(
    tmp_path: Path, name: str, told: str | None, expected: datetime | None
) -> None:
    assert recorded_at(video_of(tmp_path / name, told)) == expected


@pytest.mark.parametrize(
    ("name", "clock"),
    [
        ("cam1_20240501_123000.mp4", datetime(2024, 5, 1, 12, 30)),
        ("2024-05-01 12-30-00.mkv", datetime(2024, 5, 1, 12, 30)),
        ("20249901_123000.mp4", None),
        ("take-7.mp4", None),
    ],
)
def test_clock_in_a_name(name: str, clock: datetime | None) -> None:
    assert clock_in_name(name) == clock


def test_a_clip_is_made_small(tmp_path: Path) -> None:
    video = video_of(tmp_path / "a.mp4")
    save_clip(
        video, start_seconds=0.2, end_seconds=0.6, path=tmp_path / "b.mp4", max_side_pixels=100
    )
    with av.open(str(tmp_path / "b.mp4")) as small:
        frames = list(small.decode(video=0))
    assert (frames[0].width, frames[0].height, len(frames)) == (100, 60, 10)
