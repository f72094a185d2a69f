"""A folder of states as one table: every row of every file, with its times, in Parquet.

The table is made from the files themselves, so it can be made again at any time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hiprobe.path_text import path_text
from hiprobe.states import Fingerprint
from hiprobe.store.atomic import atomic_path
from hiprobe.store.states_header import read_states_header, read_times

MANIFEST_NAME = "states.parquet"
VERSION = 1


def write_states_manifest(folder: Path | str) -> Path:
    """Write `states.parquet` over all files of states at any depth; its path.

    One row for each reading of each segment, and of each whole clip (`unit` "clip", without a
    segment number). Columns: video, sha256, unit, segment, start_seconds, end_seconds,
    start_pts, end_pts, time_base_seconds, layers, reading, file (relative to the folder),
    tensor and row (where the state lies: float32 `[rows, layers, width]`), failed, outcome,
    fingerprint, label, class, source. The schema's metadata holds the fingerprints in full.

    Raises:
        StatesError: a file is damaged.
        StorageError: the folder cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = Path(folder)
    rows: list[dict[str, Any]] = []
    made_by: dict[str, Any] = {}
    for path in _files(root):
        header = read_states_header(path)
        digest = Fingerprint(**header["fingerprint"]).digest
        made_by[digest] = header["fingerprint"]
        rows += _rows(
            path_text(path.relative_to(root).as_posix()), header, read_times(path), digest
        )
    about = {"version": VERSION, "fingerprints": made_by}
    schema = _schema(pa).with_metadata({b"hiprobe": json.dumps(about).encode()})
    target = root / MANIFEST_NAME
    # Opened here, since the library takes no path that is not UTF-8.
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
    return target


def _files(root: Path) -> list[Path]:
    found = root.rglob("*.safetensors")
    return sorted(p for p in found if not any(x[0] == "." for x in p.relative_to(root).parts))


def _rows(
    file: str, header: Mapping[str, Any], times: Mapping[str, Mapping[str, Any]], digest: str
) -> Iterator[dict[str, Any]]:
    notes = header["notes"]
    label = notes.get("label")
    shared = {
        "video": notes.get("video"),
        "sha256": notes.get("sha256"),
        "time_base_seconds": _number(notes.get("time_base_seconds")),
        "layers": header["layers"],
        "file": file,
        "outcome": header["outcome"],
        "fingerprint": digest,
        "label": None if label is None else int(label),
        "class": notes.get("class"),
        "source": notes.get("source"),
    }
    for unit, readings in header["readings"].items():
        for reading in readings:
            for row in range(len(times[unit]["start_seconds"])):
                yield {
                    **shared,
                    "unit": unit,
                    "segment": row if unit == "segments" else None,
                    "reading": reading,
                    "tensor": f"{unit}/{reading}",
                    "row": row,
                    "failed": bool(times[unit]["failed"][row]),
                    **_times(times[unit], row, notes),
                }


def _times(times: Mapping[str, Any], row: int, notes: Mapping[str, str]) -> dict[str, Any]:
    """Seconds as kept, and the timestamps that they were computed from."""
    found: dict[str, Any] = {}
    for end in ("start", "end"):
        seconds = float(times[f"{end}_seconds"][row])
        found[f"{end}_seconds"] = seconds
        if "first_pts" in notes:
            steps = round(seconds / float(notes["time_base_seconds"]))
            found[f"{end}_pts"] = int(notes["first_pts"]) + steps
    return found


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


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
            ("label", pa.int8()),
            ("class", pa.string()),
            ("source", pa.string()),
        ]
    )
