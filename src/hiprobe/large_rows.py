"""Rows of states in any number: beyond some MB they lie in a file without a name, not in memory.

A day of video gives a committee on an 8B model 26 GB of states. They are written once, row after
row, and gone through once or twice in blocks, so that memory need not hold them.
"""

from __future__ import annotations

import math
import mmap
import tempfile
import warnings
import weakref
from collections.abc import Iterator, Sequence
from io import FileIO

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import StatesError
from hiprobe.settings import arrays_folder

_Array = NDArray[np.float32]

# What is held in memory before it is written. An hour at one layer of lite, and the clips that a
# probe is fitted on, stay below it.
HELD_BYTES = 32 * 1024 * 1024

# What is gone through at once. Larger blocks are no faster.
_BLOCK_BYTES = 4 * 1024 * 1024


def is_large(size_bytes: int) -> bool:
    """Whether rows of so many bytes lie in a file."""
    return size_bytes >= HELD_BYTES


# Share of the free memory that one array of a file may take when it is read.
_SHARE = 0.25


def is_too_large(size_bytes: int) -> bool:
    """Whether an array that lies in some file already is better copied to one without a name.

    In memory a fit on 1.6 GB of states begins after 1.2 s; written once more it takes 2 to 5 s.
    """
    return is_large(size_bytes) and size_bytes > _SHARE * _available_bytes()


def _available_bytes() -> int:
    import psutil

    return int(psutil.virtual_memory().available)


class GrowingRows:
    """float32 rows of one shape, appended one after the other.

    The file has no name, so a killed run leaves nothing. Where none can be made or the disk is
    full, a warning says so once, and the rows stay in memory.

    Args:
        shape: of one row.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = tuple(shape)
        self._held: list[_Array] = []
        self._held_rows = 0
        self._file: FileIO | None = None
        self._written_rows = 0
        self._may_write = True

    def __len__(self) -> int:
        return self._written_rows + self._held_rows

    @property
    def _row_bytes(self) -> int:
        return max(1, 4 * math.prod(self.shape))

    def append(self, rows: _Array) -> None:
        """Append rows, `[n, *shape]`; they are not copied, and must not change later.

        Raises:
            StatesError: they are not float32, or have another shape.
        """
        if rows.dtype != np.float32 or rows.shape[1:] != self.shape:
            raise StatesError(
                f"states are {rows.dtype} of shape {rows.shape[1:]} each, expected float32 "
                f"of shape {self.shape}"
            )
        self._held.append(np.ascontiguousarray(rows))
        self._held_rows += len(rows)
        if self._may_write and is_large(self._held_rows * self._row_bytes):
            self._write()

    def since(self, first: int) -> _Array:
        """A copy of the rows from a number on."""
        pieces, end = [np.empty((0, *self.shape), np.float32)], len(self)
        for rows in reversed(self._held):
            if end <= first:
                break
            end -= len(rows)
            pieces.append(rows[max(0, first - end) :])
        if first < self._written_rows and self._file is not None:
            self._file.seek(first * self._row_bytes)
            count = (self._written_rows - first) * math.prod(self.shape)
            pieces.append(np.fromfile(self._file, np.float32, count).reshape(-1, *self.shape))
        return np.concatenate(pieces[::-1])

    def all(self) -> _Array:
        """All rows as one array `[n, *shape]`; one that lies in the file cannot be written to."""
        if self._written_rows and self._held and self._may_write:
            self._write()
        pieces = list(self._held)
        if self._written_rows and self._file is not None:
            length = self._written_rows * self._row_bytes
            try:
                mapped = _OwnMap(self._file.fileno(), length, access=mmap.ACCESS_READ)
            except OSError:  # no file handle is left, or no room in the addresses
                return self.since(0)
            pieces.insert(0, np.frombuffer(mapped, np.float32).reshape(-1, *self.shape))
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate([np.empty((0, *self.shape), np.float32), *pieces])

    def _write(self) -> None:
        try:
            if self._file is None:
                self._file = _nameless_file()
                weakref.finalize(self, self._file.close)
            # Where an interrupted run stopped in the middle of this, it begins again here.
            self._file.seek(self._written_rows * self._row_bytes)
            for rows in self._held:
                _write_all(self._file, rows)
        except (OSError, RuntimeError) as error:  # the latter where a user has no home at all
            self._may_write = False
            warnings.warn(
                f"states stay in memory, since the disk does not take them: {error}; free some "
                "space, or let HIPROBE_CACHE name a folder on a larger disk",
                stacklevel=2,
            )
            return
        self._written_rows += self._held_rows
        self._held, self._held_rows = [], 0


class _OwnMap(mmap.mmap):
    """A map that was made here: of another one, `give_back` could drop what was written to it."""


def _nameless_file() -> FileIO:
    # Not the system's folder for temporary files, which on many machines is memory itself.
    folder = arrays_folder()
    folder.mkdir(parents=True, exist_ok=True)
    # Unbuffered: a buffer that a full disk has not taken would be in the way of all that follows.
    return tempfile.TemporaryFile(dir=folder, buffering=0)


def _write_all(file: FileIO, rows: _Array) -> None:
    rest = rows.reshape(-1).view(np.uint8).data
    while rest:
        rest = rest[file.write(rest) :]


def row_blocks(values: NDArray[np.floating]) -> Iterator[slice]:
    """Slices of rows that go through an array once, a few MB at a time.

    Memory of rows that lie in a file is given back behind them.
    """
    count = block_rows(values.nbytes // max(1, len(values)))
    for first in range(0, len(values), count):
        yield slice(first, min(first + count, len(values)))
        give_back(values)


def block_rows(row_bytes: int) -> int:
    """How many rows of a size are gone through at once."""
    return max(1, _BLOCK_BYTES // max(1, row_bytes))


def give_back(values: NDArray[np.floating]) -> None:
    """Let the system have the memory of rows that lie in a file, which are read again when needed.

    It takes it back itself when others need it. Until then a process looks as large as its states.
    """
    found: object = values
    while isinstance(found, np.ndarray) and found.base is not None:
        found = found.base
    if isinstance(found, memoryview):
        found = found.obj
    if isinstance(found, _OwnMap) and hasattr(found, "madvise"):  # not on Windows
        found.madvise(mmap.MADV_DONTNEED)
