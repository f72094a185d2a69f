"""Errors met while working on many files: which belong to one file, and what to say of each.

`failure_of` turns an error into an entry of the list of failures, or raises it where it ends the
whole run. `storage_error` finds the remedy for what the system says while something is written.
"""

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

# File in the cache folder with the tracebacks of errors that nobody expected.
LOG_NAME = "errors.log"

# A longer log is begun again: one bad folder may have thousands of files.
_LOG_BYTES = 1_000_000


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
        Exception: the error itself, where it says nothing about a file: whoever reads our output
            has gone, or a command ends on purpose.
    """
    if isinstance(error, HiProbeError):
        if not error.of_one_file:
            raise error
        return Failure(file, str(error))
    number = errno_of(error)
    if number in FULL:
        raise storage_error(getattr(error, "filename", None) or "the results", error) from error
    # By the module's name, since this one is used without click too.
    is_of_the_command_line = type(error).__module__.partition(".")[0] == "click"
    if number in (errno.EPIPE, errno.EBADF) or is_of_the_command_line:
        raise error
    if isinstance(error, OSError) and error.strerror:
        reason = (
            f"cannot be read or written ({error.strerror}); check the path, its permissions and "
            "the disk"
        )
    elif isinstance(error, MemoryError):
        reason = "needs more memory than there is; scale it down or cut it"
    else:
        reason = _logged(file, error)
    return Failure(file, shown(f"{file} {reason}"))


def _logged(file: Path, error: Exception) -> str:
    """Words for an error that is a bug of ours, after its traceback was added to the log."""
    what = type(error).__name__ + (f": {error}" if str(error) else "")
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if f"{Path(__file__).parent}" in f.filename]
    place = next((f"{Path(f.filename).name}:{f.lineno}" for f in (ours or frames)[::-1]), "?")
    where = ""
    with suppress(OSError):  # a log that cannot be written hides no failure
        where = f"; the traceback is in {_log(file, error)}"
    return f"ended with an unexpected error, {what} (at {place}){where}; please report it"


def _log(file: Path, error: Exception) -> Path:
    from hiprobe.settings import cache_folder

    path = cache_folder() / LOG_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = "w" if path.is_file() and path.stat().st_size > _LOG_BYTES else "a"
    trace = "".join(traceback.format_exception(error))
    with path.open(mode, encoding="utf-8") as log:
        log.write(utf8_text(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {shown(file)}\n{trace}\n"))
    return path


# No space left on the disk, in the user's share of it, or for one file.
FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))

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
    """What to raise from an error met while writing `path`.

    A name that the file system does not take belongs to one file (`FileNameError`); a full disk,
    or a folder that cannot be written, to the whole run.

    Args:
        elsewhere: how the user can have it written to another place, as a part of a sentence.
    """
    number = errno_of(error)
    remedy = _OF_THE_NAME.get(number) or _OF_THE_DISK.get(number)
    if remedy is None:
        reason = getattr(error, "strerror", None) or error
        return StorageError(f"cannot write {path} ({reason}); check the disk or {elsewhere}")
    kind = FileNameError if number in _OF_THE_NAME else StorageError
    return kind(f"cannot write {path}: {remedy.format(elsewhere=elsewhere)}")


def errno_of(error: BaseException) -> int:
    """The system's number of an error (`errno.ENOSPC`), 0 where it has none.

    Libraries in Rust (safetensors) raise errors of their own, which say it in words.
    """
    if isinstance(number := getattr(error, "errno", None), int):
        return number
    words = re.search(r"\(os error (\d+)\)", str(error))
    return int(words[1]) if words else 0
