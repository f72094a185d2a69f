"""A scored video as CSV: its segments, and its events."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe.store.text_files import write_table
from hiprobe.timeline import Timeline

SEGMENT_COLUMNS = ("segment", "start_seconds", "end_seconds", "score", "smoothed", "event")
EVENT_COLUMNS = (
    "event",
    "start_seconds",
    "end_seconds",
    "first_segment",
    "end_segment",
    "peak",
    "mean",
    "peak_seconds",
    "explanation",
)
NOTE_COLUMN = "note"
DIGITS = 6
"""Of times and scores in tables: microseconds, millionths."""


def write_csv(timeline: Timeline, path: Path | str, *, note: str = "") -> None:
    """One row per segment; score and smoothed are empty where the segment has no score.

    The last column repeats `note` (rendered scenes, joined clips), so that a row says so wherever
    it is copied to; it is empty for a user's own video.

    Raises:
        StorageError: the file cannot be written.
    """
    rows = ([*row, note] for row in segment_rows(timeline))
    _write_rows(path, (*SEGMENT_COLUMNS, NOTE_COLUMN), rows)


def write_events_csv(timeline: Timeline, path: Path | str, *, note: str = "") -> None:
    """One row per event, with the header alone where there is none; `note` as in `write_csv`.

    Raises:
        StorageError: the file cannot be written.
    """
    rows = (
        [number, *plain({name: getattr(event, name) for name in EVENT_COLUMNS[1:]}).values(), note]
        for number, event in enumerate(timeline.events, start=1)
    )
    _write_rows(path, (*EVENT_COLUMNS, NOTE_COLUMN), rows)


def _write_rows(path: Path | str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    write_table(path, header, ([_short(value) for value in row] for row in rows))


def _short(value: Any) -> Any:
    """A number without the tail of its binary form; the JSON file has it in full."""
    return round(value, DIGITS) if isinstance(value, float) else value


def segment_rows(timeline: Timeline) -> list[list[Any]]:
    """The values of `SEGMENT_COLUMNS` for every segment; None where there is no score or event."""
    numbers: list[int | None] = [None] * len(timeline)
    for number, event in enumerate(timeline.events, start=1):
        for segment in range(event.first_segment, min(event.end_segment, len(timeline))):
            numbers[segment] = number
    columns = (timeline.start_seconds, timeline.end_seconds, timeline.scores, timeline.smoothed)
    return [
        [index, *(_finite(float(column[index])) for column in columns), numbers[index]]
        for index in range(len(timeline))
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Numpy scalars as Python's own, which JSON and CSV can hold."""
    return {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}
