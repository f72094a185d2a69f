"""What a person reads on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
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
)
from hiprobe.timeline import Event, Explanation, Timeline

CONFIDENCE_NOTE = "as the model says itself, not calibrated"
NO_WORDS = "no words: "


def explanation_facts(item: Explanation) -> dict[str, Any]:
    """One explanation as the report page shows it."""
    return {
        "name": _name(item),
        "time": f"{format_seconds(item.start_seconds)} – {format_seconds(item.end_seconds)}",
        "outcome": item.outcome,
        "text": item.text,
        "title": item.title,
        "what_happens": item.what_happens,
        "why_unusual": item.why_unusual,
        "confidence": None if item.confidence is None else f"{item.confidence:.2f}",
        "confidence_note": CONFIDENCE_NOTE,
        "reason": item.reason,
        "prompt": item.prompt,
    }


def event_explanation(timeline: Timeline, number: int) -> Explanation | None:
    """The explanation of an event, counted from 1; None where there is none."""
    for item in timeline.explanations:
        if item.kind == "event" and item.event == number:
            return item
    return None


def shown_words(item: Explanation) -> str:
    """What one line of a table has room for: the words, or why there are none."""
    if item.outcome == "failed":
        return f"{NO_WORDS}{item.reason}"
    return item.words


def other_words_table(timeline: Timeline) -> Table | None:
    """What the model says of normal stretches and of the whole; None where it was not asked."""
    others = [item for item in timeline.explanations if item.kind != "event"]
    if not others:
        return None
    table = Table(title="In the model's words", title_justify="left", show_header=False)
    for item in others:
        table.add_row(_name(item), _time(item), Text(shown_words(item)))
    return table


def _time(item: Explanation) -> str:
    return f"{format_seconds(item.start_seconds)}-{format_seconds(item.end_seconds)}"


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


def events_table(
    timeline: Timeline, *, video: str, truth_spans: Sequence[Span] | None = None
) -> Table:
    """Events of one video; with truth, how much of each lies in it.

    The caption says how the video ended and how many segments have no score. Names and the
    model's words are shown as they are, square brackets included.
    """
    truth = None if truth_spans is None else checked_spans(truth_spans)
    table = Table(
        title=Text(f"Events in {video}"), caption=events_caption(timeline), title_justify="left"
    )
    for name in ("#", "start", "end", "seconds", "peak", "mean"):
        table.add_column(name, justify="right", no_wrap=True)
    if truth is not None:
        table.add_column("in the truth", justify="right", no_wrap=True)
    said = [_said(timeline, number) for number in range(1, len(timeline.events) + 1)]
    explained = any(said)
    if explained:
        table.add_column("the model's words", ratio=1)
    for number, event in enumerate(timeline.events, start=1):
        cells = [str(number), *_event_cells(event)]
        if truth is not None:
            cells.append(share_words(event, truth))
        table.add_row(*cells, *([Text(said[number - 1])] if explained else []))
    return table


def events_caption(timeline: Timeline) -> str:
    """How many events, how the video ended, and what could not be scored, in one line."""
    count, failed = len(timeline.events), int(np.isnan(timeline.scores).sum())
    events = {0: "no event", 1: "1 event"}.get(count, f"{count} events")
    segments = "1 segment" if len(timeline) == 1 else f"{len(timeline)} segments"
    parts = [f"{events} in {segments}", ENDED_WORDS[timeline.ended]]
    if timeline.gaps:
        parts.append(f"{gap_words(timeline)} without pictures")
    if failed:
        parts.append(f"{failed} without a score")
    return "; ".join(parts)


def share_words(event: Event, truth: Sequence[Span]) -> str:
    """How much of an event lies in the truth, as `1.5 of 2.0 s`."""
    span = (event.start_seconds, event.end_seconds)
    return f"{overlap_seconds(span, truth):.1f} of {span[1] - span[0]:.1f} s"


def layers_table(curves: LayerCurves) -> Table:
    """All measures of all layers, in both numberings, the chosen layer marked."""
    caption = f"layer {curves.chosen} ({curves.chosen - 1} in the paper's count): {curves.reason()}"
    table = Table(title="Layers", title_justify="left", caption=caption)
    measures = curves.measures()
    for name in ("layer", "paper's", *(name for name, _ in measures), ""):
        table.add_column(name, justify="right")
    for row, layer in enumerate(curves.layers):
        cells = [f"{values[row]:.3f}" for _, values in measures]
        mark = ("chosen", "bold") if layer == curves.chosen else ("", "")
        table.add_row(str(layer), str(layer - 1), *cells, mark[0], style=mark[1])
    return table


def threshold_table(
    *,
    threshold: float,
    mean: float,
    std: float,
    kappa: float,
    normal_scores: ArrayLike,
    abnormal_scores: ArrayLike,
) -> Table:
    """How the threshold came about (paper, eq. 10) and what it does to the labelled clips.

    `mean` and `std` are those of the few-shot scores; a clip counts as flagged when its score
    lies above the threshold, as in detection.
    """
    table = Table(title="Threshold", show_header=False, title_justify="left")
    formula = f"mean {mean:.3f} + kappa {kappa:g} x standard deviation {std:.3f}"
    table.add_row("threshold", f"{threshold:.3f} = {formula}")
    for name, scores in (("normal", normal_scores), ("abnormal", abnormal_scores)):
        values = np.asarray(scores, dtype=np.float64)
        flagged = int((values > threshold).sum())
        table.add_row(f"{name} clips", f"{flagged} of {values.size} lie above it")
    return table


def _said(timeline: Timeline, number: int) -> str:
    item = event_explanation(timeline, number)
    if item is not None:
        return shown_words(item)
    return event_words(timeline, timeline.events[number - 1]) or ""


def _event_cells(event: Event) -> list[str]:
    length = event.end_seconds - event.start_seconds
    times = [format_seconds(event.start_seconds), format_seconds(event.end_seconds)]
    return [*times, f"{length:.1f}", f"{event.peak:.3f}", f"{event.mean:.3f}"]
