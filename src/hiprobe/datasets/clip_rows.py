"""Labelled clips as a folder or a table names them, before a class is known to be normal."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hiprobe.datasets.video_files import find_videos
from hiprobe.errors import LabelError
from hiprobe.store.plain_files import read_text


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


def read_rows(root: Path) -> list[ClipRow]:
    """Rows of a folder of class subfolders, or of a table, in a fixed order.

    Raises:
        LabelError: nothing there, or a table that cannot be read.
    """
    if root.is_dir():
        manifest = root / "manifest.csv"
        return _rows_of_table(manifest) if manifest.is_file() else _rows_of_folder(root)
    if not root.exists():
        raise LabelError(f"{root} does not exist; give a folder of clips or a CSV file")
    return _rows_of_parquet(root) if root.suffix.lower() == ".parquet" else _rows_of_table(root)


def _rows_of_parquet(path: Path) -> list[ClipRow]:
    from hiprobe.datasets.manifest_parquet import read_parquet

    rows = read_parquet(path).rows
    return [
        ClipRow(r.video, r.class_name, r.source, None, None, str(r.video), r.label) for r in rows
    ]


def _rows_of_folder(root: Path) -> list[ClipRow]:
    rows = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and p.name[0] != "."):
        for video in find_videos(folder):
            name = video.relative_to(root).as_posix()
            rows.append(ClipRow(video, folder.name, name, None, None, name))
    return rows


def _rows_of_table(table: Path) -> list[ClipRow]:
    try:
        text = read_text(table)
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"cannot read {table} as a UTF-8 table: {error}") from error
    lines = text.splitlines()
    delimiter = ";" if lines and ";" in lines[0] and "," not in lines[0] else ","
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        _refuse_missing_columns(header, table)
        return [
            _row(dict(zip(header, map(str.strip, cells), strict=False)), table, reader.line_num)
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise LabelError(f"{table}, line {reader.line_num}: {error}") from error


def _refuse_missing_columns(header: Sequence[str], table: Path) -> None:
    missing = [name for name in ("video", "label") if name not in header]
    if missing:
        raise LabelError(
            f"{table} lacks the column {' and '.join(missing)}; its first line must be "
            f"video,label[,source][,start_seconds,end_seconds], found {','.join(header) or '-'}"
        )


def _row(cells: dict[str, str], table: Path, line: int) -> ClipRow:
    where = f"{table}, line {line}"
    video, label = cells.get("video", ""), cells.get("label", "")
    if not video or not label:
        raise LabelError(f"{where}: video {video!r} and label {label!r}; both must be filled in")
    if "\0" in video:
        raise LabelError(f"{where}: {video!r} can be no file's name")
    start, end = (_seconds(cells.get(n, ""), n, where) for n in ("start_seconds", "end_seconds"))
    if start is not None and end is not None and not end > start:
        raise LabelError(f"{where}: the stretch {start:g} to {end:g} s is empty; end after start")
    span = "" if start is None and end is None else f" [{start or 0:g}, {_end_text(end)})"
    source = cells.get("source", "") or video
    class_name = cells.get("class", "") or label
    stated = int(label) if cells.get("class") and label in ("0", "1") else None
    return ClipRow(table.parent / video, class_name, source, start, end, video + span, stated)


def _end_text(end_seconds: float | None) -> str:
    return "end" if end_seconds is None else f"{end_seconds:g} s"


def _seconds(cell: str, column: str, where: str) -> float | None:
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise LabelError(f"{where}: {column} is {cell!r}; expected seconds, 0 or more, or nothing")
    return value
