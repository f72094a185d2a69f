"""How far a run is, in words."""

from __future__ import annotations

from hiprobe.cli.console import describe
from hiprobe.pipeline import ProgressEvent


def test_time_left_is_told_until_the_end() -> None:
    assert describe(ProgressEvent(1, 4, 2.0, 10.0)) == "1/4, about 30 s left"
    assert describe(ProgressEvent(4, 4, 8.0, 40.0)) == "4/4"
    assert describe(ProgressEvent(3, None, 8.0, 40.0, name="a/b/c.mp4")) == "3  b/c.mp4"
    assert describe(ProgressEvent(2, 4, 8.0, 40.0, skipped=2)) == "2/4 (2 reused)"
