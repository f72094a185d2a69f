"""Segments spread over a video."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from hiprobe.errors import UsageError, VideoError
from hiprobe.segment import Cut
from hiprobe.video.segments import spread_segments


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds that grow brighter."""
    path = tmp_path_factory.mktemp("ramp") / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(240):
            picture = np.full((32, 32, 3), number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_they_lie_in_the_middles_of_equal_parts(ramp: Path) -> None:
    planned = spread_segments(ramp, Cut(), count=4)
    first, second = list(planned), list(planned)
    assert [s.start_seconds for s in first] == pytest.approx([0.75, 3.25, 5.75, 8.25], abs=0.05)
    assert {s.frame_count for s in first} == {24}
    levels = [float(s.frames[0].mean()) for s in first]
    assert levels == pytest.approx([24 * s.start_seconds for s in first], abs=8)
    assert [s.start_pts for s in second] == [s.start_pts for s in first]


def test_a_short_video_gives_what_it_has_room_for(ramp: Path) -> None:
    assert len(list(spread_segments(ramp, Cut(), count=50))) == 10
    (only,) = spread_segments(ramp, Cut(segment_seconds=60.0), count=3)
    assert only.frame_count == 240


def test_nothing_to_read_is_refused(ramp: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="0 segments"):
        spread_segments(ramp, Cut(), count=0)
    (tmp_path / "v.mp4").write_text("words")
    with pytest.raises(VideoError):
        spread_segments(tmp_path / "v.mp4", Cut(), count=1)
