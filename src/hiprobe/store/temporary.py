"""Files in the making: named after the process that writes them, swept when it is gone."""

from __future__ import annotations

import os
import re
import secrets
import stat
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hiprobe.store.os_lock import try_lock
from hiprobe.store.process_mark import ProcessMark, own_mark

_NAME = re.compile(r"\.hiprobe-(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)-(?P<start>\d+)-[0-9a-f]{8}")

_LONG_BYTES = 32

_FOREIGN_SECONDS = 3600.0
"""A file of another machine that nobody has touched for this long, and nobody holds, is left over.

Some writers put a new file in place of the one that is locked, so the lock alone does not tell.
"""


_OPEN: set[Path] = set()
"""Files that this process is making. A signal may strike between making one and the block that
removes it, so they are noted before they are made."""


@dataclass(frozen=True)
class Temporary:
    """A new, empty file beside a target.

    Attributes:
        mode: its permissions as the system gave them, so that they follow the umask.
    """

    path: Path
    mode: int
    _handle: int | None

    @classmethod
    def beside(cls, target: Path) -> Temporary:
        """Make one; it keeps the ending of `target`, since writers choose a format by it.

        Raises:
            OSError: the folder cannot be written.
        """
        mark = own_mark()
        name = f".hiprobe-{mark.machine}-{mark.pid}-{mark.started}-{secrets.token_hex(4)}"
        # an ending as long as this is none of a format, and would make the name too long
        ending = target.suffix if len(os.fsencode(target.suffix)) < _LONG_BYTES else ""
        path = target.parent / f"{name}{ending}"
        _OPEN.add(path)
        handle = os.open(
            path, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o666
        )
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        if sys.platform == "win32":  # an open file cannot be renamed there
            os.close(handle)
            return cls(path, mode, None)
        try_lock(handle)
        return cls(path, mode, handle)

    def take_place_of(self, target: Path) -> None:
        """Sync to the disk, then rename.

        Raises:
            OSError: the disk is full, or the file gone.
        """
        _sync(self.path)
        if stat.S_IMODE(self.path.stat().st_mode) != self.mode:  # safetensors makes it private
            self.path.chmod(self.mode)
        self.path.replace(target)

    def remove(self) -> None:
        """Drop it unless it has taken its place."""
        try:
            self.path.unlink(missing_ok=True)
            _OPEN.discard(self.path)
        finally:
            if self._handle is not None:
                os.close(self._handle)


def remove_open() -> None:
    """Remove what this process was making, for a command that was stopped in the middle of it."""
    for path in list(_OPEN):
        with suppress(OSError):
            path.unlink(missing_ok=True)
        _OPEN.discard(path)


def sweep(folder: Path) -> None:
    """Remove what killed processes left in a folder, never what a living one still writes."""
    with suppress(OSError):  # not there, or not to be listed
        for entry in os.scandir(folder):
            found = _NAME.match(entry.name)
            if found is not None:
                mark = ProcessMark(found["machine"], int(found["pid"]), int(found["start"]))
                _remove_if_left(Path(entry.path), mark)


@cache
def sweep_once(folder: Path) -> None:
    """`sweep` for the first writing into a folder; a process need not look again."""
    sweep(folder)


def _remove_if_left(path: Path, mark: ProcessMark) -> None:
    if mark.is_running:
        return
    with suppress(OSError):  # its writer has just finished, or it is someone else's
        if not mark.is_of_this_machine and time.time() - path.stat().st_mtime < _FOREIGN_SECONDS:
            return
        handle = os.open(path, os.O_RDWR)
        try:
            if try_lock(handle):
                path.unlink()
        finally:
            os.close(handle)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
