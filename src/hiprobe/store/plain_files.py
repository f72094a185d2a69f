"""Files that may be read at all: regular ones of a sane size.

A FIFO blocks whoever opens it, and a link to `/dev/zero` never ends. Every reader of a document
opens it here, so that neither can hang a run or fill the memory.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TextIO

MIB = 1 << 20

TABLE_LIMIT_BYTES = 256 * MIB
"""Of a list or table of videos: a million rows."""

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class UnfitFileError(OSError):
    """What lies there is no regular file, or is larger than a document of its kind can be."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(errno.EINVAL, reason, str(path))

    def __str__(self) -> str:
        return str(self.strerror)


def open_plain(path: Path | str, *, limit_bytes: int | None = None) -> BufferedReader:
    """Open a regular file for reading; links to one are followed.

    Args:
        limit_bytes: refuse a larger file; None where the size says nothing (weights, states).

    Raises:
        UnfitFileError: a folder, pipe, socket or device, or a file above the limit.
        OSError: it is not there or may not be read.
    """
    _refuse_unfit(path, _stat(path), limit_bytes)  # before opening: that alone can block
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    try:
        _refuse_unfit(path, os.fstat(handle), limit_bytes)  # another may lie there by now
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def check_plain(path: Path | str, *, limit_bytes: int | None = None) -> int:
    """Size in bytes of a regular file, for libraries that open a path themselves.

    Raises:
        UnfitFileError, OSError: as `open_plain`.
    """
    with open_plain(path, limit_bytes=limit_bytes) as file:
        return os.fstat(file.fileno()).st_size


def read_plain(path: Path | str, *, limit_bytes: int) -> bytes:
    """All of a regular file.

    Raises:
        UnfitFileError, OSError: as `open_plain`.
    """
    with open_plain(path, limit_bytes=limit_bytes) as file:
        found = file.read(limit_bytes + 1)
    if len(found) > limit_bytes:  # it grew meanwhile
        raise UnfitFileError(path, _too_large(len(found), limit_bytes))
    return found


@contextmanager
def open_text(path: Path | str, *, limit_bytes: int = TABLE_LIMIT_BYTES) -> Iterator[TextIO]:
    """A regular file as UTF-8 text, with or without a byte order mark; line ends stay as they are.

    Raises:
        UnfitFileError, OSError: as `open_plain`.
        UnicodeDecodeError: while reading, where it is no UTF-8.
    """
    with open_plain(path, limit_bytes=limit_bytes) as file:
        yield io.TextIOWrapper(file, encoding="utf-8-sig", newline="")


def read_text(path: Path | str, *, limit_bytes: int = TABLE_LIMIT_BYTES) -> str:
    """All of a regular file as UTF-8 text, line ends as `Path.read_text` gives them.

    Raises:
        UnfitFileError, OSError, UnicodeDecodeError: as `open_text`.
    """
    text = read_plain(path, limit_bytes=limit_bytes).decode("utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _stat(path: Path | str) -> os.stat_result:
    try:
        return os.stat(path)  # noqa: PTH116 - the path may be text
    except ValueError as error:  # a NUL character in the name
        raise UnfitFileError(path, f"{str(path)!r} can be no file's name: {error}") from error


def _refuse_unfit(path: Path | str, found: os.stat_result, limit_bytes: int | None) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(found.st_mode)), "no file")
        raise UnfitFileError(path, f"it is {kind}, not a regular file")
    if limit_bytes is not None and found.st_size > limit_bytes:
        raise UnfitFileError(path, _too_large(found.st_size, limit_bytes))


def _too_large(size_bytes: int, limit_bytes: int) -> str:
    return (
        f"it has {size_bytes / MIB:,.0f} MiB, and a file of its kind has at most "
        f"{limit_bytes / MIB:,.0f} MiB"
    )
