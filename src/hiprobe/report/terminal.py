"""Tables and lines that commands print about a scored video or the layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from hiprobe.report.layer_chart import LayerCurves
from hiprobe.report.words import (
    ENDED_WORDS,
    Span,
    checked_spans,
    event_words,
    format_seconds,
    gap_words,
    overlap_seconds,
    stretch_words,
)
from hiprobe.timeline import Event, Explanation, Timeline

GUESS_NOTE = "a guess of a small model, whose words often contradict the score; go by the score"
CONFIDENCE_NOTE = "as the model says itself, not calibrated"


def events_table(
    timeline: Timeline, *, video: str, truth_spans: Sequence[Span] | None = None
) -> Table:
    """The events of one video; with truth, how much of each lies in it.

    The caption says how the video ended and how many segments have no score. Names and the
    model's words are shown as they are, square brackets included.
    """
    truth = None if truth_spans is None else checked_spans(truth_spans)
    # Text() and not a plain string, in which rich would take [red] of a file's name for markup.
    table = Table(
        title=Text(f"Events in {video}"), caption=events_caption(timeline), title_justify="left"
    )
    for name in ("#", "start", "end", "seconds", "peak", "mean"):
        table.add_column(name, justify="right", no_wrap=True)
    if truth is not None:
        table.add_column("in the truth", justify="right", no_wrap=True)
    words = [_event_words(timeline, number) for number in range(1, len(timeline.events) + 1)]
    if any(words):
        table.add_column("the model's words", ratio=1)
    for number, event in enumerate(timeline.events, start=1):
        cells = [
            str(number),
            format_seconds(event.start_seconds),
            format_seconds(event.end_seconds),
            f"{event.end_seconds - event.start_seconds:.1f}",
            f"{event.peak:.3f}",
            f"{event.mean:.3f}",
        ]
        if truth is not None:
            cells.append(share_words(event, truth))
        table.add_row(*cells, *([Text(words[number - 1])] if any(words) else []))
    return table


def events_caption(timeline: Timeline) -> str:
    """How many events, how the video ended, and what could not be scored, in one line."""
    count, failed = len(timeline.events), int(timeline.failed.sum())
    events = {0: "no event", 1: "1 event"}.get(count, f"{count} events")
    segments = "1 segment" if len(timeline) == 1 else f"{len(timeline)} segments"
    parts = [f"{events} in {segments}", ENDED_WORDS[timeline.ended]]
    if timeline.gaps:
        parts.append(f"{gap_words(timeline)} without pictures")
    if failed:
        parts.append(f"{failed} without a score")
    if timeline.reused_segments:
        parts.append(f"{len(timeline.reused_segments)} still, with the score before them")
    return "; ".join(parts)


def share_words(event: Event, truth: Sequence[Span]) -> str:
    """How much of an event lies in the truth, as `1.5 of 2.0 s`."""
    span = (event.start_seconds, event.end_seconds)
    return f"{overlap_seconds(span, truth):.1f} of {span[1] - span[0]:.1f} s"


def other_words_table(timeline: Timeline) -> Table | None:
    """What the model says of normal stretches and of the whole; None where it was not asked."""
    others = [item for item in timeline.explanations if item.kind != "event"]
    if not others:
        return None
    table = Table(title="In the model's words", title_justify="left", show_header=False)
    for item in others:
        time = stretch_words(item.start_seconds, item.end_seconds, dash="-")
        table.add_row(_name(item), time, Text(_shown_words(item)))
    return table


def layers_table(curves: LayerCurves) -> Table:
    """All measures of all layers, in both numberings, the chosen layer marked."""
    caption = f"layer {curves.chosen} ({curves.chosen - 1} in the paper's count): {curves.reason()}"
    table = Table(title="Layers", title_justify="left", caption=caption)
    measures = curves.measures()
    for name in ("layer", "paper's", *(name for name, _ in measures), ""):
        table.add_column(name, justify="right")
    for row, layer in enumerate(curves.layers):
        cells = [f"{values[row]:.3f}" for _, values in measures]
        mark, style = ("chosen", "bold") if layer == curves.chosen else ("", "")
        table.add_row(str(layer), str(layer - 1), *cells, mark, style=style)
    return table


def explanation_facts(item: Explanation) -> dict[str, Any]:
    """One explanation as the report page shows it."""
    return {
        "name": _name(item),
        "time": stretch_words(item.start_seconds, item.end_seconds),
        "outcome": item.outcome,
        "text": item.text,
        "title": item.title,
        "what_happens": item.what_happens,
        "why_unusual": item.why_unusual,
        "confidence": None if item.confidence is None else f"{item.confidence:.2f}",
        "confidence_note": CONFIDENCE_NOTE,
        "reason": item.reason,
        "guess_note": GUESS_NOTE if item.guess and item.text else None,
        "prompt": item.prompt,
    }


def event_explanation(timeline: Timeline, number: int) -> Explanation | None:
    """The explanation of an event, counted from 1; None where there is none."""
    for item in timeline.explanations:
        if item.kind == "event" and item.event == number:
            return item
    return None


def _event_words(timeline: Timeline, number: int) -> str:
    """What a row of the table has room for: the model's words, or why there are none."""
    item = event_explanation(timeline, number)
    if item is not None:
        return _shown_words(item)
    return event_words(timeline, timeline.events[number - 1]) or ""


def _shown_words(item: Explanation) -> str:
    if item.outcome == "failed":
        return f"no words: {item.reason}"
    return f"(a guess) {item.words}" if item.guess else item.words


def _name(item: Explanation) -> str:
    if item.kind == "summary":
        return "Whole video"
    if item.kind == "event":
        return "Event" if item.event is None else f"Event {item.event}"
    return (
        "Below the threshold"
        if item.event is None
        else f"Below the threshold, for comparison with event {item.event}"
    )
