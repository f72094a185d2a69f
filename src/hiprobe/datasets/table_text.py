"""CSV text to rows: the one reader behind clips, manifests, spans and scores.

A cell may hold anything that a spreadsheet writes, line breaks in quotation marks included. What
no table should hold (NUL bytes, more cells than columns, a quotation mark that is never closed)
is refused with its line, since reading past it would shift every row after it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hiprobe.documents.checked import TABLE_LIMIT_BYTES, read_plain
from hiprobe.errors import HiProbeError, LabelError
from hiprobe.store.text_files import plain_cell

# Tried in this order on the header; a semicolon comes from spreadsheets with a decimal comma.
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class TableRow:
    """One row: the line that it begins on, counted from 1, and its cells by column, stripped."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class TextTable:
    """A table in memory; columns in lower case, rows without the blank ones."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]

    def where(self, row: TableRow) -> str:
        """File and line, as messages begin."""
        return f"{self.path}, line {row.line}"


def read_table(
    path: Path,
    *,
    error: type[HiProbeError] = LabelError,
    limit_bytes: int = TABLE_LIMIT_BYTES,
) -> TextTable:
    """The table of a UTF-8 text with a header, separated by commas, semicolons or tabs.

    Cells that are missing at the end of a row are empty.

    Args:
        error: class of what is raised.
        limit_bytes: refuse a larger file.

    Raises:
        LabelError (or `error`): it cannot be read, is no UTF-8, or a row does not fit the header;
            the message names the line.
    """
    text = _text_of(path, error, limit_bytes)
    header = text.partition("\n")[0]
    delimiter = next((d for d in _DELIMITERS if d in header), ",")
    records = _records(text, delimiter, path, error)
    _, first = next(records, (1, []))
    columns = tuple(" ".join(cell.split()).lower() for cell in first)
    named = [name for name in columns if name]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise error(f"{path} has the column {twice[0]} twice; keep one of them")
    rows = []
    for line, record in records:
        cells = [plain_cell(cell.strip()) for cell in record]
        if any(cells[len(columns) :]):
            raise error(
                f"{path}, line {line} has {len(cells)} cells under {len(columns)} columns; a cell "
                f"with {delimiter!r} in it stands in quotation marks"
            )
        if any(cells):
            blank = [""] * (len(columns) - len(cells))
            rows.append(TableRow(line, dict(zip(columns, [*cells, *blank], strict=False))))
    return TextTable(path, tuple(named), tuple(rows))


def _text_of(path: Path, error: type[HiProbeError], limit_bytes: int) -> str:
    try:
        content = read_plain(path, limit_bytes=limit_bytes)
        # Spreadsheets put a byte order mark first, which would be part of the first column's name.
        text = content.decode("utf-8-sig")
    except OSError as cause:
        raise error(f"cannot read {path}: {cause.strerror or cause}; check the path") from cause
    except UnicodeDecodeError as cause:
        raise error(
            f"cannot read {path} as a UTF-8 table: {cause}; save it as CSV in UTF-8"
        ) from cause
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise error(f"{path}, line {line} holds a NUL byte: it is no text; save it as CSV in UTF-8")
    return text


def _records(
    text: str, delimiter: str, path: Path, error: type[HiProbeError]
) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line that it begins on."""
    # newline="" keeps line breaks inside of quotation marks, which splitlines() would cut at.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as cause:
            raise error(
                f"{path}, line {line}: {cause}; is a quotation mark missing there?"
            ) from cause
        if record is None:
            return
        yield line, record
