"""Arrays and tables of files (safetensors, NPY, NPZ, Parquet), checked before memory is taken."""

from __future__ import annotations

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.documents.checked import MIB, DocumentError, check_plain, open_plain
from hiprobe.large_rows import GrowingRows, block_rows, is_too_large
from hiprobe.objects import local_copy

# Of a file of states: eleven days of segments of one layer and width 4096 have 16 GB.
STATES_LIMIT_BYTES = 65_536 * MIB

# Of a file of plain numbers, and of what a compressed one unfolds to: 10^8 frames and more.
NUMBERS_LIMIT_BYTES = 1024 * MIB

_KINDS_OF_NUMBERS = "biuf"

# An encrypted member is a RuntimeError, an unknown compression a NotImplementedError.
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, KeyError),
    *(OverflowError, struct.error),
    *(RuntimeError, NotImplementedError),
)

# Numpy reads a header as Python's own literals, and lets through what the parser raises.
_HEADER_ERRORS = (
    *(ValueError, EOFError, SyntaxError, TypeError, MemoryError, RecursionError),
    tokenize.TokenError,
)


class TensorFile:
    """An open safetensors file whose every failure is a `DocumentError`."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened

    @property
    def note(self) -> str:
        """The entry `hiprobe` of its metadata; empty where there is none."""
        with _readable():
            return str((self._opened.metadata() or {}).get("hiprobe", ""))

    @property
    def names(self) -> list[str]:
        """Names of its tensors."""
        with _readable():
            return list(self._opened.keys())

    def array(self, name: str) -> NDArray[Any]:
        """A tensor as an array; float32 ones that are too large for memory lie in a file."""
        with _readable():
            part = self._opened.get_slice(name)
            shape = part.get_shape()
            if part.get_dtype() != "F32" or not is_too_large(4 * math.prod(shape)):
                return np.asarray(self._opened.get_tensor(name))
            rows, count = GrowingRows(shape[1:]), block_rows(4 * math.prod(shape[1:]))
            for first in range(0, shape[0], count):
                # The library refuses a slice that ends beyond the tensor.
                rows.append(part[first : min(first + count, shape[0])])
            return rows.all()

    def column(self, name: str, number: int) -> NDArray[Any]:
        """`[:, number]` of a tensor, without reading the rest of it."""
        with _readable():
            return np.asarray(self._opened.get_slice(name)[:, number])


@contextmanager
def open_tensors(path: Path, *, limit_bytes: int = STATES_LIMIT_BYTES) -> Iterator[TensorFile]:
    """Open a safetensors file.

    Raises:
        OSError: it is not there, no regular file, or too large.
        DocumentError: it is no such file, or damaged; also while it is read.
    """
    from safetensors import safe_open

    path = local_copy(path)
    check_plain(path, limit_bytes=limit_bytes)
    with _readable():
        opened = safe_open(str(path), framework="numpy")
    with opened as entered:
        yield TensorFile(entered)


@contextmanager
def _readable() -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, TypeError, AttributeError, KeyError, OverflowError) as error:
        # numpy has no bfloat16 or float8, and the library raises what numpy raises
        raise DocumentError(str(error) or type(error).__name__) from error


def read_npy(path: Path) -> NDArray[Any]:
    """The array of an NPY file: numbers of any shape.

    Raises:
        OSError: it is not there, no regular file, or too large.
        DocumentError: it is no such file, holds no numbers, or fewer than its header claims.
    """
    with open_plain(path, limit_bytes=NUMBERS_LIMIT_BYTES) as file:
        size = check_plain(path, limit_bytes=NUMBERS_LIMIT_BYTES)
        return _array(file, size_bytes=size)


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an NPZ file by name.

    Raises:
        OSError: it is not there, no regular file, or too large.
        DocumentError: it is no such file, or one of its arrays is none; the message names it.
    """
    with open_plain(path, limit_bytes=NUMBERS_LIMIT_BYTES) as file:
        try:
            archive = zipfile.ZipFile(file)
            members = archive.infolist()
        except _ZIP_ERRORS as error:
            raise DocumentError(f"it is no sound NPZ: {_short(error)}") from error
        total = sum(m.file_size for m in members)
        if total > NUMBERS_LIMIT_BYTES:
            raise DocumentError(
                f"it unfolds to {total / MIB:,.0f} MiB, and scores have at most "
                f"{NUMBERS_LIMIT_BYTES / MIB:,.0f} MiB"
            )
        return {m.filename.removesuffix(".npy"): _member(archive, m) for m in members}


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    try:
        with archive.open(member) as inner:
            return _array(inner, size_bytes=member.file_size)
    except _ZIP_ERRORS as error:
        raise DocumentError(f"{member.filename!r} in it: {_short(error)}") from error


