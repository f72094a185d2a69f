"""Results as JSON and CSV, and the JSON read back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.documents.checked import check_schema, read_json
from hiprobe.documents.schemas import TimelineDocument
from hiprobe.errors import HiProbeError, UsageError
from hiprobe.report.words import STANDING_NOTE, Span, checked_spans
from hiprobe.store.text_files import json_text, write_table, write_text
from hiprobe.timeline import EMA_WEIGHT, Event, Explanation, Timeline

# The first key of each document; the review finds the timelines in a folder by it.
FORMAT = "hiprobe-timeline"
VERSION = 2
# Explanations of version 1 have a text and no fields.
READABLE_VERSIONS = (1, 2)

SEGMENT_COLUMNS = (
    "segment",
    "start_seconds",
    "end_seconds",
    "score",
    "smoothed",
    "event",
    "reused",
)
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
# Decimals of times and scores in the tables: microseconds and millionths.
DIGITS = 6


def write_csv(timeline: Timeline, path: Path | str, *, note: str = "") -> None:
    """Write one row per segment; score and smoothed are empty where the segment has no score.

    Args:
        note: what the last column repeats in each row (rendered scenes, joined clips), so that a
            row says so wherever it is copied to; empty for a user's own video.

    Raises:
        StorageError: the file cannot be written.
    """
    _write_rows(path, SEGMENT_COLUMNS, segment_rows(timeline), note)


def write_events_csv(timeline: Timeline, path: Path | str, *, note: str = "") -> None:
    """Write one row per event, with the header alone where there is none.

    Args:
        note: as in `write_csv`.

    Raises:
        StorageError: the file cannot be written.
    """
    rows = (
        [number, *_plain({name: getattr(event, name) for name in EVENT_COLUMNS[1:]}).values()]
        for number, event in enumerate(timeline.events, start=1)
    )
    _write_rows(path, EVENT_COLUMNS, rows, note)


def _write_rows(
    path: Path | str, header: Sequence[str], rows: Iterable[Sequence[Any]], note: str
) -> None:
    # Rounded, since 0.30000000000000004 helps nobody in a spreadsheet; the JSON has all digits.
    short = (
        [round(value, DIGITS) if isinstance(value, float) else value for value in row]
        for row in rows
    )
    write_table(path, (*header, NOTE_COLUMN), ([*row, note] for row in short))


def segment_rows(timeline: Timeline) -> list[list[Any]]:
    """The values of `SEGMENT_COLUMNS` for every segment; None where there is no score or event.

    `reused` is 1 where nothing changed and the score is that of the segment before, else 0.
    """
    reused = set(timeline.reused_segments)
    numbers: list[int | None] = [None] * len(timeline)
    for number, event in enumerate(timeline.events, start=1):
        for segment in range(event.first_segment, min(event.end_segment, len(timeline))):
            numbers[segment] = number
    columns = (timeline.start_seconds, timeline.end_seconds, timeline.scores, timeline.smoothed)
    return [
        [index, *(_finite(v) for v in values), numbers[index], int(index in reused)]
        for index, values in enumerate(zip(*columns, strict=True))
    ]


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numpy scalars as Python's own, which JSON and CSV can hold."""
    return {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}


