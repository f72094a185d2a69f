"""Why a file could not be read or written, and what belongs to one file of many."""

from __future__ import annotations

import errno
import re
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hiprobe.errors import FileNameError, HiProbeError, StorageError
from hiprobe.names import shown, utf8_text

FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
"""No space left on the disk, in the user's share of it, or for one file."""

_OF_THE_NAME = {
    errno.ENAMETOOLONG: "the name or its path is too long; choose a folder with a shorter path",
    errno.EILSEQ: "the file system cannot hold this name; rename the file or {elsewhere}",
    errno.EINVAL: "the file system cannot hold this name; rename the file or {elsewhere}",
    errno.EISDIR: "a folder of this name is in the way; move it or {elsewhere}",
}

_OF_THE_DISK = {
    errno.ENOSPC: "the disk is full; free some disk space or {elsewhere}",
    errno.EDQUOT: "your share of the disk is used up; remove files of yours or choose another "
    "folder",
    errno.EFBIG: "there is no room for a file this large; free some space, raise the limit on a "
    "file's size (ulimit -f) or {elsewhere}",
    errno.EACCES: "you may not write there; change the permissions or {elsewhere}",
    errno.EPERM: "you may not write there; change the permissions or {elsewhere}",
    errno.EROFS: "the disk is mounted read-only; {elsewhere}",
    errno.ENOTDIR: "a part of its path is a file, not a folder; {elsewhere}",
    errno.EEXIST: "a file is where a folder is needed; {elsewhere}",
    errno.EIO: "the disk failed; check it, or choose a folder on another one",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n)",
}


def storage_error(
    path: Path | str, error: Exception, *, elsewhere: str = "choose another folder"
) -> StorageError:
    """What to raise from an error met while writing `path`; `elsewhere` says how to write there.

    A name that the file system does not take belongs to one file (`FileNameError`); a full disk,
    or a folder that cannot be written, to the whole run.
    """
    number = errno_of(error)
    remedy = _OF_THE_NAME.get(number) or _OF_THE_DISK.get(number)
    if remedy is None:
        reason = getattr(error, "strerror", None) or error
        return StorageError(f"cannot write {path} ({reason}); check the disk or {elsewhere}")
    kind = FileNameError if number in _OF_THE_NAME else StorageError
    return kind(f"cannot write {path}: {remedy.format(elsewhere=elsewhere)}")


def errno_of(error: BaseException) -> int:
    """The system's number of an error, 0 where it has none.

    Libraries in Rust raise errors of their own, which tell it in words.
    """
    if isinstance(number := getattr(error, "errno", None), int):
        return number
    told = re.search(r"\(os error (\d+)\)", str(error))
    return int(told[1]) if told else 0


LOG_NAME = "errors.log"
"""File in the cache folder with the tracebacks of errors that nobody expected."""

_LOG_BYTES = 1_000_000
"""A longer log begins anew: one bad folder may have thousands of files."""

_OUTSIDE = frozenset((errno.EPIPE, errno.EBADF))
"""Who reads our output has gone; it says nothing about a file."""


@dataclass(frozen=True)
class Failure:
    """A file that could not be used, and why."""

    video: Path
    reason: str


def failure_of(file: Path, error: Exception) -> Failure:
    """What to list for an error that was met while working on `file`.

    An error of another kind than HiProbe's own is listed as unexpected, with its place in the
    code, and its traceback goes to the log.

    Raises:
        HiProbeError: the error itself, where it ends the whole run.
        StorageError: the disk is full.
    """
    if isinstance(error, HiProbeError):
        if not error.of_one_file:
            raise error
        return Failure(file, str(error))
    if errno_of(error) in FULL:
        raise _full(error) from error
    if errno_of(error) in _OUTSIDE or _is_of_the_command_line(error):
        raise error
    return Failure(file, _unexpected(file, error))


def _full(error: Exception) -> StorageError:
    return storage_error(getattr(error, "filename", None) or "the results", error)


def _is_of_the_command_line(error: Exception) -> bool:
    # Ends a command on purpose; click is not imported for it.
    return type(error).__module__.partition(".")[0] == "click"


def _unexpected(file: Path, error: Exception) -> str:
    what = type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        return shown(
            f"{file} cannot be read or written ({error.strerror}); check the path, its permissions "
            "and the disk"
        )
    if isinstance(error, MemoryError):
        return shown(f"{file} needs more memory than there is; scale it down or cut it")
    said = f": {error}" if str(error) else ""
    log = _log(file, error)
    where = "" if log is None else f"; the traceback is in {log}"
    return shown(
        f"{file} ended with an unexpected error, {what}{said} (at {_place(error)}){where}; please "
        "report it"
    )


def _place(error: Exception) -> str:
    """File and line of ours where it came from, the innermost; of another's where none is ours."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if f"{Path(__file__).parent}" in f.filename]
    return next((f"{Path(f.filename).name}:{f.lineno}" for f in (ours or frames)[::-1]), "?")


def _log(file: Path, error: Exception) -> Path | None:
    """Add the traceback to the log; None where that is not possible either."""
    from hiprobe.settings import cache_folder

    with suppress(OSError):
        path = cache_folder() / LOG_NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = "w" if path.is_file() and path.stat().st_size > _LOG_BYTES else "a"
        told = "".join(traceback.format_exception(error))
        with path.open(mode, encoding="utf-8") as log:
            log.write(utf8_text(f"{time.strftime('%F %T')} {shown(file)}\n{told}\n"))
        return path
    return None
