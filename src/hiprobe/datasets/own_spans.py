"""Spans of the user's own videos, in a table `spans.csv` beside them."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.manifest_row import Spans
from hiprobe.errors import LabelError
from hiprobe.store.plain_files import read_text

NAME = "spans.csv"

_UNITS = {"seconds": ("start_seconds", "end_seconds"), "frames": ("start_frame", "end_frame")}

OwnSpans = dict[str, list[tuple[float, float, bool]]]
"""By video: start, end, and whether they are seconds."""


def read_own_spans(root: Path) -> OwnSpans:
    """Rows of `root/spans.csv`, by the path of the video below `root`; none without the file.

    Columns: `video`, and `start_seconds,end_seconds` or `start_frame,end_frame`; half-open.

    Raises:
        LabelError: the table cannot be read, names no video, or a stretch is empty.
    """
    file = root / NAME
    if not file.is_file():
        return {}
    try:
        return _read(file)
    except csv.Error as error:
        raise LabelError(f"{file} is no table: {error}") from error


def _read(file: Path) -> OwnSpans:
    found: OwnSpans = defaultdict(list)
    try:
        lines = read_text(file).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"cannot read {file} as a UTF-8 table: {error}") from error
    reader = csv.DictReader(lines)
    unit = next((u for u, c in _UNITS.items() if {"video", *c} <= set(reader.fieldnames or ())), "")
    if not unit:
        raise LabelError(
            f"{file} has the columns {', '.join(reader.fieldnames or ())}; it needs "
            "video,start_seconds,end_seconds or video,start_frame,end_frame"
        )
    for cells in reader:
        start, end = (_number(cells[c], file, reader.line_num) for c in _UNITS[unit])
        if not 0 <= start < end:
            raise LabelError(f"{file}, line {reader.line_num}: {start:g} to {end:g} is empty")
        video = (cells["video"] or "").strip()
        if not video:
            raise LabelError(f"{file}, line {reader.line_num}: the cell of the video is empty")
        found[Path(video).as_posix()].append((start, end, unit == "seconds"))
    return found


def to_frames(
    own: list[tuple[float, float, bool]], seconds: Callable[[], NDArray[np.float64]]
) -> Spans:
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


def _number(cell: str | None, file: Path, line: int) -> float:
    try:
        value = float(cell or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise LabelError(f"{file}, line {line}: {cell!r} is no number")
    return value
