"""One decoding gives what two give, frame for frame."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from video_media import cut_file, make_video

from hiprobe.errors import UsageError, VideoError
from hiprobe.segment import WHOLE, Cut, Segment, Stretch, key_frame_positions
from hiprobe.video.clip import read_clip_and_outcome
from hiprobe.video.decode import FrameReader
from hiprobe.video.segments import ClipAndSegments, read_segments

STRETCHES = [(None, None), (0.4, None), (None, 1.1), (0.52, 1.7)]


def same(one: Segment, other: Segment) -> bool:
    times = [(s.start_seconds, s.end_seconds, s.frame_seconds, s.frame_count) for s in (one, other)]
    places = [(s.index, s.start_pts, s.end_pts, s.first_frame) for s in (one, other)]
    pairs = zip(one.frames, other.frames, strict=True)
    equal = all(np.array_equal(a, b) for a, b in pairs)
    return times[0] == times[1] and places[0] == places[1] and equal


def assert_both_equal(
    path: Path, stretch: Stretch = WHOLE, *, max_side_pixels: int | None = None
) -> None:
    cut = Cut(segment_frames=10, max_side_pixels=max_side_pixels)
    both = ClipAndSegments(path, cut, stretch)
    segments = list(both)
    apart = read_segments(path, **asdict(cut), **asdict(stretch))
    assert all(same(a, b) for a, b in zip(segments, apart, strict=True))
    assert both.outcome == apart.outcome
    (whole, outcome), (clip, expected) = both.whole(), read_clip_and_outcome(path, cut, stretch)
    assert same(whole, clip) and outcome == expected


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi", "flv"])
@pytest.mark.parametrize(
    "options", [{"g": "7"}, {"g": "250"}, {"x264-params": "keyint=12:open-gop=1:bframes=3"}]
)
def test_the_frames_are_those_of_two_readings(
    tmp_path: Path, suffix: str, options: dict[str, str]
) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    path = make_video(tmp_path / f"a.{suffix}", codec=codec, options=options, noise=True)
    for start, end in STRETCHES:
        assert_both_equal(path, Stretch(start, end), max_side_pixels=40)


def test_variable_frame_rate_and_few_frames(tmp_path: Path) -> None:
    ticks = [0, 10, 20, 1000, 1010, 4000]
    path = make_video(tmp_path / "a.mkv", frames=6, ticks=ticks, noise=True)
    assert_both_equal(path)
    assert_both_equal(make_video(tmp_path / "one.mp4", frames=1))


def test_a_recording_whose_clock_starts_anew_is_seen_to_its_end(tmp_path: Path) -> None:
    options = {"g": "12", "bf": "2"}
    part = make_video(tmp_path / "a.mpg", codec="mpeg2video", options=options, noise=True)
    joined = tmp_path / "joined.mpg"
    joined.write_bytes(part.read_bytes() * 2)
    for start in (None, 0.4):
        assert_both_equal(joined, Stretch(start))
        clip, _ = read_clip_and_outcome(joined, Cut(), Stretch(start))
        frames = list(FrameReader(joined, start_seconds=start))
        assert clip.frame_count == len(frames)
        centres = [frames[i] for i in key_frame_positions(frame_count=len(frames))]
        assert clip.frame_seconds == tuple(frame.seconds for frame in centres)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_broken_file_is_told_by_both(tmp_path: Path, suffix: str) -> None:
    whole = make_video(
        tmp_path / f"a.{suffix}",
        frames=100,
        options={"g": "10"},
        noise=True,
        container_options={"movflags": "+faststart"} if suffix == "mp4" else None,
    )
    cut = cut_file(whole, keep=0.507, target=tmp_path / f"cut.{suffix}")
    assert_both_equal(cut)
    assert_both_equal(cut, Stretch(end_seconds=0.4))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_the_decoder_is_started_once(tmp_path: Path, decodings: list[Path], suffix: str) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    path = make_video(tmp_path / f"a.{suffix}", codec=codec, noise=True)
    both = ClipAndSegments(path, Cut())
    assert len(list(both)) == 3 and both.whole()[0].frame_count == 50
    assert decodings == [path]
    read_clip_and_outcome(path, Cut())
    list(read_segments(path))
    assert len(decodings) > 3  # what it spares


def test_each_iteration_starts_over(tmp_path: Path) -> None:
    both = ClipAndSegments(make_video(tmp_path / "a.mp4", noise=True), Cut())
    assert len(list(both)) == len(list(both)) == 3
    assert same(both.whole()[0], read_clip_and_outcome(both.path, Cut())[0])


def test_errors_are_those_of_the_segments(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4")
    with pytest.raises(VideoError, match="no frame"):
        list(ClipAndSegments(path, Cut(), Stretch(9.0)))
    with pytest.raises(UsageError):
        ClipAndSegments(path, Cut(key_frames=0))
    with pytest.raises(VideoError, match="does not exist"):
        list(ClipAndSegments(tmp_path / "none.mp4", Cut()))
