"""Reads documents behind checks: regular files only, sane sizes, depths, numbers and types."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import reprlib
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Any

from hiprobe.names import is_object, other_than_file
from hiprobe.objects import local_copy, objects_below

MIB = 1 << 20

# Of a list or table of videos: a million rows.
TABLE_LIMIT_BYTES = 256 * MIB


class UnfitFileError(OSError):
    """A path that is no regular file, or a file larger than a document of its kind can be."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(errno.EINVAL, reason, str(path))

    def __str__(self) -> str:
        return str(self.strerror)


def open_plain(path: Path | str, *, limit_bytes: int | None = None) -> BufferedReader:
    """Open a regular file for reading, or an object's local copy; links to one are followed.

    Args:
        limit_bytes: refuse a larger file; None where the size says nothing (weights, states).

    Raises:
        UnfitFileError: a folder, pipe, socket or device, or a file above the limit.
        OSError: it is not there or may not be read.
    """
    path = local_copy(path)
    try:
        _refuse_unfit(path, path.stat(), limit_bytes)  # before opening: that alone can block
    except ValueError as error:  # a NUL character in the name
        raise UnfitFileError(
            path, f"{str(path)!r} cannot be the name of a file: {error}"
        ) from error
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


def file_sha256(path: Path | str, *, limit_bytes: int | None = None) -> str:
    """SHA-256 of a regular file's content, 64 hexadecimal digits.

    Raises:
        UnfitFileError, OSError: as `open_plain`.
    """
    with open_plain(path, limit_bytes=limit_bytes) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def read_text(path: Path | str, *, limit_bytes: int = TABLE_LIMIT_BYTES) -> str:
    """All of a regular file as UTF-8 text, line ends as `Path.read_text` gives them.

    Raises:
        UnfitFileError, OSError: as `open_plain`.
        UnicodeDecodeError: it is not UTF-8.
    """
    text = read_plain(path, limit_bytes=limit_bytes).decode("utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _refuse_unfit(path: Path | str, found: os.stat_result, limit_bytes: int | None) -> None:
    if kind := other_than_file(found.st_mode):
        raise UnfitFileError(path, f"it is {kind}, not a regular file")
    if limit_bytes is not None and found.st_size > limit_bytes:
        raise UnfitFileError(path, _too_large(found.st_size, limit_bytes))


def _too_large(size_bytes: int, limit_bytes: int) -> str:
    return (
        f"it has {size_bytes / MIB:,.0f} MiB, and a file of its kind has at most "
        f"{limit_bytes / MIB:,.0f} MiB"
    )


def files_below(folder: Path, *, unreadable: list[Path] | None = None) -> Iterator[Path]:
    """Files at any depth in a fixed order, without hidden ones.

    Links to folders are followed, but not to a folder that `folder` lies in, and each folder is
    visited once: no link leads in a circle. Of a folder that has several names the one that is no
    link counts. A link that leads nowhere is among the files.

    Args:
        unreadable: folders that cannot be listed are skipped, and appended here.
    """
    if is_object(folder):
        yield from (found.path for found in objects_below(folder))
        return
    seen = _folders_above(Path(folder))
    waiting = [Path(folder)]
    linked: list[Path] = []
    while waiting or linked:
        # Links come last: what a link shows may lie below the folder under its own name too.
        here = waiting.pop() if waiting else linked.pop()
        try:
            stat = here.stat()
            if (stat.st_dev, stat.st_ino) in seen:
                continue
            seen.add((stat.st_dev, stat.st_ino))
            entries = sorted(os.scandir(here), key=lambda e: e.name)
        except OSError:
            if unreadable is not None:
                unreadable.append(here)
            continue
        folders = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = here / entry.name
            if not path.is_dir():
                yield path
            elif path.is_symlink():
                linked.append(path)
            else:
                folders.append(path)
        # The last one is taken next, so reversed they come in the order of their names.
        waiting += reversed(folders)


def _folders_above(folder: Path) -> set[tuple[int, int]]:
    """Device and inode of each folder that holds this one."""
    found = set()
    for above in folder.resolve().parents:
        with suppress(OSError):
            stat = above.stat()
            found.add((stat.st_dev, stat.st_ino))
    return found


# Of a document that we write; ours have a few kB, a timeline of a day some MB.
LIMIT_BYTES = 64 * MIB

# Ours are nested 5 deep; a deeper document would exhaust the stack of whoever walks over it.
MAX_DEPTH = 32

_TOO_DEEP = f"it is nested more than {MAX_DEPTH} levels deep"

# Whole numbers beyond it fit in no array, and overflow when one makes a float of them.
MAX_WHOLE = 2**63 - 1

# What msgspec refuses and the standard library reads: NaN, and halves of characters.
_LAX = re.compile(rb"\b(NaN|Infinity)\b|\\u[dD][89a-fA-F]")


class DocumentError(ValueError):
    """A document that is no JSON, or holds values that it cannot have."""


def read_json(
    path: Path | str,
    schema: Any = None,
    *,
    limit_bytes: int = LIMIT_BYTES,
    nan: bool = False,
    names: bool = False,
) -> Any:
    """JSON values of a file, checked; see `parse_json`.

    Args:
        limit_bytes: largest file that is read.
        schema, nan, names: as `parse_json`.

    Raises:
        OSError: it is not there, is no regular file, or is too large.
        DocumentError: as `parse_json`.
    """
    return parse_json(read_plain(path, limit_bytes=limit_bytes), schema, nan=nan, names=names)


def parse_json(
    text: bytes | str, schema: Any = None, *, nan: bool = False, names: bool = False
) -> Any:
    """JSON values of a text, checked.

    Args:
        schema: a type that the values must have, as a rule a struct; None for any values.
        nan: NaN and infinities are read too (Python and numpy write them), and nowhere else.
        names: text may hold U+DC80 to U+DCFF, by which Python writes the bytes of file names that
            are no UTF-8.

    Raises:
        DocumentError: no JSON, nested too deeply, a number out of range, text that is no Unicode,
            or values that the schema does not allow; the message names field and value.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    found = _decoded(raw, strict=_LAX.search(raw) is None)
    check_values(found, nan=nan, names=names)
    if schema is not None:
        check_schema(found, schema)
    return found


def check_schema(found: Any, schema: Any) -> None:
    """Refuse values that a schema does not allow.

    Raises:
        DocumentError: the message names field, value and what is expected.
    """
    import msgspec  # 45 ms, and most commands read no document

    try:
        msgspec.convert(found, schema)
    except msgspec.ValidationError as error:
        # msgspec ends its message with the place, as in "Expected `int`, got `str` - at `$.a[3]`".
        expected, _, place = str(error).partition(" - at `")
        where = place.rstrip("`") or "$"
        value = _shown(_value_at(found, where))
        field = where.removeprefix("$").removeprefix(".") or "the document"
        raise DocumentError(f"{field}: {expected}, it holds {value}") from error
    except UnicodeEncodeError as error:
        raise DocumentError("a field's name holds half a character (a lone surrogate)") from error
    except RecursionError as error:
        raise DocumentError(_TOO_DEEP) from error


def _decoded(raw: bytes, *, strict: bool) -> Any:
    import msgspec

    try:
        # msgspec is several times as fast; the standard library reads NaN and half characters.
        return msgspec.json.decode(raw) if strict else json.loads(raw)
    except RecursionError as error:
        raise DocumentError(_TOO_DEEP) from error
    except UnicodeDecodeError as error:
        raise DocumentError(f"it is no UTF-8 text: {error}") from error
    except ValueError as error:  # also of msgspec, and of numbers with thousands of digits
        raise DocumentError(f"it is no JSON: {error}") from error


def check_values(found: Any, *, nan: bool = False, names: bool = False) -> None:
    """Refuse JSON values that no document of ours can hold; see `parse_json`.

    Raises:
        DocumentError: nested too deeply, a number out of range, or text that is no Unicode.
    """
    # level by level and not by recursion, so that depth is a number and no stack
    level = [found]
    for _ in range(MAX_DEPTH):
        level = [inner for value in level for inner in _inside(value, nan, names)]
        if not level:
            return
    raise DocumentError(_TOO_DEEP)


def _inside(value: Any, nan: bool, names: bool) -> Iterator[Any]:
    """What a list or object holds; a plain value is checked, and holds nothing."""
    if isinstance(value, dict):
        for key in value:
            _check_text(key, names)
        yield from value.values()
    elif isinstance(value, list):
        yield from value
    elif isinstance(value, str):
        _check_text(value, names)
    elif isinstance(value, int) and abs(value) > MAX_WHOLE:
        raise DocumentError(f"{_shown(value)} is out of the range of whole numbers")
    elif isinstance(value, float) and not nan and not math.isfinite(value):
        raise DocumentError(f"{value} is no number that JSON has")


def _check_text(text: str, names: bool) -> None:
    try:
        text.encode("utf-8", "surrogateescape" if names else "strict")
    except UnicodeEncodeError as error:
        raise DocumentError(f"{_shown(text)} holds half a character (a lone surrogate)") from error


def _value_at(found: Any, where: str) -> Any:
    """The value at a path such as `$.clips[3].label`; a place that is not named ends the walk."""
    for name, number in re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", where):
        try:
            found = found[name] if name else found[int(number)]
        except (KeyError, IndexError, TypeError, ValueError):
            break
    return found


def _shown(value: Any) -> str:
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = 60
    short.maxlevel = 2
    try:
        return short.repr(value)
    except ValueError:  # a number of more digits than Python shows
        return "a number of thousands of digits"
