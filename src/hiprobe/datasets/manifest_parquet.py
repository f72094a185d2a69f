"""Manifests as Parquet: types kept, facts of the set in the schema's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hiprobe.datasets.manifest_row import FORMAT, VERSION, Manifest, ManifestRow
from hiprobe.errors import LabelError
from hiprobe.path_text import text_path
from hiprobe.store.documents import DocumentError, check_schema, parse_json
from hiprobe.store.parquet_file import read_parquet_table
from hiprobe.store.schemas import ManifestAbout, ManifestCells

KEY = b"hiprobe"


def read_parquet(path: Path) -> Manifest:
    """Read what `write_parquet` wrote."""
    try:
        table = read_parquet_table(path)
    except (OSError, DocumentError) as error:
        raise LabelError(f"cannot read {path} as Parquet: {error}") from error
    about = _about(table.metadata, path)
    try:
        check_schema(about, ManifestAbout)
        rows = tuple(_row(cells, path) for cells in table.rows)
        return Manifest(
            about["dataset"], rows, about["span_set"], about["end"], about.get("note", "")
        )
    except LabelError as error:
        raise LabelError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise LabelError(f"{path} lacks a column, or holds another type: {error}") from error


def write_parquet(manifest: Manifest, path: Path, *, paths: Mapping[Path, str]) -> None:
    """Write to `path`, with the text of each video's path from `paths`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    about = {
        "format": FORMAT,
        "version": VERSION,
        "dataset": manifest.dataset,
        "span_set": manifest.span_set,
        "end": manifest.end,
        "note": manifest.note,
    }
    schema = _schema(pa).with_metadata({KEY: json.dumps(about).encode()})
    rows = [_cells(row, paths[row.video]) for row in manifest.rows]
    with path.open("wb") as file:  # the library takes no path that is not UTF-8
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)


def _schema(pa: Any) -> Any:
    span = pa.struct([("start", pa.int64()), ("end", pa.int64())])
    texts = [(name, pa.string()) for name in ("video", "name", "split", "class")]
    return pa.schema(
        [
            *texts,
            ("label", pa.int8()),
            ("source", pa.string()),
            ("frames", pa.int64()),
            ("fps", pa.float64()),
            ("spans", pa.list_(span)),
        ]
    )


def _cells(row: ManifestRow, video: str) -> dict[str, Any]:
    return {
        "video": video,
        "name": row.name,
        "split": row.split,
        "class": row.class_name,
        "label": row.label,
        "source": row.source,
        "frames": row.frame_count,
        "fps": row.fps,
        "spans": [{"start": start, "end": end} for start, end in row.spans],
    }


def _row(cells: Mapping[str, Any], path: Path) -> ManifestRow:
    check_schema(cells, ManifestCells)
    return ManifestRow(
        video=path.parent / text_path(cells["video"]),
        name=cells["name"],
        class_name=cells["class"],
        label=cells["label"],
        split=cells["split"],
        source=cells["source"],
        frame_count=cells["frames"],
        fps=cells["fps"],
        spans=tuple((span["start"], span["end"]) for span in cells["spans"]),
    )


def _about(metadata: Mapping[bytes, bytes], path: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = parse_json(metadata.get(KEY, b"{}"), dict[str, Any])
    except DocumentError:
        about = {}
    if (about.get("format"), about.get("version")) != (FORMAT, VERSION):
        found = f"{about.get('format', 'no manifest')} {about.get('version', '')}".strip()
        raise LabelError(
            f"{path} is {found}; this version reads {FORMAT} {VERSION}: write it anew with "
            "`hiprobe data check`"
        )
    return about
