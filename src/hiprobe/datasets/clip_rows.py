"""Labelled clips as a folder or a table names them, before a class is known to be normal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hiprobe.addresses import is_address, why_no_file
from hiprobe.datasets.columns import meant_by, unused_words
from hiprobe.datasets.frame_stretches import FrameClock
from hiprobe.datasets.own_files import Found, pass_over_own
from hiprobe.datasets.table_text import Table, read_table
from hiprobe.datasets.video_files import look_into, passed_over_words
from hiprobe.errors import LabelError
from hiprobe.path_text import path_text, text_path


@dataclass(frozen=True)
class ClipRow:
    """A clip, or a half-open stretch of one, under the name of its class."""

    video: Path
    class_name: str
    source: str
    start_seconds: float | None
    end_seconds: float | None
    name: str
    label: int | None = None
    """Where the table itself says it, beside a class."""
    split: str = ""


@dataclass(frozen=True)
class ClipRows:
    """Rows in a fixed order, and sentences on what was not taken."""

    rows: Sequence[ClipRow]
    remarks: list[str] = field(default_factory=list)


def read_rows(root: Path) -> ClipRows:
    """Rows of a folder of class subfolders, or of a table.

    In a folder what HiProbe wrote is passed over; `say` is told how much.

    Raises:
        LabelError: nothing there, or a table that cannot be read.
    """
    if root.is_dir():
        manifest = root / "manifest.csv"
        return _rows_of_table(manifest) if manifest.is_file() else _rows_of_folder(root)
    if not root.exists():
        wrong = why_no_file(root) or f"{root} does not exist"
        raise LabelError(f"{wrong}; give a folder of clips or a CSV file")
    return _rows_of_parquet(root) if root.suffix.lower() == ".parquet" else _rows_of_table(root)


def _rows_of_parquet(path: Path) -> ClipRows:
    from hiprobe.datasets.manifest_parquet import read_parquet

    rows = read_parquet(path).rows
    return ClipRows(
        [
            ClipRow(
                r.video, r.class_name, r.source, None, None, path_text(r.video), r.label, r.split
            )
            for r in rows
        ]
    )


def _rows_of_folder(root: Path) -> ClipRows:
    folders = sorted(p for p in root.iterdir() if p.is_dir() and p.name[0] != ".")
    inside = {folder: look_into(folder) for folder in folders}
    found = [Found(video, folder) for folder in folders for video in inside[folder].videos]
    own: list[str] = []
    kept = set(pass_over_own(found, say=own.append))
    rows: list[ClipRow] = []
    for video, folder in ((f.path, f.searched) for f in found if f.path in kept):
        if folder is not None:  # each was found in one
            name = path_text(video.relative_to(root).as_posix())
            rows.append(ClipRow(video, path_text(folder.name), name, None, None, name))
    passed_over = [path for each in inside.values() for path in each.passed_over]
    return ClipRows(rows, [*passed_over_words(passed_over), *own])


def _rows_of_table(path: Path) -> ClipRows:
    table = read_table(path)
    _refuse_missing_columns(table)
    clock = FrameClock()
    rows = [_row(row.cells, path, table.where(row), clock) for row in table.rows]
    return ClipRows(rows, [*unused_words(table.columns, path), *clock.remarks])


def _refuse_missing_columns(table: Table) -> None:
    missing = [name for name in ("video", "label") if name not in table.columns]
    if missing:
        near = [c for c in table.columns if set(meant_by(c)) & set(missing)]
        hint = f"; is {' or '.join(near)} what is meant by {' and '.join(missing)}?" if near else ""
        raise LabelError(
            f"{table.path} lacks the column {' and '.join(missing)}; its first line must be "
            "video,label[,source][,start_seconds,end_seconds], found "
            f"{','.join(table.columns) or '-'}{hint}"
        )


def _row(cells: Mapping[str, str], table: Path, where: str, clock: FrameClock) -> ClipRow:
    video, label = cells["video"], cells["label"]
    if not video or not label:
        raise LabelError(f"{where}: video {video!r} and label {label!r}; both must be filled in")
    if is_address(video):
        raise LabelError(f"{where}: {why_no_file(video)}")
    file = table.parent / text_path(video)
    start, end = _stretch(cells, file, where, clock)
    span = "" if start is None and end is None else f" [{start or 0:g}, {_end_text(end)})"
    class_name = cells.get("class", "") or label
    return ClipRow(
        video=file,
        class_name=class_name,
        source=cells.get("source", "") or video,
        start_seconds=start,
        end_seconds=end,
        name=video + span,
        label=int(label) if cells.get("class") and label in ("0", "1") else None,
        split=cells.get("split", "").lower(),
    )


def _stretch(
    cells: Mapping[str, str], file: Path, where: str, clock: FrameClock
) -> tuple[float | None, float | None]:
    """Start and end in seconds; those given in frames by the video's own times."""
    start, end = (_number(cells, f"{b}_seconds", "seconds", where) for b in ("start", "end"))
    first, last = (_number(cells, f"{b}_frame", "a frame", where) for b in ("start", "end"))
    _refuse_empty(start, end, "s", where)
    _refuse_empty(first, last, "in frames", where)
    if first is None and last is None:
        return start, end
    if start is not None or end is not None:
        raise LabelError(f"{where}: the stretch is in seconds and in frames; keep one of them")
    first_frame, end_frame = (None if f is None else int(f) for f in (first, last))
    return clock.seconds(file, first_frame, end_frame, where=where)


def _refuse_empty(low: float | None, high: float | None, unit: str, where: str) -> None:
    if high is not None and not high > (low or 0.0):
        raise LabelError(
            f"{where}: the stretch {low or 0:g} to {high:g} {unit} is empty; end after start"
        )


def _end_text(end_seconds: float | None) -> str:
    return "end" if end_seconds is None else f"{end_seconds:g} s"


def _number(cells: Mapping[str, str], column: str, what: str, where: str) -> float | None:
    cell = cells.get(column, "")
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise LabelError(f"{where}: {column} is {cell!r}; expected {what}, 0 or more, or nothing")
    if column.endswith("_frame") and value != int(value):
        raise LabelError(f"{where}: {column} is {cell!r}; frames are whole numbers counted from 0")
    return value
