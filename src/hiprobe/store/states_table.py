"""A folder of states as one table in Parquet, and one layer of all of them as an array."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.documents.arrays import open_tensors, read_parquet_table
from hiprobe.documents.checked import MAX_WHOLE, DocumentError, check_schema, files_below
from hiprobe.documents.schemas import StatesRow
from hiprobe.errors import StatesError
from hiprobe.fingerprint import Fingerprint
from hiprobe.names import path_text, text_path
from hiprobe.states import Reading, layers_at
from hiprobe.store.atomic import atomic_path
from hiprobe.store.states_file import read_states_header, read_times

MANIFEST_NAME = "states.parquet"
VERSION = 1


def write_states_manifest(folder: Path | str) -> Path:
    """Write `states.parquet` over all files of states at any depth; its path.

    One row for each reading of each segment, and of each whole clip (`unit` "clip", without a
    segment number). Columns: video, sha256, unit, segment, start_seconds, end_seconds,
    start_pts, end_pts, time_base_seconds, layers, reading, file (relative to the folder),
    tensor and row (where the state lies: float32 `[rows, layers, width]`), failed, reused (nothing
    had changed, so the state is that of the segment before), outcome, fingerprint, label, class,
    source. The schema's metadata holds the fingerprints in full.

    Raises:
        StatesError: a file is damaged.
        StorageError: the folder cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = Path(folder)
    rows: list[dict[str, Any]] = []
    made_by: dict[str, Any] = {}
    for path in sorted(p for p in files_below(root) if p.suffix == ".safetensors"):
        header = read_states_header(path)
        digest = Fingerprint(**header["fingerprint"]).digest
        made_by[digest] = header["fingerprint"]
        name = path_text(path.relative_to(root).as_posix())
        try:
            rows += _rows(name, header, read_times(path), digest)
        except (KeyError, ValueError, IndexError, OverflowError, ZeroDivisionError) as error:
            raise StatesError(
                f"{path} is damaged: times or notes that do not fit together ({error}); extract "
                "it again"
            ) from error
    about = {"version": VERSION, "fingerprints": made_by}
    schema = _schema(pa).with_metadata({b"hiprobe": json.dumps(about).encode()})
    target = root / MANIFEST_NAME
    # Opened here, since the library takes no path that is not UTF-8.
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
    return target


def _rows(
    file: str, header: Mapping[str, Any], times: Mapping[str, Mapping[str, Any]], digest: str
) -> Iterator[dict[str, Any]]:
    notes = header["notes"]
    label, ticks = notes.get("label"), notes.get("time_base_seconds")
    if label not in (None, "0", "1"):
        raise ValueError(f"its label is {label!r}, not 0 or 1")
    shared = {
        "video": _written(notes.get("video")),
        "sha256": _written(notes.get("sha256")),
        "time_base_seconds": None if ticks is None else float(ticks),
        "file": file,
        "outcome": header["outcome"],
        "fingerprint": digest,
        "label": None if label is None else int(label),
        "class": _written(notes.get("class")),
        "source": _written(notes.get("source")),
    }
    for unit, readings in header["readings"].items():
        for reading in readings:
            for row in range(len(times[unit]["start_seconds"])):
                yield {
                    **shared,
                    "unit": unit,
                    "segment": row if unit == "segments" else None,
                    "reading": reading,
                    "layers": [*layers_at(reading, header["layers"])],
                    "tensor": f"{unit}/{reading}",
                    "row": row,
                    "failed": bool(times[unit]["failed"][row]),
                    "reused": "reused" in times[unit] and bool(times[unit]["reused"][row]),
                    **_times(times[unit], row, notes),
                }


