"""Readers of score files: what each format holds, before it is brought to frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.table_text import read_table
from hiprobe.errors import EvaluationError
from hiprobe.gaps import without_gaps
from hiprobe.store.array_files import NUMBERS_LIMIT_BYTES, read_npy, read_npz
from hiprobe.store.documents import DocumentError, check_schema, read_json
from hiprobe.store.schemas import TimelineScores
from hiprobe.walk import files_below

_BOUNDS = {"frame": ("start_frame", "end_frame"), "seconds": ("start_seconds", "end_seconds")}
"""Columns of a table of segments."""


@dataclass(frozen=True)
class RawScores:
    """Scores of one video as its file has them; starts and ends None for plain lists."""

    scores: NDArray[np.float64]
    starts: NDArray[np.float64] | None = None
    ends: NDArray[np.float64] | None = None
    in_seconds: bool = False


def read_raw(source: Path) -> dict[str, RawScores]:
    """Scores by the names in the file; the formats are those of `score_files`.

    Raises:
        EvaluationError: no such format, or the file is not as it should be.
    """
    readers = {".npz": _read_npz, ".json": _read_json, ".csv": _read_csv}
    if not source.is_dir() and (source.suffix.lower() not in readers or not source.is_file()):
        raise EvaluationError(
            f"{source} is no readable score file; give a .npy, .npz, .json or .csv, or a folder"
        )
    try:
        return _read_folder(source) if source.is_dir() else readers[source.suffix.lower()](source)
    except EvaluationError as error:
        if str(source) in str(error):
            raise
        raise EvaluationError(f"{source}: {error}") from error
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise EvaluationError(
            f"{source} cannot be read as scores ({type(error).__name__}: {error}); see "
            "`hiprobe evaluate --help` for the formats"
        ) from error


def _read_folder(source: Path) -> dict[str, RawScores]:
    arrays = sorted(p for p in files_below(source) if p.suffix.lower() == ".npy")
    if arrays:
        return {f.relative_to(source).as_posix(): RawScores(load_array(f)) for f in arrays}
    documents = [f for f in sorted(source.glob("*.json")) if _is_timeline(f)]
    if not documents:
        raise EvaluationError(f"{source} holds neither .npy files nor detections in .json")
    found: dict[str, RawScores] = {}
    for file in documents:
        for name, raw in _read_json(file).items():
            if name in found:
                raise EvaluationError(
                    f"{source} holds two detections of {name} (the second: {file.name}); give the "
                    "results of one run"
                )
            found[name] = raw
    return found


def _is_timeline(path: Path) -> bool:
    try:
        found = read_json(path, limit_bytes=NUMBERS_LIMIT_BYTES, nan=True, names=True)
    except (OSError, DocumentError):
        return False
    return isinstance(found, dict) and found.get("format") == "hiprobe-timeline"


def _read_npz(source: Path) -> dict[str, RawScores]:
    return {name: RawScores(_floats(array)) for name, array in read_npz(source).items()}


def _read_json(source: Path) -> dict[str, RawScores]:
    found = read_json(source, limit_bytes=NUMBERS_LIMIT_BYTES, nan=True, names=True)
    if not isinstance(found, dict):
        raise EvaluationError(f"{source} cannot be read as scores: give {{video: [scores]}}")
    if found.get("format") == "hiprobe-timeline":
        check_schema(found, TimelineScores)
        return {str(found["video"]): _of_timeline(found["segments"])}
    check_schema(found, dict[str, list[float | list[float | None] | None]])
    return {str(name): _of_list(values) for name, values in found.items()}


def _of_timeline(segments: Sequence[Mapping[str, Any]]) -> RawScores:
    columns = [[s[key] for s in segments] for key in ("smoothed", "start_seconds", "end_seconds")]
    scores, starts, ends = (np.array(c, dtype=np.float64) for c in columns)
    # Frames are counted, and there are none in a gap.
    starts, ends = without_gaps(starts, ends)
    return RawScores(scores, starts, ends, in_seconds=True)


def _of_list(values: Sequence[Any]) -> RawScores:
    array = np.array(values, dtype=np.float64)
    if array.ndim == 1:
        return RawScores(array)
    if array.ndim == 2 and array.shape[1] == 3:
        return RawScores(array[:, 2], array[:, 0], array[:, 1])
    raise EvaluationError(
        f"scores of shape {list(array.shape)}; give a list of scores or of [start, end, score]"
    )


def _read_csv(source: Path) -> dict[str, RawScores]:
    table = read_table(source, error=EvaluationError, limit_bytes=NUMBERS_LIMIT_BYTES)
    columns = set(table.columns)
    unit = next((u for u, bounds in _BOUNDS.items() if columns & set(bounds)), None)
    bounds = _BOUNDS.get(unit or "", ())
    missing = {"video", "score", *bounds} - columns
    if missing:
        raise EvaluationError(
            f"{source} has the columns {', '.join(sorted(columns)) or 'none'}; "
            f"{', '.join(sorted(missing))} is missing: give video,score and for segments "
            "start_frame,end_frame or start_seconds,end_seconds"
        )
    grouped: dict[str, list[list[float]]] = {}
    for row in table.rows:
        numbers = _numbers([row.cells[name] for name in ("score", *bounds)], table.where(row))
        grouped.setdefault(row.cells["video"], []).append(numbers)
    return {name: _of_rows(np.array(own), unit) for name, own in grouped.items()}


def _numbers(cells: Sequence[str], where: str) -> list[float]:
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        raise EvaluationError(
            f"{where}: {', '.join(map(repr, cells))} are not all numbers"
        ) from None


def _of_rows(rows: NDArray[np.float64], unit: str | None) -> RawScores:
    if unit is None:
        return RawScores(rows[:, 0])
    return RawScores(rows[:, 0], rows[:, 1], rows[:, 2], in_seconds=unit == "seconds")


def load_array(source: Path) -> NDArray[np.float64]:
    """A flat array of numbers.

    Raises:
        EvaluationError: it is none.
    """
    try:
        return _floats(read_npy(source))
    except EvaluationError as error:
        raise EvaluationError(f"{source}: {error}") from error
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{source} is no plain array of numbers: {error}") from error


def _floats(array: Any) -> NDArray[np.float64]:
    flat = np.asarray(array, dtype=np.float64).squeeze()
    if flat.ndim > 1:
        raise EvaluationError(f"scores of shape {list(flat.shape)}; give one score for each frame")
    return flat.reshape(-1)
