"""Spans of the user's own videos, in a table `spans.csv` beside them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.manifest_row import Spans
from hiprobe.datasets.table_text import read_table
from hiprobe.errors import LabelError

NAME = "spans.csv"

_UNITS = {"seconds": ("start_seconds", "end_seconds"), "frames": ("start_frame", "end_frame")}

OwnSpan = list[tuple[float, float, bool]]
"""Of one video: start, end, and whether they are seconds."""

OwnSpans = dict[str, OwnSpan]
"""By the path of the video below the root."""

_END_SLACK_SECONDS = 0.05
"""Ends are often rounded."""


def read_own_spans(root: Path) -> OwnSpans:
    """Rows of `root/spans.csv`, by the path of the video below `root`; none without the file.

    Columns: `video`, and `start_seconds,end_seconds` or `start_frame,end_frame`; half-open.

    Raises:
        LabelError: the table cannot be read, names no video, or a stretch is empty.
    """
    file = root / NAME
    found: OwnSpans = defaultdict(list)
    if not file.is_file():
        return found
    table = read_table(file)
    unit = next((u for u, c in _UNITS.items() if {"video", *c} <= set(table.columns)), "")
    if not unit:
        raise LabelError(
            f"{file} has the columns {', '.join(table.columns) or 'none'}; it needs "
            "video,start_seconds,end_seconds or video,start_frame,end_frame"
        )
    for row in table.rows:
        where, video = table.where(row), row.cells["video"]
        start, end = (_number(row.cells[c], where) for c in _UNITS[unit])
        if not 0 <= start < end:
            raise LabelError(f"{where}: {start:g} to {end:g} is empty")
        if not video:
            raise LabelError(f"{where}: the cell of the video is empty")
        found[Path(video).as_posix()].append((start, end, unit == "seconds"))
    return found


def to_frames(own: OwnSpan, seconds: Callable[[], NDArray[np.float64]]) -> Spans:
    """Spans in frames, half-open, in order: a frame is in a stretch when its time is.

    Stretches that share a frame are joined: they are one event.

    Args:
        seconds: gives the times of the frames, float64 `[frames]`; asked only where needed.
    """
    spans: list[tuple[int, int]] = []
    for start, end, in_seconds in sorted(own):
        if in_seconds:
            first, last = np.searchsorted(seconds() + 1e-6, (start, end))
        else:
            first, last = int(start), int(end)
        if spans and first < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], int(last)))
        else:
            spans.append((int(first), int(last)))
    return tuple(spans)


def beyond_words(own: OwnSpan, *, frame_count: int, seconds: float | None) -> list[str]:
    """A sentence on each stretch that begins or ends after its video.

    Args:
        seconds: length of the video; None where it is not known.
    """
    told = []
    for start, end, in_seconds in own:
        limit = seconds if in_seconds else float(frame_count)
        if limit is None or end <= limit + (_END_SLACK_SECONDS if in_seconds else 0.0):
            continue
        what = "begins" if start >= limit else "ends"
        length = f"{limit:.3f} s" if in_seconds else f"{frame_count} frames"
        unit = "s" if in_seconds else "in frames"
        told.append(f"{start:g} to {end:g} {unit} {what} after the video, which has {length}")
    return told


def _number(cell: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise LabelError(f"{where}: {cell!r} is no number")
    return value
