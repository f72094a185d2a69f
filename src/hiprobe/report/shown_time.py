"""The time axis of charts: as the clock runs, but short where there are no pictures."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiprobe.report.words import Span, extent_seconds
from hiprobe.timeline import Timeline

GAP_SHARE = 0.04
"""Most of the axis that one gap takes, as a share of the time with pictures. Drawn to scale, a
hole of four hours would leave a recording of four seconds no pixel."""

ALL_GAPS_SHARE = 0.2
"""Most that all gaps take together."""

TICK_ROOM_SHARE = 0.08
"""Least distance of two labelled ticks, as a share of the axis."""


class ShownTime:
    """Places of moments on the axis, in seconds with the gaps shortened.

    Attributes:
        low, high: places of the first start and the last end.
        gaps: the gaps, as pairs of places.
    """

    def __init__(self, timeline: Timeline) -> None:
        first, last = extent_seconds(timeline)
        spans = timeline.gaps
        lengths = np.array([end - start for start, end in spans])
        covered = last - first - float(lengths.sum())
        most = covered * min(GAP_SHARE, ALL_GAPS_SHARE / max(1, len(spans)))
        self._times = np.array([t for span in spans for t in span])
        left_out = np.cumsum(np.maximum(lengths - most, 0.0))
        # Each gap's start lies where the gaps before have moved it to, its end behind its own.
        moved = np.stack([np.concatenate([[0.0], left_out])[:-1], left_out], axis=1).ravel()
        self._moved = moved if spans else np.zeros(0)
        self.low, self.high = float(self.place(first)), float(self.place(last))
        self.gaps = tuple((float(self.place(a)), float(self.place(b))) for a, b in spans)
        self._pieces = list(pairwise([first, *self._times.tolist(), last]))[::2]

    def place(self, seconds: ArrayLike) -> NDArray[np.float64]:
        """Where moments lie on the axis; without gaps, where they are."""
        values = np.asarray(seconds, dtype=np.float64)
        if not len(self._times):
            return values
        return values - np.interp(values, self._times, self._moved)

    def span(self, span: Span) -> Span:
        """The places of a stretch's ends."""
        return float(self.place(span[0])), float(self.place(span[1]))

    def ticks(self, step_seconds: float) -> list[float]:
        """Moments to label: where pictures begin again, and round times that leave room."""
        begins = [start for start, _ in self._pieces]
        round_times = [
            float(number * step_seconds)
            for start, end in self._pieces
            for number in range(int(np.ceil(start / step_seconds)), int(end // step_seconds) + 1)
        ]
        room = TICK_ROOM_SHARE * (self.high - self.low)
        found: list[float] = []
        for moment in begins + round_times:
            place = float(self.place(moment))
            if all(abs(place - float(self.place(other))) >= room for other in found):
                found.append(moment)
        return sorted(found)