def _times(times: Mapping[str, Any], row: int, notes: Mapping[str, str]) -> dict[str, Any]:
    """Seconds as kept, and the timestamps that they were computed from."""
    found: dict[str, Any] = {}
    for end in ("start", "end"):
        seconds = float(times[f"{end}_seconds"][row])
        found[f"{end}_seconds"] = seconds
        if "first_pts" in notes:
            # Seconds were made by a division of whole ticks, so rounding gives the ticks back.
            steps = round(seconds / float(notes["time_base_seconds"]))
            found[f"{end}_pts"] = int(notes["first_pts"]) + steps
            if abs(found[f"{end}_pts"]) > MAX_WHOLE:
                raise ValueError(f"its first_pts is {notes['first_pts'][:40]}")
    return found


def _written(text: str | None) -> str | None:
    """Text as Parquet can hold it: a byte of a file name that is no UTF-8 is shown as `\\xe9`."""
    return text and text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _schema(pa: Any) -> Any:
    texts = ("video", "sha256", "unit", "reading", "file", "tensor", "outcome", "fingerprint")
    return pa.schema(
        [
            *((name, pa.string()) for name in texts),
            ("segment", pa.int32()),
            ("start_seconds", pa.float64()),
            ("end_seconds", pa.float64()),
            ("start_pts", pa.int64()),
            ("end_pts", pa.int64()),
            ("time_base_seconds", pa.float64()),
            ("layers", pa.list_(pa.int16())),
            ("row", pa.int32()),
            ("failed", pa.bool_()),
            ("reused", pa.bool_()),
            ("label", pa.int8()),
            ("class", pa.string()),
            ("source", pa.string()),
        ]
    )


def read_layer(
    folder: Path | str,
    layer: int,
    *,
    reading: Reading = "last",
    unit: str = "segments",
) -> tuple[list[dict[str, Any]], NDArray[np.float32]]:
    """All states of one layer in a folder, and the row of the manifest of each.

    Args:
        unit: "segments", or "clip" for one row for each whole clip.

    Returns:
        Rows of the manifest without failed ones, and float32 `[rows, width]` in their order.

    Raises:
        StatesError: no manifest, no such layer or reading, or states of different backbones.
    """
    root = Path(folder)
    rows = [
        row
        for row in _read_rows(root)
        if row["reading"] == reading and row["unit"] == unit and not row["failed"]
    ]
    if not rows:
        raise StatesError(f"{root} holds no {unit} read at {reading}; extract them")
    if len({row["fingerprint"] for row in rows}) > 1:
        raise StatesError(f"{root} holds states of several backbones or prompts; keep them apart")
    vectors = list(_vectors(root, rows, layer))
    if len({v.shape for v in vectors}) > 1:
        raise StatesError(f"{root} holds states of several widths; extract them again")
    return rows, np.stack(vectors)


def _read_rows(root: Path) -> list[dict[str, Any]]:
    path = root / MANIFEST_NAME
    try:
        rows = read_parquet_table(path).rows
    except (OSError, DocumentError) as error:
        raise StatesError(
            f"cannot read {path}: {error}; give a folder that `hiprobe extract` wrote"
        ) from error
    for row in rows:
        try:
            check_schema(row, StatesRow)
        except DocumentError as error:
            raise StatesError(f"{path} is damaged: {error}; extract again") from error
    return rows


def _vectors(root: Path, rows: list[dict[str, Any]], layer: int) -> Iterator[NDArray[np.float32]]:
    opened: dict[tuple[str, str], NDArray[np.float32]] = {}
    for row in rows:
        if layer not in row["layers"]:
            raise StatesError(f"{row['file']} holds layers {row['layers']}, not {layer}")
        key = (row["file"], row["tensor"])
        if key not in opened:
            try:
                with open_tensors(root / text_path(row["file"])) as file:
                    # One file at a time: rows of a file stand together, and a folder may hold more
                    # than fits.
                    opened = {key: file.column(row["tensor"], row["layers"].index(layer))}
            except (OSError, DocumentError) as error:
                raise StatesError(
                    f"cannot read {root / row['file']}: {error}; extract it again"
                ) from error
        if not 0 <= row["row"] < len(opened[key]):
            raise StatesError(
                f"{root / row['file']} has {len(opened[key])} rows, and the manifest names row "
                f"{row['row']}; extract again"
            )
        yield opened[key][row["row"]]
