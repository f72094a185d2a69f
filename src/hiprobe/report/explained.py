"""Explanations as reports show them: the model's words, and where there are none, why."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from hiprobe.explanation import Explanation
from hiprobe.report.words import format_seconds
from hiprobe.timeline import Timeline

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
    return "Normal stretch" if item.event is None else f"Normal, beside event {item.event}"
