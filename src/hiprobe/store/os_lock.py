"""A lock held by the system for an open file; it ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30
    """The byte that is locked, far behind the content: a locked byte cannot be read."""

    def try_lock(handle: int) -> bool:
        """Lock an open file without waiting; False where another process holds it."""
        try:
            os.lseek(handle, _FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    @contextlib.contextmanager
    def alone_in(folder: Path) -> Iterator[None]:
        """Not to be had here: a folder cannot be opened. Files are whole all the same."""
        yield

else:
    import fcntl

    def try_lock(handle: int) -> bool:
        """Lock an open file without waiting; False where another process holds it."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # also a file system without locks: then nobody can be shown to be gone
            return False
        return True

    @contextlib.contextmanager
    def alone_in(folder: Path) -> Iterator[None]:
        """For the length of a block, no other process is in such a block for this folder.

        It waits for the others. The folder itself is locked, so no file is left behind.
        """
        handle = os.open(folder, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
