"""Words, times and spans that all reports share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hiprobe.errors import UsageError
from hiprobe.timeline import Event, Timeline

Span = tuple[float, float]
"""Half-open stretch `[start_seconds, end_seconds)`."""

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
    "end": "read to its end",
    "truncated": "the file broke off or is still being written, later parts are missing",
    "interrupted": "the run was stopped, later parts are missing",
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
    tenths = round(seconds * 10)
    sign, tenths = ("-", -tenths) if tenths < 0 else ("", tenths)
    minutes, rest = divmod(tenths, 600)
    hours, short = divmod(minutes, 60)
    clock = f"{hours}:{short:02d}" if hours else f"{minutes}"
    return f"{sign}{clock}:{rest // 10:02d}.{rest % 10}"


def format_score(score: float) -> str:
    """A score with three digits, or `no score` where the backbone gave up (NaN)."""
    return "no score" if math.isnan(score) else f"{score:.3f}"


def overlap_seconds(span: Span, others: Sequence[Span]) -> float:
    """Seconds of `span` that lie in any of `others`; what lies in several counts once."""
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
    told = format_seconds(sum(lengths))
    return f"1 gap of {told}" if len(lengths) == 1 else f"{len(lengths)} gaps of {told} in all"


def extent_seconds(timeline: Timeline) -> Span:
    """First start and last end of the segments; `(0, 1)` where there are none."""
    if not len(timeline):
        return 0.0, 1.0
    return float(timeline.start_seconds[0]), float(timeline.end_seconds.max())