def timeline_document(
    timeline: Timeline,
    *,
    video: str,
    probe: Mapping[str, Any],
    truth_spans: Sequence[Span] | None = None,
    notes: Sequence[str] = (),
    cuts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A timeline as a dictionary of JSON values, with its format and version.

    In the document `score` and `smoothed` are None for a segment without a score, `event` counts
    from 1, `overlap` says how windows that overlap gave a segment its score, and `gaps` are
    stretches without pictures.

    Args:
        timeline: what to write.
        video: the path of the video.
        probe: facts about the probe (fingerprint, layer, mode, ...), JSON values themselves.
        truth_spans: known events as `(start, end)` in seconds; None where they are not known,
            empty where there is none.
        notes: sentences to show first; the standing note follows them.
        cuts: what was measured with and without the segments that contain a cut of a joined
            video; None for any other video.

    Raises:
        UsageError: the threshold or sigma is not finite, or a truth span is not a stretch.
    """
    if not (math.isfinite(timeline.threshold) and math.isfinite(timeline.sigma_segments)):
        raise UsageError(
            f"threshold {timeline.threshold} or sigma {timeline.sigma_segments} is not finite "
            "and cannot be written as JSON: choose a number"
        )
    truth = None if truth_spans is None else [list(s) for s in checked_spans(truth_spans)]
    return {
        "format": FORMAT,
        "version": VERSION,
        "video": video,
        "ended": timeline.ended,
        "threshold": float(timeline.threshold),
        "smoothing": timeline.smoothing,
        "sigma_segments": float(timeline.sigma_segments),
        "ema_weight": float(timeline.ema_weight),
        "overlap": timeline.overlap,
        "probe": dict(probe),
        "notes": [*notes, STANDING_NOTE],
        "truth_spans": truth,
        "cuts": None if cuts is None else dict(cuts),
        "gaps": [list(span) for span in timeline.gaps],
        "failed_segments": int(timeline.failed.sum()),
        "reused_segments": len(timeline.reused_segments),
        "events": [_plain(asdict(event)) for event in timeline.events],
        "explanations": [_plain(asdict(item)) for item in timeline.explanations],
        "segments": [
            dict(zip(SEGMENT_COLUMNS, row, strict=True)) for row in segment_rows(timeline)
        ],
    }


def write_json(document: Mapping[str, Any], path: Path | str) -> None:
    """Write a document as strict JSON (UTF-8, indented, no NaN), whole or not at all.

    Raises:
        UsageError: a value is not JSON.
        StorageError: the file cannot be written.
    """
    try:
        text = json_text(document, indent=1)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path} cannot be written as JSON: {error}") from error
    write_text(path, text + "\n")


def read_timeline(path: Path | str) -> Timeline:
    """The timeline of a file that `hiprobe detect` wrote; a segment without a score has NaN.

    Raises:
        UsageError: the file is missing, is not such a document, or has another version.
    """
    return timeline_of(read_document(path), path=path)


def timeline_of(document: Mapping[str, Any], *, path: Path | str) -> Timeline:
    """The timeline of a document that `read_document` gave; a segment without a score has NaN.

    Args:
        path: where the document was read, for messages.

    Raises:
        UsageError: it is damaged.
    """

    def column(name: str) -> NDArray[np.float64]:
        values = [segment[name] for segment in document["segments"]]
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)

    try:
        check_schema(document, TimelineDocument)
        return Timeline(
            start_seconds=column("start_seconds"),
            end_seconds=column("end_seconds"),
            scores=column("score"),
            smoothed=column("smoothed"),
            threshold=float(document["threshold"]),
            sigma_segments=float(document["sigma_segments"]),
            # Older documents have none of these: there was one smoothing and no overlap then.
            smoothing=document.get("smoothing", "gaussian"),
            ema_weight=float(document.get("ema_weight", EMA_WEIGHT)),
            overlap=document.get("overlap", "none"),
            events=tuple(Event(**event) for event in document["events"]),
            ended=document["ended"],
            explanations=tuple(Explanation(**item) for item in document["explanations"]),
            reused_segments=tuple(
                i for i, segment in enumerate(document["segments"]) if segment.get("reused")
            ),
        )
    except (KeyError, TypeError, ValueError, OverflowError, HiProbeError) as error:
        raise UsageError(
            f"{path} is damaged: {type(error).__name__}: {error}; run detection again"
        ) from error


def read_document(path: Path | str) -> dict[str, Any]:
    """A timeline document as written, its format and version checked.

    Raises:
        UsageError: the file is missing, is not such a document, or has another version.
    """
    try:
        document = read_json(path, names=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UsageError(f"{path} is not a {FORMAT} file; give one that `hiprobe detect` wrote")
    if document.get("version") not in READABLE_VERSIONS:
        raise UsageError(
            f"{path} has version {document.get('version')!r}, this HiProbe reads up to {VERSION}: "
            "run detection again or use the HiProbe that wrote it"
        )
    return dict(document)
