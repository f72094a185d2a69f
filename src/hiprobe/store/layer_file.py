"""States of one layer out of a folder with a manifest, as one array."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import StatesError
from hiprobe.path_text import text_path
from hiprobe.states import Reading
from hiprobe.store.array_files import open_tensors
from hiprobe.store.documents import DocumentError, check_schema
from hiprobe.store.parquet_file import read_parquet_table
from hiprobe.store.schemas import StatesRow
from hiprobe.store.states_manifest import MANIFEST_NAME


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
