"""What belongs to one file of many: it is listed with its reason, and the others are done.

Every loop over files asks `failure_of` what an error means; nothing else decides it.
"""

from __future__ import annotations

import errno
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hiprobe.errors import HiProbeError, StorageError
from hiprobe.path_text import shown, utf8_text
from hiprobe.store.storage_errors import FULL, errno_of, storage_error

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
