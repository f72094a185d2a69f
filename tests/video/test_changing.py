"""Pictures that change in mid-stream: every reader and writer copes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from video_media import joined_as_they_are, make_video

from hiprobe.errors import VideoError
from hiprobe.report.overlay import annotate_video
from hiprobe.timeline import Event, Timeline
from hiprobe.video.clip import read_clip
from hiprobe.video.decode import FrameReader
from hiprobe.video.join import JoinPart, join_clips
from hiprobe.video.segments import read_segments
from hiprobe.video.video_info import video_info
from hiprobe.video.write import encoder_for, save_clip

SMALL, LARGE = (64, 48), (160, 90)


@pytest.fixture
def growing_picture(tmp_path: Path) -> Path:
    first = make_video(tmp_path / "1.ts", frames=25, size=SMALL, base_level=200)
    second = make_video(tmp_path / "2.ts", frames=25, size=LARGE, base_level=200)
    return joined_as_they_are(tmp_path, first, second)


def test_a_clip_over_a_change_of_size_has_bars(tmp_path: Path, growing_picture: Path) -> None:
    written = save_clip(
        growing_picture, start_seconds=0.4, end_seconds=1.6, path=tmp_path / "clip.mp4"
    )
    pictures = [f.rgb() for f in FrameReader(written.path)]
    assert len(pictures) == written.frame_count == 30
    assert {p.shape for p in pictures} == {(48, 64, 3)}
    # 160x90 in 64x48 is 64x36: six black lines above and below, the picture between them.
    before, after = pictures[0][:, 32], pictures[-1][:, 32]
    assert before.min() > 150
    assert after[:4].max() < 60
    assert after[8:40].min() > 150
    assert after[44:].max() < 60


def test_the_annotated_video_has_one_size(tmp_path: Path, growing_picture: Path) -> None:
    starts = np.arange(2, dtype=float)
    scores = np.array([0.2, 0.9])
    event = Event(1.0, 2.0, 1, 2, 0.9, 0.9, 1.5)
    timeline = Timeline(starts, starts + 1, scores, scores, 0.5, 0.0, (event,))
    annotate_video(growing_picture, timeline, tmp_path / "a.mp4")
    info = video_info(tmp_path / "a.mp4")
    assert (info.width, info.height) == SMALL
    assert len(list(FrameReader(tmp_path / "a.mp4"))) == 50


def test_other_readers_and_the_joiner_take_it(tmp_path: Path, growing_picture: Path) -> None:
    (segment, *_) = read_segments(growing_picture, segment_frames=50)
    clip = read_clip(growing_picture)
    for found in (segment, clip):
        assert {f.shape for f in found.frames} == {(48, 64, 3), (90, 160, 3)}
    part = JoinPart(growing_picture, 0, "a", "a")
    joined = join_clips([part], tmp_path / "j.mp4", width=80, height=60, fps=25)
    assert {f.rgb().shape for f in FrameReader(joined.path)} == {(60, 80, 3)}


def test_a_change_of_pixel_format_is_written_in_one(tmp_path: Path) -> None:
    first = make_video(tmp_path / "1.ts", frames=25, base_level=120)
    second = make_video(tmp_path / "2.ts", frames=25, base_level=120, pixel_format="yuv444p")
    video = joined_as_they_are(tmp_path, first, second)
    assert {f.picture.format.name for f in FrameReader(video)} == {"yuv420p", "yuv444p"}
    written = save_clip(video, start_seconds=0, end_seconds=2, path=tmp_path / "clip.mp4")
    assert all(abs(float(f.rgb().mean()) - 120) < 5 for f in FrameReader(written.path))


def test_a_change_of_pixel_aspect_is_seen(tmp_path: Path) -> None:
    first = make_video(tmp_path / "1.ts", frames=25, base_level=200, pixel_aspect=Fraction(1))
    second = make_video(tmp_path / "2.ts", frames=25, base_level=200, pixel_aspect=Fraction(2))
    video = joined_as_they_are(tmp_path, first, second)
    sizes = [f.size for f in FrameReader(video)]
    assert sizes[0] == (64, 48)
    assert sizes[-1] == (128, 48)
    # Read from behind the change, too: the header tells of the beginning only.
    late = [f.size for f in FrameReader(video, start_seconds=1.6)]
    assert set(late) == {(128, 48)}
    written = save_clip(video, start_seconds=0, end_seconds=2, path=tmp_path / "clip.mp4")
    assert {f.size for f in FrameReader(written.path)} == {(64, 48)}


def test_a_turned_picture_gets_bars(tmp_path: Path) -> None:
    jpegs = [_jpeg_turned(orientation=1)] * 5 + [_jpeg_turned(orientation=6)] * 5
    video = tmp_path / "turning.mjpeg"
    video.write_bytes(b"".join(jpegs))
    assert [f.size for f in FrameReader(video)] == [(64, 48)] * 5 + [(48, 64)] * 5
    written = save_clip(video, start_seconds=0, end_seconds=9, path=tmp_path / "clip.mp4")
    pictures = [f.rgb() for f in FrameReader(written.path)]
    assert {p.shape for p in pictures} == {(48, 64, 3)}
    assert pictures[0][:, :8].min() > 150
    assert pictures[-1][:, :8].max() < 60


def _jpeg_turned(*, orientation: int) -> bytes:
    """A grey JPEG whose EXIF says how to turn it; side data of a kind that PyAV cannot name."""
    import io

    from PIL import Image

    exif, content = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(np.full((48, 64, 3), 200, np.uint8)).save(content, "JPEG", exif=exif)
    return content.getvalue()


def test_over_a_gap_of_days_the_timing_stays(tmp_path: Path) -> None:
    # MP4 counts the time between two pictures in 31 bits, in 1/16,000 s here: 1.5 days.
    ticks = [0, 40, 80, 259_200_000, 259_200_040]
    video = make_video(tmp_path / "gap.mkv", frames=len(ticks), ticks=ticks)
    written = save_clip(video, start_seconds=0, end_seconds=300_000, path=tmp_path / "clip.mp4")
    seconds = [f.seconds for f in FrameReader(written.path)]
    assert written.frame_count == 5
    assert np.allclose([*seconds[:3], *seconds[-2:]], np.array(ticks) / 1000, atol=1e-3)


def test_what_the_encoder_refuses_belongs_to_the_file(tmp_path: Path) -> None:
    grey = np.full((48, 64, 3), 90, np.uint8)
    base, rate = Fraction(1, 90_000), Fraction(25)
    with (
        pytest.raises(VideoError, match=r"clip\.mp4 cannot be encoded"),
        encoder_for(tmp_path / "clip.mp4", time_base=base, rate=rate, crf=23) as encoder,
    ):
        for number in range(3):
            encoder.add(grey, pts=number * 2**33, duration=1)
    assert not list(tmp_path.iterdir())
