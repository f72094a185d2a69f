"""What packets tell of frames."""

from __future__ import annotations

import tracemalloc

from hiprobe.video.decode import Promise
from hiprobe.video.times import StatedDuration
from hiprobe.video.video_info import Packets


def packets_of(count: int, *, promised_seconds: float | None = None) -> Packets:
    times = tuple((i * 40, 40) for i in range(count))
    stated = None if promised_seconds is None else StatedDuration(promised_seconds, "length")
    return Packets(count, times, (0,), 0.001, Promise(stated))


def test_marks_are_those_of_the_stretch() -> None:
    packets = packets_of(100, promised_seconds=9.0)
    marks, is_cut = packets.marks(origin_pts=80, start_seconds=0.4, end_seconds=0.52)
    assert [m.pts for m in marks] == [480, 520, 560] and not is_cut
    assert [m.index for m in marks] == [0, 1, 2] and marks[0].duration_seconds == 0.04
    every, is_cut = packets.marks(origin_pts=0, start_seconds=None, end_seconds=None)
    assert len(every) == 100 and every[-1].seconds == 3.96 and is_cut
    none, is_cut = packets_of(0).marks(origin_pts=0, start_seconds=None, end_seconds=None)
    assert none == [] and not is_cut


def test_a_short_stretch_of_a_long_recording_takes_little_memory() -> None:
    packets = packets_of(100_000)
    tracemalloc.start()
    try:
        marks, _ = packets.marks(origin_pts=0, start_seconds=60.0, end_seconds=64.0)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(marks) == 100
    assert peak_bytes < 1e6  # a mark for every packet takes twenty megabytes
