"""Parquet tables as rows of Python values, with limits that are checked before reading."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe.store.documents import DocumentError
from hiprobe.store.plain_files import MIB, check_plain

LIMIT_BYTES = 1024 * MIB
"""Of the file, and of what it unfolds to: some million rows."""

LIMIT_ROWS = 20_000_000


@dataclass(frozen=True)
class ParquetTable:
    """All of a table.

    Attributes:
        rows: one dictionary for each row, by column.
        metadata: of its schema.
    """

    rows: list[dict[str, Any]]
    metadata: dict[bytes, bytes]


def read_parquet_table(path: Path) -> ParquetTable:
    """Read a whole table.

    Raises:
        OSError: it is not there, no regular file, or too large.
        DocumentError: it is no Parquet, damaged, or unfolds to more than the limits.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_plain(path, limit_bytes=LIMIT_BYTES)
    try:
        with pq.ParquetFile(path) as file:
            _refuse_huge(file.metadata)
            table = file.read(use_threads=False)
        table.validate(full=True)  # damaged offsets would be followed without it
        return ParquetTable(table.to_pylist(), dict(table.schema.metadata or {}))
    except DocumentError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise DocumentError(f"it is no sound Parquet: {error}") from error
    except (OverflowError, RecursionError, MemoryError, NotImplementedError) as error:
        raise DocumentError(f"it is no sound Parquet: {error or type(error).__name__}") from error


def _refuse_huge(about: Any) -> None:
    groups = [about.row_group(n) for n in range(about.num_row_groups)]
    unfolded = sum(max(group.total_byte_size, 0) for group in groups)
    if about.num_rows > LIMIT_ROWS or unfolded > LIMIT_BYTES:
        raise DocumentError(
            f"it claims {about.num_rows:,} rows and {unfolded / MIB:,.0f} MiB; a table here has at "
            f"most {LIMIT_ROWS:,} rows and {LIMIT_BYTES / MIB:,.0f} MiB"
        )
