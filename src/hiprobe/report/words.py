"""Words that reports share, and a time axis on which gaps take little room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiprobe.errors import UsageError
from hiprobe.timeline import Event, Timeline

# Half-open stretch `[start_seconds, end_seconds)`.
Span = tuple[float, float]

STANDING_NOTE = (
    "A score says how much a segment resembles the clips that were labelled abnormal. "
    "It is a reason to look, not a finding: let a person see the video before anyone acts on it."
)
RENDERED_NOTE = (
    "The scenes in this report are rendered by a program, not filmed. "
    "They show that the parts work together and say nothing about real cameras."
)
JOINED_NOTE = (
    "The video is joined from separate clips and is not one natural recording. "
    "A cut is itself a change, so segments that hold one may score higher."
)
ENDED_WORDS = {
    "end": "whole video read",
    "truncated": "the file breaks off or is still being written, so later parts are missing",
    "interrupted": "the run was stopped, so later parts are missing",
}


def checked_spans(spans: Sequence[Span]) -> tuple[Span, ...]:
    """The spans in order of time, as pairs of plain floats in seconds.

    Raises:
        UsageError: a span is not finite or does not end after its start.
    """
    for start, end in spans:
        if not (math.isfinite(start) and math.isfinite(end) and end > start):
            raise UsageError(
                f"truth span [{start}, {end}) is not a stretch of time: give a finite start and "
                "a later end, in seconds"
            )
    return tuple(sorted((float(start), float(end)) for start, end in spans))


def format_seconds(seconds: float) -> str:
    """A time to read: `m:ss.s`, from one hour on `h:mm:ss.s`."""
    # Rounded before it is split, or 59.96 s would be shown as 0:60.0.
    tenths = round(seconds * 10)
    sign, tenths = ("-", -tenths) if tenths < 0 else ("", tenths)
    minutes, rest = divmod(tenths, 600)
    hours, short = divmod(minutes, 60)
    clock = f"{hours}:{short:02d}" if hours else f"{minutes}"
    return f"{sign}{clock}:{rest // 10:02d}.{rest % 10}"


def stretch_words(start_seconds: float, end_seconds: float, *, dash: str = " – ") -> str:
    """A stretch of time to read, as `0:02.0 – 0:05.0`."""
    return f"{format_seconds(start_seconds)}{dash}{format_seconds(end_seconds)}"


def clock_words(recorded_at: datetime | None, seconds: float) -> str | None:
    """Date and time of a moment of a video, as `2018-04-19 22:46:07 UTC`; None where not known."""
    if recorded_at is None:
        return None
    moment = recorded_at + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}".strip()


def format_score(score: float) -> str:
    """A score with three digits, or `no score` where the backbone gave up (NaN)."""
    return "no score" if math.isnan(score) else f"{score:.3f}"


def overlap_seconds(span: Span, others: Sequence[Span]) -> float:
    """Seconds of `span` that lie in any of `others`; time that lies in several counts once."""
    covered, reached = 0.0, span[0]
    for start, end in sorted(others):
        low, high = max(start, reached), min(end, span[1])
        if high > low:
            covered, reached = covered + high - low, high
    return covered


def event_spans(timeline: Timeline) -> tuple[Span, ...]:
    """The stretches of the timeline's events."""
    return tuple((event.start_seconds, event.end_seconds) for event in timeline.events)


def event_words(timeline: Timeline, event: Event) -> str | None:
    """The backbone's words about an event: its own, or an explanation of the same stretch."""
    if event.explanation is not None:
        return event.explanation
    for item in timeline.explanations:
        same = (item.start_seconds, item.end_seconds) == (event.start_seconds, event.end_seconds)
        if item.kind == "event" and same:
            return item.words or None
    return None


def gap_words(timeline: Timeline) -> str:
    """How many gaps there are in the pictures, and how long they lasted; empty without any."""
    lengths = [end - start for start, end in timeline.gaps]
    if not lengths:
        return ""
    total = format_seconds(sum(lengths))
    return f"1 gap of {total}" if len(lengths) == 1 else f"{len(lengths)} gaps of {total} in all"


def extent_seconds(timeline: Timeline) -> Span:
    """First start and last end of the segments; `(0, 1)` where there are none."""
    if not len(timeline):
        return 0.0, 1.0
    return float(timeline.start_seconds[0]), float(timeline.end_seconds.max())


# Drawn to scale, a hole of four hours would leave a recording of four seconds no pixel.
# The largest part of the axis that one gap takes, as a share of the time with pictures: wide enough
# for its dots to be seen.
GAP_SHARE = 0.04

# The largest part that all gaps take together: a camera that records on movement has hundreds.
ALL_GAPS_SHARE = 0.2

# Smallest distance of two labelled ticks, as a share of the axis.
TICK_ROOM_SHARE = 0.08


class ShownTime:
    """A time axis in seconds on which gaps in the pictures are shortened.

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
        # Between two gaps lies a piece with pictures: every second pair of neighbouring moments.
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
        # Where pictures begin again comes first: only there does the axis jump, and the reader must
        # know from when to when.
        for moment in begins + round_times:
            place = float(self.place(moment))
            if all(abs(place - float(self.place(other))) >= room for other in found):
                found.append(moment)
        return sorted(found)
