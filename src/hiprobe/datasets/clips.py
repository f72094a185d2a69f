"""Labelled clips: a folder of class subfolders, or a table. Nothing is decoded here."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hiprobe.errors import LabelError

VIDEO_SUFFIXES = frozenset(
    (
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogv",
        ".ts",
        ".webm",
        ".wmv",
    )
)
"""Endings taken as video inside folders; a table may name any file."""

STATES_SUFFIX = ".safetensors"
"""Ending of extracted states, accepted wherever a video is."""

NORMAL_NAMES = frozenset(
    (
        "0",
        "normal",
        "nofight",
        "nonfight",
        "noviolence",
        "nonviolence",
        "nocrash",
        "noncrash",
        "noaccident",
        "nonaccident",
        "noanomaly",
        "nonanomaly",
        "nonanomalous",
        "noevent",
        "negative",
        "neg",
        "ok",
        "good",
        "none",
        "no",
        "false",
        "safe",
        "background",
    )
)
"""Class names taken as normal where none is given, compared without case, spaces, - and _.
A name that begins with "normal" counts too. Every other class is anomalous."""


@dataclass(frozen=True)
class LabelledClip:
    """A video, or a half-open stretch of one, with its label.

    Attributes:
        video: path of the file (a video, or states extracted from one).
        label: 0 normal, 1 anomalous.
        class_name: the user's own name of the class.
        source: recording that the clip comes from; folds never split a source.
        start_seconds, end_seconds: the stretch, None for an open end.
        name: what to call the clip in tables and errors; unique within one reading.
    """

    video: Path
    label: int
    class_name: str
    source: str
    start_seconds: float | None
    end_seconds: float | None
    name: str


@dataclass(frozen=True)
class _Row:
    """A clip before its class is known to be normal or not."""

    video: Path
    class_name: str
    source: str
    start_seconds: float | None
    end_seconds: float | None
    name: str
    label: int | None = None
    """Where the table itself says it, beside a class."""


def read_clips(
    path: Path | str, *, normal: str | None = None, both_kinds: bool = True
) -> tuple[LabelledClip, ...]:
    """Labelled clips of a folder or a table, in a fixed order, checked before any decoding.

    A folder holds one subfolder per class (`normal/`, `abnormal/`, or any names); hidden files
    and files without a video's ending are passed over. A folder with a `manifest.csv` is read
    from that table. A table has the columns `video,label[,source][,start_seconds,end_seconds]`,
    its paths are relative to it. Without a source, each file is its own. A manifest of
    `hiprobe data` (CSV or Parquet) is such a table: its label is 0 or 1 beside a class.

    Args:
        path: folder, CSV file or Parquet manifest.
        normal: name of the normal class; None takes labels 0 of a manifest, and recognises
            `NORMAL_NAMES`.
        both_kinds: refuse clips of one kind only; False where they extend others.

    Raises:
        LabelError: nothing there, unreadable table, no or only normal clips, or overlapping
            stretches of one file under two labels.
    """
    root = Path(path)
    rows = _read_rows(root)
    if not rows:
        raise LabelError(
            f"{root} holds no videos; expected class subfolders such as normal/ and abnormal/ "
            "with videos, or a CSV with the columns video,label"
        )
    normal_classes = _normal_classes(rows, normal)
    if both_kinds and not normal_classes:
        _refuse_no_normal({row.class_name for row in rows}, normal, root)
    clips = tuple(_labelled(row, normal_classes) for row in rows)
    if both_kinds:
        _refuse_one_label(clips, root)
    _refuse_contradictions(clips)
    return clips


def find_videos(folder: Path) -> list[Path]:
    """Video and states files at any depth below a folder, sorted, without hidden ones."""
    return sorted(
        p
        for p in folder.rglob("*")
        if p.suffix.lower() in VIDEO_SUFFIXES | {STATES_SUFFIX}
        and not any(part.startswith(".") for part in p.relative_to(folder).parts)
        and p.is_file()
    )


def _read_rows(root: Path) -> list[_Row]:
    if root.is_dir():
        manifest = root / "manifest.csv"
        return _rows_of_table(manifest) if manifest.is_file() else _rows_of_folder(root)
    if not root.exists():
        raise LabelError(f"{root} does not exist; give a folder of clips or a CSV file")
    return _rows_of_parquet(root) if root.suffix.lower() == ".parquet" else _rows_of_table(root)


def _rows_of_parquet(path: Path) -> list[_Row]:
    from hiprobe.datasets.manifest_parquet import read_parquet

    rows = read_parquet(path).rows
    return [_Row(r.video, r.class_name, r.source, None, None, str(r.video), r.label) for r in rows]


def _rows_of_folder(root: Path) -> list[_Row]:
    rows = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and p.name[0] != "."):
        for video in find_videos(folder):
            name = video.relative_to(root).as_posix()
            rows.append(_Row(video, folder.name, name, None, None, name))
    return rows


def _rows_of_table(table: Path) -> list[_Row]:
    try:
        text = table.read_text(encoding="utf-8-sig")
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


def _row(cells: dict[str, str], table: Path, line: int) -> _Row:
    where = f"{table}, line {line}"
    video, label = cells.get("video", ""), cells.get("label", "")
    if not video or not label:
        raise LabelError(f"{where}: video {video!r} and label {label!r}; both must be filled in")
    start, end = (_seconds(cells.get(n, ""), n, where) for n in ("start_seconds", "end_seconds"))
    if start is not None and end is not None and not end > start:
        raise LabelError(f"{where}: the stretch {start:g} to {end:g} s is empty; end after start")
    span = "" if start is None and end is None else f" [{start or 0:g}, {_end_text(end)})"
    source = cells.get("source", "") or video
    class_name = cells.get("class", "") or label
    stated = int(label) if cells.get("class") and label in ("0", "1") else None
    return _Row(table.parent / video, class_name, source, start, end, video + span, stated)


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


def _normal_classes(rows: Sequence[_Row], normal: str | None) -> set[str]:
    names = {row.class_name for row in rows}
    if normal is not None:
        return {n for n in names if n.casefold() == normal.strip().casefold()}
    stated = {row.class_name: row.label for row in rows if row.label is not None}
    return {n for n in names if not stated.get(n, int(not looks_normal(n)))}


def _refuse_no_normal(names: set[str], normal: str | None, root: Path) -> None:
    remedy = "name it with --normal NAME" if normal is None else f"{normal!r} is not one of them"
    raise LabelError(
        f"no normal class among {', '.join(sorted(names))} in {root}: {remedy}; "
        "a probe needs clips of both kinds"
    )


def looks_normal(name: str) -> bool:
    """Whether a class name says that nothing happens: see `NORMAL_NAMES`."""
    plain = re.sub(r"[\s_-]+", "", name).casefold()
    return plain in NORMAL_NAMES or plain.startswith("normal")


def _labelled(row: _Row, normal_classes: set[str]) -> LabelledClip:
    return LabelledClip(
        video=row.video,
        label=int(row.class_name not in normal_classes),
        class_name=row.class_name,
        source=row.source,
        start_seconds=row.start_seconds,
        end_seconds=row.end_seconds,
        name=row.name,
    )


def _refuse_one_label(clips: Sequence[LabelledClip], root: Path) -> None:
    if not any(clip.label for clip in clips):
        raise LabelError(
            f"all {len(clips)} clips in {root} are normal; add clips of what you want to find"
        )


def _refuse_contradictions(clips: Iterable[LabelledClip]) -> None:
    seen: dict[Path, list[LabelledClip]] = {}
    for clip in clips:
        others = seen.setdefault(clip.video.resolve(), [])
        for other in others:
            if other.label != clip.label and _overlap(clip, other):
                raise LabelError(
                    f"{other.name} ({other.class_name}) and {clip.name} ({clip.class_name}) "
                    "are overlapping stretches of one file under two labels; cut them apart"
                )
        others.append(clip)


def _overlap(a: LabelledClip, b: LabelledClip) -> bool:
    def ends(c: LabelledClip) -> tuple[float, float]:
        return c.start_seconds or 0.0, math.inf if c.end_seconds is None else c.end_seconds

    (a_start, a_end), (b_start, b_end) = ends(a), ends(b)
    return max(a_start, b_start) < min(a_end, b_end)
