"""Times of decoded pictures: always rising, and never beyond what a recording can hold."""

from __future__ import annotations

from typing import Any

from hiprobe.video.container import nominal_frame_seconds

LONGEST_SECONDS = 366 * 24 * 3600.0
"""A picture that claims to lie further behind the first is damaged, or its clock was set anew.
Gaps of days are real, and a float tells nanoseconds apart up to here."""

LONGEST_FRAME_SECONDS = 24 * 3600.0
"""A duration of one picture beyond this is taken for damage."""


class FrameClock:
    """Gives each picture its timestamp and duration, in units of the stream's time base.

    A picture without a timestamp, with one not after its predecessor's, or with one more than
    `LONGEST_SECONDS` after the first, is put one frame duration after its predecessor.

    Attributes:
        base_seconds: the time base.
        origin_pts: timestamp of the stream's first picture; None until one has come.
    """

    def __init__(self, stream: Any) -> None:
        self.base_seconds = float(stream.time_base)
        self.origin_pts: int | None = None
        self._nominal = max(1, round(nominal_frame_seconds(stream) / self.base_seconds))
        self._previous: int | None = None
        self._step = self._nominal

    def place(self, pts: int | None, duration: int | None) -> tuple[int, int]:
        """Timestamp and duration of the next picture, given what it says of itself."""
        placed = pts if pts is not None and self._is_believed(pts) else self._counted()
        if self.origin_pts is None:
            self.origin_pts = placed
        self._previous = placed
        is_sane = is_sane_duration(duration, base_seconds=self.base_seconds)
        self._step = duration if duration and is_sane else self._nominal
        return placed, self._step

    def seconds(self, pts: int) -> float:
        """Time of a placed picture after the first one of the stream."""
        return (pts - (self.origin_pts or 0)) * self.base_seconds

    def _is_believed(self, pts: int) -> bool:
        is_after = self._previous is None or pts > self._previous
        origin = pts if self.origin_pts is None else self.origin_pts
        return is_after and (pts - origin) * self.base_seconds <= LONGEST_SECONDS

    def _counted(self) -> int:
        return (self.origin_pts or 0) if self._previous is None else self._previous + self._step


def is_sane_duration(duration: int | None, *, base_seconds: float) -> bool:
    """Whether a picture can last so many units of the time base."""
    return duration is not None and 0 < duration * base_seconds <= LONGEST_FRAME_SECONDS
