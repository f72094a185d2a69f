"""Segments that overlap: a window of the segment's length begins every hop."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from video_media import make_video

from hiprobe.errors import UsageError, VideoError
from hiprobe.segment import Cut, Segment, Stretch
from hiprobe.video.frames import DecodedFrame
from hiprobe.video.open_windows import OpenWindows, Thinned
from hiprobe.video.segments import ClipAndSegments, SegmentReader, read_segments

HOLE = [i * 40 for i in range(30)] + [100_000 + i * 40 for i in range(20)]
"""A second and more, a gap, and not yet a second, in 1/1000 s."""


def frames_of(segments: Sequence[Segment]) -> list[tuple[int, int]]:
    return [(s.first_frame, s.first_frame + s.frame_count) for s in segments]


def same(one: Segment, other: Segment) -> bool:
    times = [[s.start_seconds, s.end_seconds, *s.frame_seconds] for s in (one, other)]
    return np.allclose(*times, rtol=0, atol=1e-6) and all(
        np.array_equal(a, b) for a, b in zip(one.frames, other.frames, strict=True)
    )


def test_a_window_begins_every_hop_of_frames(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4")
    segments = list(read_segments(path, segment_frames=24, hop_frames=8))
    assert frames_of(segments) == [(0, 24), (8, 32), (16, 40), (24, 48), (32, 50)]
    assert [s.index for s in segments] == list(range(5))
    assert np.allclose([s.start_seconds for s in segments], np.arange(5) * 0.32)
    assert np.allclose([s.end_seconds for s in segments], [0.96, 1.28, 1.6, 1.92, 2.0])


def test_each_window_is_the_segment_of_its_stretch(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", options={"g": "10"})
    for cut in (Cut(hop_frames=10), Cut(segment_seconds=0.8, hop_seconds=0.3)):
        windows = list(SegmentReader(path, cut))
        assert len(windows) > 3
        for window in windows:
            stretch = Stretch(window.start_seconds or None, window.end_seconds)
            length = Cut(segment_frames=cut.segment_frames, segment_seconds=cut.segment_seconds)
            (alone,) = SegmentReader(path, length, stretch)
            assert same(window, alone)


def test_a_hop_of_the_length_is_no_hop(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4")
    assert Cut(segment_frames=24, hop_frames=24) == Cut()
    assert Cut(segment_seconds=2.0, hop_seconds=2.0) == Cut(segment_seconds=2.0)
    by_frames = list(read_segments(path))
    # 24 frames of this video last 0.96 s: by the clock the same windows begin.
    by_clock = list(read_segments(path, hop_seconds=0.96))
    assert len(by_frames) == len(by_clock) == 3
    assert all(map(same, by_frames, by_clock))


def test_windows_of_frames_begin_by_the_clock_at_any_rate(tmp_path: Path) -> None:
    ticks = [i * 100 for i in range(30)] + [3000 + i * 20 for i in range(50)]
    path = make_video(tmp_path / "a.mkv", frames=len(ticks), ticks=ticks)
    segments = list(read_segments(path, segment_frames=10, hop_seconds=0.5))
    # In the second half 10 frames last 0.2 s: windows follow one another, and no frame is left out.
    starts = [round(s.start_seconds, 2) for s in segments]
    assert starts[:7] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert starts[7:] == [3.2, 3.4, 3.5, 3.7, 3.9]
    assert all(b[0] <= a[1] for a, b in pairwise(frames_of(segments)))
    assert frames_of(segments)[-1][1] == 80


def test_windows_of_seconds_take_times_from_the_file(tmp_path: Path) -> None:
    ticks = [0, 100, 200, 700, 1100, 1150, 1900, 2600, 2700]
    path = make_video(tmp_path / "a.mkv", frames=9, ticks=ticks)
    segments = list(read_segments(path, segment_seconds=1.0, hop_seconds=0.5))
    assert frames_of(segments) == [(0, 4), (3, 6), (4, 7), (6, 7), (7, 9)]
    assert np.allclose([s.start_seconds for s in segments], [0, 0.7, 1.1, 1.9, 2.6])


def test_no_window_spans_a_gap(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", frames=50, ticks=HOLE, options={"bf": "0"})
    by_frames = frames_of(list(read_segments(path, hop_frames=6)))
    assert by_frames == [(0, 24), (6, 30), (30, 50)]
    by_clock = frames_of(list(read_segments(path, segment_seconds=0.5, hop_seconds=0.25)))
    assert all(end <= 30 or first >= 30 for first, end in by_clock)
    assert {end for _, end in by_clock} >= {30, 50}


def test_one_pass_gives_all_windows_and_shares_their_pictures(
    tmp_path: Path, decodings: list[Path]
) -> None:
    path = make_video(tmp_path / "a.mp4", frames=100)
    reader = ClipAndSegments(path, Cut(hop_frames=3))
    segments = list(reader)
    assert reader.frame_count == 100
    assert decodings == [path]
    shown = [id(frame) for segment in segments for frame in segment.frames]
    # The windows are shifted by one bin of key frames: each but the ends is in eight of them.
    assert len(set(shown)) < len(shown) / 5
    assert reader.whole()[0].frame_count == 100


@pytest.mark.parametrize("hop_seconds", [10.0, 1.0, 0.25])
def test_few_pictures_are_held_however_many_windows_are_open(
    tmp_path: Path, hop_seconds: float
) -> None:
    path = make_video(tmp_path / "long.mp4", frames=1500, fps=50, size=(16, 16))
    reader = read_segments(path, segment_seconds=20.0, hop_seconds=hop_seconds)
    held, positions = [], []
    for segment in reader:
        held.append(reader.held_frames)
        positions.append(np.array(segment.frame_seconds) - segment.start_seconds)
    open_at_once = 20.0 / hop_seconds
    assert max(held) <= 64 * (1 + np.log(open_at_once))
    # A key frame is off by at most an eighth of their distance of 2.5 s.
    assert np.abs(positions[0] - (np.arange(8) + 0.5) * 2.5).max() <= 2.5 / 8


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"segment_frames": 24, "hop_frames": 25}, "hop_frames is 25"),
        ({"segment_seconds": 2.0, "hop_seconds": 2.5}, "give 2 or less"),
        ({"segment_frames": 24, "hop_frames": 0}, "hop_frames is 0"),
        ({"segment_seconds": 600.0, "hop_seconds": 0.1}, "256 windows"),
        ({"segment_frames": 24, "hop_frames": 8, "hop_seconds": 0.5}, "give hop_seconds"),
        ({"segment_seconds": 2.0, "hop_frames": 8}, "give hop_seconds"),
        ({"hop_seconds": float("nan")}, "hop_seconds is nan"),
    ],
)
def test_a_hop_that_does_not_go_with_the_length_is_refused(
    given: dict[str, float], named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        Cut(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"hop_seconds": 0.03}, "more windows than frames"),
        ({"segment_seconds": 0.5, "hop_seconds": 0.03}, "more windows than frames"),
        ({"hop_seconds": 1.1}, "left out"),
        ({"segment_frames": 20_000, "hop_seconds": 1.0}, "256 windows"),
    ],
)
def test_a_hop_that_does_not_go_with_the_frames_is_refused(
    tmp_path: Path, given: dict[str, float], named: str
) -> None:
    path = make_video(tmp_path / "a.mp4")
    with pytest.raises(VideoError, match=named):
        list(read_segments(path, **given))  # type: ignore[arg-type]


def test_a_hop_of_one_frame_is_the_least(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4")
    assert len(list(read_segments(path, hop_seconds=0.04))) == 27
    assert len(list(read_segments(path, segment_frames=50, hop_frames=1))) == 1


def windows_of(times: Sequence[float], cut: Cut) -> list[tuple[int, int]]:
    """First frame, and the one behind the last, of the windows over frames at some times."""
    pixels = np.zeros((1, 1, 3), np.uint8)
    windows = OpenWindows(cut, start_seconds=0.0)
    found: list[Thinned] = []
    for index, seconds in enumerate(times):
        frame = DecodedFrame(index, index, 1.0, seconds, 1.0, None, pixels=pixels)
        found += windows.full_before(frame)
        windows.add(frame)
    last = windows.end()
    assert last is not None
    return [(w.first.index, w.first.index + w.count) for w in [*found, last]]


@given(
    distances=st.lists(st.integers(1, 30), max_size=60),
    length=st.integers(2, 40),
    hop=st.integers(1, 40),
)
@settings(max_examples=200, deadline=None)
def test_windows_by_the_clock_are_those_of_the_definition(
    distances: list[int], length: int, hop: int
) -> None:
    hop = min(hop, length)
    ticks = np.concatenate([[0], np.cumsum(distances, dtype=int)])
    found = windows_of(ticks / 10, Cut(segment_seconds=length / 10, hop_seconds=hop / 10))
    expected = []
    for number in range(int(ticks[-1]) // hop + 1):
        inside = np.flatnonzero((ticks >= number * hop) & (ticks < number * hop + length))
        begins = len(inside) and ticks[inside[0]] < (number + 1) * hop
        if begins:  # else its first frame begins a later window
            expected.append((int(inside[0]), int(inside[-1]) + 1))
    ends = [end for _, end in expected]
    assert found == expected[: ends.index(len(ticks)) + 1]


@given(count=st.integers(1, 80), length=st.integers(1, 30), hop=st.integers(1, 30))
@settings(max_examples=200, deadline=None)
def test_windows_of_frames_are_those_of_the_definition(count: int, length: int, hop: int) -> None:
    hop = min(hop, length)
    found = windows_of(np.arange(count) / 25, Cut(segment_frames=length, hop_frames=hop))
    expected = [(first, min(first + length, count)) for first in range(0, count, hop)]
    ends = [end for _, end in expected]
    assert found == expected[: ends.index(count) + 1]