def _array(file: IO[bytes], *, size_bytes: int) -> NDArray[Any]:
    try:
        version = np.lib.format.read_magic(file)
        shape, by_columns, dtype = _header(file, version)
    except _HEADER_ERRORS as error:
        raise DocumentError(f"it has no readable NPY header: {_short(error)}") from error
    whole = all(type(n) is int and n >= 0 for n in shape)  # numpy lets True and -1 through
    if dtype.kind not in _KINDS_OF_NUMBERS or not whole:
        raise DocumentError(f"it holds {dtype} of shape {_short(shape)}, not plain numbers")
    # A header of a few bytes may claim terabytes, which numpy would try to take.
    wanted = math.prod(shape) * dtype.itemsize
    if wanted > size_bytes:
        raise DocumentError(
            f"its header claims {_short(shape)} values of {dtype}, {wanted:,} bytes, and the file "
            f"has {size_bytes:,}"
        )
    data = file.read(wanted)
    if len(data) != wanted:
        raise DocumentError(f"it ends after {len(data):,} of {wanted:,} bytes of values")
    flat = np.frombuffer(data, dtype=dtype)
    # Fortran order: values lie by columns.
    return flat.reshape(shape[::-1]).T if by_columns else flat.reshape(shape)


def _header(file: IO[bytes], version: tuple[int, int]) -> tuple[tuple[int, ...], bool, Any]:
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    # version 3 exists for names of fields alone, and numbers without fields need none
    raise ValueError(f"format version {version[0]}.{version[1]} holds no plain numbers")


def _short(value: object) -> str:
    text = str(value) or type(value).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."


# Of the file, and of what it unfolds to: some million rows.
LIMIT_BYTES = 1024 * MIB

LIMIT_ROWS = 20_000_000


@dataclass(frozen=True)
class ParquetTable:
    """All of a table.

    Attributes:
        rows: one dictionary for each row, by column.
        metadata: of its schema.
    """

    rows: list[dict[str, Any]]
    metadata: dict[bytes, bytes]


def read_parquet_table(path: Path) -> ParquetTable:
    """Read a whole table.

    Raises:
        OSError: it is not there, no regular file, or too large.
        DocumentError: it is no Parquet, damaged, or unfolds to more than the limits.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = local_copy(path)
    check_plain(path, limit_bytes=LIMIT_BYTES)
    try:
        with pq.ParquetFile(path) as file:
            _refuse_huge(file.metadata)
            table = file.read(use_threads=False)
        table.validate(full=True)  # damaged offsets would be followed without it
        return ParquetTable(table.to_pylist(), dict(table.schema.metadata or {}))
    except DocumentError:
        raise
    except (
        *(pa.ArrowException, OSError, ValueError, TypeError, KeyError),
        *(OverflowError, RecursionError, MemoryError, NotImplementedError),
    ) as error:
        cause = str(error) or type(error).__name__
        raise DocumentError(f"it is no sound Parquet: {cause}") from error


def _refuse_huge(about: Any) -> None:
    groups = [about.row_group(n) for n in range(about.num_row_groups)]
    unfolded = sum(max(group.total_byte_size, 0) for group in groups)
    if about.num_rows > LIMIT_ROWS or unfolded > LIMIT_BYTES:
        raise DocumentError(
            f"it claims {about.num_rows:,} rows and {unfolded / MIB:,.0f} MiB; a table here has at "
            f"most {LIMIT_ROWS:,} rows and {LIMIT_BYTES / MIB:,.0f} MiB"
        )
