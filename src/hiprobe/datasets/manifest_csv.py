"""Manifests as CSV: for people, for spreadsheets, and as CLIPS of `hiprobe fit`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

from hiprobe.datasets.clips import looks_normal
from hiprobe.datasets.manifest_row import FORMAT, VERSION, Manifest, ManifestRow, Spans
from hiprobe.datasets.table_text import Table, read_table
from hiprobe.errors import LabelError
from hiprobe.evaluation.truth import EndConvention
from hiprobe.path_text import text_path
from hiprobe.store.text_files import path_cell, write_rows

COLUMNS = ("video", "name", "split", "class", "label", "source", "frames", "fps", "spans")
SET_COLUMNS = ("dataset", "span_set", "end", "note", "format")
"""The same in every row: a comment line would break other readers, and names contain `#`."""

Cells = Mapping[str, str]


def read_csv(path: Path) -> Manifest:
    """A manifest, or anyone's table with the columns `video` and `label`.

    In a table of one's own `label` may be a class name; what is absent is unknown.
    """
    table = read_table(path)
    _check_header(table.columns, path)
    rows = tuple(_row(row.cells, path, row.line) for row in table.rows)
    about = {name: _same(name, table) for name in SET_COLUMNS}
    if about["format"] not in ("", f"{FORMAT} {VERSION}"):
        raise LabelError(
            f"{path} is {about['format']!r}; this version reads {FORMAT} {VERSION}: write it anew "
            "with `hiprobe data check`"
        )
    end = about["end"] or "half-open"
    if end not in get_args(EndConvention):
        raise LabelError(f"{path}: end is {end!r}; it is inclusive or half-open")
    return Manifest(
        dataset=about["dataset"] or (path.parent.name if path.stem == "manifest" else path.stem),
        rows=rows,
        span_set=about["span_set"] or "official",
        end=cast(EndConvention, end),
        note=about["note"],
    )


def write_csv(manifest: Manifest, path: Path, *, paths: Mapping[Path, str]) -> None:
    """Write to `path`, with the text of each video's path from `paths`."""
    version = f"{FORMAT} {VERSION}"
    about = (manifest.dataset, manifest.span_set, manifest.end, manifest.note, version)
    rows = ((*_cells(r, paths[r.video]), *about) for r in manifest.rows)
    write_rows(path, (*COLUMNS, *SET_COLUMNS), rows, line_end="\n")


def _cells(r: ManifestRow, video: str) -> tuple[str | int, ...]:
    numbers = ("" if v is None else f"{v:.10g}" for v in (r.frame_count, r.fps))
    kind = (r.split, r.class_name, r.label, r.source)
    return (path_cell(video), r.name, *kind, *numbers, span_text(r.spans))


def absolute(path: Path) -> Path:
    """The full path; a link to a disk elsewhere stays the link that the user made."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def span_text(spans: Spans) -> str:
    """`60-180;200-220`, half-open."""
    return ";".join(f"{start}-{end}" for start, end in spans)


def parse_spans(text: str, *, where: str) -> Spans:
    """Spans of their text; `;` or spaces between them.

    Raises:
        LabelError: not such a text.
    """
    parts = (part.partition("-") for part in text.replace(";", " ").split())
    try:
        return tuple((int(start), int(end)) for start, _, end in parts)
    except ValueError:
        raise LabelError(
            f"{where}: spans {text!r}; write them in frames, as 60-180;200-220"
        ) from None


def _check_header(header: Sequence[str], path: Path) -> None:
    if "video" not in header or not {"label", "class"} & set(header):
        raise LabelError(
            f"{path} has the columns {', '.join(header) or 'none'}; a manifest needs video and "
            f"label, and may have {', '.join(COLUMNS)}"
        )
    if {"start_seconds", "end_seconds"} & set(header):
        raise LabelError(
            f"{path} lists stretches of videos; a manifest lists whole videos, with `spans` in "
            "frames. `hiprobe fit` takes such a table as it is"
        )


def _same(name: str, table: Table) -> str:
    values = {row.cells.get(name, "") for row in table.rows}
    if len(values) > 1:
        raise LabelError(f"{table.path}: the column {name} must be the same in every row: {values}")
    return values.pop() if values else ""


def _row(cells: Cells, path: Path, line: int) -> ManifestRow:
    where = f"{path}, line {line}"
    text, label = cells.get("video", ""), cells.get("label", "")
    class_name = cells.get("class", "") or label
    if not text or not class_name:
        raise LabelError(f"{where}: video {text!r}, label {class_name!r}; both must be filled in")
    number = int(label) if label in ("0", "1") else int(not looks_normal(class_name))
    try:
        return ManifestRow(
            video=path.parent / text_path(text),
            name=cells.get("name", "") or Path(text).with_suffix("").as_posix(),
            class_name=class_name,
            label=number,
            split=cells.get("split", ""),
            source=cells.get("source", ""),
            frame_count=int(cells["frames"]) if cells.get("frames") else None,
            fps=float(cells["fps"]) if cells.get("fps") else None,
            spans=parse_spans(cells.get("spans", ""), where=where),
        )
    except ValueError as error:
        raise LabelError(f"{where}: {error}; frames and fps are numbers or empty") from error
    except LabelError as error:
        raise LabelError(f"{where}: {error}") from error
