"""A folder of states as one table: every row of every file, with its times, in Parquet.

The table is made from the files themselves, so it can be made again at any time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hiprobe.errors import StatesError
from hiprobe.path_text import path_text
from hiprobe.states import Fingerprint
from hiprobe.store.atomic import atomic_path
from hiprobe.store.documents import MAX_WHOLE
from hiprobe.store.states_header import read_states_header, read_times
from hiprobe.walk import files_below

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


def _files(root: Path) -> list[Path]:
    return sorted(p for p in files_below(root) if p.suffix == ".safetensors")


def _rows(
    file: str, header: Mapping[str, Any], times: Mapping[str, Mapping[str, Any]], digest: str
) -> Iterator[dict[str, Any]]:
    notes = header["notes"]
    label = notes.get("label")
    shared = {
        "video": _written(notes.get("video")),
        "sha256": _written(notes.get("sha256")),
        "time_base_seconds": _number(notes.get("time_base_seconds")),
        "layers": header["layers"],
        "file": file,
        "outcome": header["outcome"],
        "fingerprint": digest,
        "label": None if label is None else _label(label),
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
            if abs(found[f"{end}_pts"]) > MAX_WHOLE:
                raise ValueError(f"its first_pts is {notes['first_pts'][:40]}")
    return found


def _label(text: str) -> int:
    if text not in ("0", "1"):
        raise ValueError(f"its label is {text!r}, not 0 or 1")
    return int(text)


def _written(text: str | None) -> str | None:
    """Text as Parquet can hold it: a byte of a file name that is no UTF-8 is shown as `\\xe9`."""
    return text and text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


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
