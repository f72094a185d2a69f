"""Spans in seconds meet the frames by the frames' own times."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hiprobe.datasets.stretches import SPANS_FILE, beyond_words, read_own_spans, to_frames
from hiprobe.errors import LabelError

TIMES = np.array([0.0, 0.1, 0.2, 1.2, 1.3, 5.0])
"""As of a camera that drops frames."""


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0.0, 0.1, (0, 1)),
        (0.1, 1.2, (1, 3)),
        (0.15, 1.25, (2, 4)),
        (1.3, 99.0, (4, 6)),
        (2.0, 3.0, (5, 5)),
        (0.3 - 0.1, 1.3, (2, 4)),
    ],
)
def test_a_frame_is_inside_when_its_time_is(
    start: float, end: float, expected: tuple[int, int]
) -> None:
    assert to_frames([(start, end, True)], lambda: TIMES) == (expected,)


def test_frames_need_no_times_and_spans_are_sorted() -> None:
    def unread() -> NDArray[np.float64]:
        raise AssertionError("the video must not be decoded")

    assert to_frames([(9, 12, False), (2, 5, False)], unread) == ((2, 5), (9, 12))


def test_stretches_that_share_a_frame_are_one_event() -> None:
    own = [(5.0, 9.0, False), (2.0, 6.0, False), (3.0, 4.0, False), (9.0, 12.0, False)]
    assert to_frames(own, lambda: TIMES) == ((2, 9), (9, 12))


@pytest.mark.parametrize(
    "table", ["start_frame,end_frame,video\n1,2\n", "video,start_frame,end_frame\n ,1,2\n"]
)
def test_a_line_without_a_video_is_refused(tmp_path: Path, table: str) -> None:
    (tmp_path / SPANS_FILE).write_text(table)
    with pytest.raises(LabelError, match="line 2: the cell of the video is empty"):
        read_own_spans(tmp_path)


def test_stretches_beyond_the_end_are_told_in_their_own_unit() -> None:
    own = [(1.0, 4.04, True), (3.0, 9.0, True), (5.0, 6.0, True), (90, 101, False), (0, 100, False)]
    assert beyond_words(own, frame_count=100, seconds=4.0) == [
        "3 to 9 s ends after the video, which has 4.000 s",
        "5 to 6 s begins after the video, which has 4.000 s",
        "90 to 101 in frames ends after the video, which has 100 frames",
    ]
    assert beyond_words(own[1:2], frame_count=100, seconds=None) == []
