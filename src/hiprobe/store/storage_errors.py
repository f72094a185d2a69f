"""Why a file could not be written, told with the remedy that fits."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from hiprobe.errors import FileNameError, StorageError

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
