"""Write a file whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hiprobe.store.os_lock import alone_in
from hiprobe.store.storage_errors import storage_error
from hiprobe.store.temporary import Temporary, sweep_once


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without error.

    The temporary keeps the suffix of `path`, since writers choose a format by it. It is synced
    to disk before the rename, and removed when the block raises. Files and folders get the
    permissions that the umask leaves. What killed runs left in the folder is swept.

    Raises:
        StorageError: the folder cannot be written or the disk is full.
        FileNameError: the file system does not take this name.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep_once(target.parent.absolute())
        temporary = Temporary.beside(target)
    except OSError as error:
        raise storage_error(target, error) from error
    try:
        yield temporary.path
        temporary.take_place_of(target)
    except OSError as error:
        raise storage_error(target, error) from error
    finally:
        temporary.remove()


@contextmanager
def alone_in_new(folder: Path) -> Iterator[None]:
    """Within the block no other process is in such a block for `folder`, which is made first.

    Raises:
        StorageError: the folder cannot be made or opened.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(alone_in(folder))
        except OSError as error:
            raise storage_error(folder, error) from error
        yield
