"""Write a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hiprobe.store.storage_errors import storage_error

_LONG = 32
"""No format has an ending as long as this, which would make the temporary's name too long."""


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without error.

    The temporary keeps the suffix of `path`, since writers choose a format by it. It is synced
    to disk before the rename, and removed when the block raises.

    Raises:
        StorageError: the folder cannot be written or the disk is full.
        FileNameError: the file system does not take this name.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        ending = target.suffix if len(target.suffix.encode(errors="replace")) < _LONG else ""
        handle, name = tempfile.mkstemp(prefix=".", suffix=ending, dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise storage_error(target, error) from error
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        temporary.chmod(0o644)
        temporary.replace(target)
    except OSError as error:
        raise storage_error(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
