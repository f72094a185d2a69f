"""Output that nobody reads any more: the run goes on, its results are files."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO

_GONE = frozenset((errno.EPIPE, errno.EBADF, errno.EIO, errno.ENXIO, errno.ECONNRESET))
"""The reader has left (`| head -1`), or the terminal is closed. A full disk is none of these."""


class _Outlet(io.FileIO):
    """A stream of the system; what nobody can read is dropped.

    Any other error is raised once, and what comes after it is dropped too: the interpreter tries
    again to write the rest when it ends, and would end with a traceback.
    """

    _failed = False

    def write(self, data: Any) -> int:
        try:
            if not self._failed:
                return super().write(data) or 0
        except OSError as error:
            if error.errno not in _GONE:
                self._failed = True
                raise
        return memoryview(data).nbytes


def keep_streams_writable() -> None:
    """Make writing to stdout and stderr safe, closed ones too; to be called once, at the start.

    A stream that is closed (`>&-`) is pointed at nothing. Otherwise the next file that is opened
    gets its number, and what a library prints would end up in it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            os.set_inheritable(number, True)
    sys.stdout, sys.stderr = _safe(sys.stdout, 1), _safe(sys.stderr, 2)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - open for good


def _safe(stream: TextIO | None, number: int) -> TextIO:
    if stream is not None and (sys.platform == "win32" or not _is_plain(stream, number)):
        return stream  # a console has its own ways of writing; another program has put it there
    with_lines = number == 2 or os.isatty(number)
    if stream is not None:
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Outlet(number, "wb", closefd=False)),
        encoding=stream.encoding if stream is not None else "utf-8",
        errors=stream.errors if stream is not None else "backslashreplace",
        line_buffering=with_lines,
    )


def _is_plain(stream: TextIO, number: int) -> bool:
    try:
        return isinstance(stream, io.TextIOWrapper) and stream.fileno() == number
    except (OSError, ValueError):
        return False
