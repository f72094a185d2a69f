"""Text, JSON and tables as files: whole or not at all, valid UTF-8, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any

from hiprobe.path_text import path_text, utf8_text
from hiprobe.store.atomic import atomic_path

_HALF = re.compile("[\ud800-\udfff]")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet takes for a formula, behind quotes that stand for themselves or not."""


def write_text(path: Path | str, text: str) -> None:
    """Write a text as UTF-8; half characters of names are written out.

    Raises:
        StorageError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(utf8_text(text), encoding="utf-8")


def json_text(document: Any, *, indent: int | None = None) -> str:
    """Strict JSON that every reader takes: no NaN, no half characters.

    Raises:
        TypeError, ValueError: a value is not JSON.
    """
    text = json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False)
    return _HALF.sub(lambda half: json.dumps(utf8_text(half[0]))[1:-1], text)


def write_table(path: Path | str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file; see `write_rows`.

    Raises:
        StorageError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        write_rows(temporary, header, rows)


def write_rows(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], *, line_end: str = "\r\n"
) -> None:
    """Write a CSV file in place, its texts made harmless with `safe_cell`."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator=line_end)
        writer.writerow(header)
        writer.writerows(
            [safe_cell(value) if isinstance(value, str) else value for value in row] for row in rows
        )


def safe_cell(text: str) -> str:
    """A text as a cell that no spreadsheet runs: `'=1+1`; `plain_cell` turns it back.

    A number stays a number. Names and a model's words come from strangers.
    """
    text = utf8_text(text)
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def path_cell(path: PurePath | str) -> str:
    """A path as a cell: relative to the table, `./=a.mp4` is the same file to every reader."""
    text = path.as_posix() if isinstance(path, PurePath) else path
    told = path_text(text)
    return f"./{told}" if safe_cell(told) != told else told


def plain_cell(cell: str) -> str:
    """What `safe_cell` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
