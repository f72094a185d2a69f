"""Write a file whole or not at all, and sweep what killed runs have left."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hiprobe.failures import storage_error
from hiprobe.names import is_object
from hiprobe.objects import local_stand_in, put
from hiprobe.settings import copies_folder

_TEMPORARY = re.compile(
    r"\.hiprobe-(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)-(?P<start>\d+)-[0-9a-f]{8}"
)

# No format's ending is as long as this.
_LONG_BYTES = 32

# A file of another machine that nobody has touched for this long, and nobody holds, is left over.
# Some writers put a new file in place of the one that is locked, so the lock alone does not prove
# that it is this file.
_FOREIGN_SECONDS = 3600.0

# Two readings of one process's start differ by less; the clock may be set in between.
_START_SECONDS = 2


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path next to `path` that takes its place when the block ends without error.

    The temporary has the suffix of `path`, since writers choose a format by it. It is synced
    to disk before the rename, and removed when the block raises. Files and folders get the
    permissions that the umask leaves. What killed runs left in the folder is swept. For a place in
    an object store it is a file of this machine, which is sent when the block ends.

    Raises:
        StorageError: the folder cannot be written or the disk is full.
        FileNameError: the file system does not take this name.
    """
    place = Path(path)
    target = copies_folder() / "sent" / place.name if is_object(place) else place
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep_once(target.parent.absolute())
        temporary = _Temporary.next_to(target)
    except OSError as error:
        raise storage_error(target, error) from error
    try:
        yield temporary.path
        if target is place:
            temporary.take_place_of(target)
        else:
            put(temporary.path, place)
    except OSError as error:
        raise storage_error(target, error) from error
    finally:
        temporary.remove()


@contextmanager
def alone_in_new(folder: Path) -> Iterator[None]:
    """Within the block no other process is in such a block for `folder`, which is made first.

    For a folder in an object store this holds among the processes of this machine.

    Raises:
        StorageError: the folder cannot be made or opened.
    """
    folder = local_stand_in(folder)
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(alone_in(folder))
        except OSError as error:
            raise storage_error(folder, error) from error
        yield


# Files that this process is making. A signal may strike between making one and the block that
# removes it, so they are noted before they are made.
_OPEN: set[Path] = set()


@dataclass(frozen=True)
class _Temporary:
    """A new, empty file next to a target.

    Attributes:
        mode: its permissions as the system gave them, so that they follow the umask.
    """

    path: Path
    mode: int
    _handle: int | None

    @classmethod
    def next_to(cls, target: Path) -> _Temporary:
        """Make one with the ending of `target`.

        Raises:
            OSError: the folder cannot be written.
        """
        mark = own_mark()
        name = f".hiprobe-{mark.machine}-{mark.pid}-{mark.started}-{secrets.token_hex(4)}"
        # an ending as long as this is none of a format, and would make the name too long
        ending = target.suffix if len(os.fsencode(target.suffix)) < _LONG_BYTES else ""
        path = target.parent / f"{name}{ending}"
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
        _OPEN.add(path)
        handle = os.open(path, flags, 0o666)
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
        # Without the sync a power cut could leave the new name with an empty file.
        handle = os.open(self.path, os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        if stat.S_IMODE(self.path.stat().st_mode) != self.mode:  # safetensors makes it private
            self.path.chmod(self.mode)
        self.path.replace(target)

    def remove(self) -> None:
        """Remove it, unless it has taken the place of its target."""
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
            found = _TEMPORARY.match(entry.name)
            if found is None:
                continue
            mark = ProcessMark(found["machine"], int(found["pid"]), int(found["start"]))
            if mark.is_running:
                continue
            with suppress(OSError):  # its writer has just finished, or it is someone else's
                age = time.time() - entry.stat().st_mtime
                if mark.is_of_this_machine or age >= _FOREIGN_SECONDS:
                    remove_unless_locked(Path(entry.path))


@cache
def _sweep_once(folder: Path) -> None:
    sweep(folder)  # once for each folder that is written into: a process need not look again


@dataclass(frozen=True)
class ProcessMark:
    """A process of some machine.

    Attributes:
        machine: 8 hexadecimal digits; containers that number their processes apart differ in it.
        pid: its number there.
        started: when it began, in whole seconds since 1970, since numbers are given out again.
    """

    machine: str
    pid: int
    started: int

    @property
    def is_of_this_machine(self) -> bool:
        """True where its number can be looked up here."""
        return self.machine == _machine()

    @property
    def is_running(self) -> bool:
        """True where it is of this machine and lives."""
        if not self.is_of_this_machine:
            return False
        started = _start_of(self.pid)
        return started is not None and abs(started - self.started) <= _START_SECONDS


def own_mark() -> ProcessMark:
    """The mark of this process; a forked child has another."""
    return _mark_of(os.getpid())


@cache
def _mark_of(pid: int) -> ProcessMark:
    return ProcessMark(_machine(), pid, _start_of(pid) or 0)


@cache
def _machine() -> str:
    try:
        # In a container numbers of processes mean others than outside of it.
        numbering = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - the link's text is no path
    except OSError:  # not Linux
        numbering = ""
    return hashlib.sha256(f"{socket.gethostname()} {numbering}".encode()).hexdigest()[:8]


def _start_of(pid: int) -> int | None:
    import psutil  # only where something is written: keeps `import hiprobe` light

    try:
        began: float = psutil.Process(pid).create_time()
        return round(began)
    except psutil.NoSuchProcess:
        return None
    except psutil.Error:  # it is there, and belongs to someone else
        return 0


def remove_unless_locked(path: Path) -> bool:
    """Remove a file that no process has locked; False where one has.

    Raises:
        OSError: it is gone, or may not be removed.
    """
    handle = os.open(path, os.O_RDWR)
    try:
        is_free = try_lock(handle)
        if is_free and sys.platform != "win32":
            path.unlink()
    finally:
        os.close(handle)
    if is_free and sys.platform == "win32":  # an open file cannot be removed there
        path.unlink()
    return is_free


if sys.platform == "win32":
    import msvcrt

    # The byte that is locked, far behind the content: a locked byte cannot be read.
    _FAR = 1 << 30

    def try_lock(handle: int) -> bool:
        """Lock an open file without waiting; False where another process holds it."""
        before = os.lseek(handle, 0, os.SEEK_CUR)
        try:
            os.lseek(handle, _FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(handle, before, os.SEEK_SET)  # what is written next belongs at the front
        return True

    @contextmanager
    def alone_in(folder: Path) -> Iterator[None]:
        """Nothing here, where a folder cannot be opened; files are whole all the same."""
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

    @contextmanager
    def alone_in(folder: Path) -> Iterator[None]:
        """For the length of a block, no other process is in such a block for this folder.

        It waits for the others. The folder itself is locked, so no file is left behind.
        """
        handle = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
