"""Lists and tables that come with a data set."""

from __future__ import annotations

from pathlib import Path

from hiprobe.errors import DatasetError
from hiprobe.store.plain_files import read_text as read_plain_text


def read_text(file: Path) -> str:
    """Its text as UTF-8.

    Raises:
        DatasetError: it cannot be read, or is no UTF-8.
    """
    try:
        return read_plain_text(file)
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read the list {file}: {error}") from error
