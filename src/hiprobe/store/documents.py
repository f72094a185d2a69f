"""JSON documents read through one checked layer: size, depth, numbers, text and types.

What a document must hold is a struct of `store.schemas`. The struct checks; what is handed back
are the plain JSON values, so that numbers keep the form in which they were written (the digest of
a fingerprint tells 1 from 1.0).

Errors are `ValueError` and `OSError` with a message that names field and value. The reader of each
kind of file turns them into the error of its own, with the path and the remedy.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hiprobe.store.plain_files import MIB, read_plain

LIMIT_BYTES = 64 * MIB
"""Of a document that we write; ours have a few kB, a timeline of a day some MB."""

MAX_DEPTH = 32
"""Ours are nested 5 deep; a deeper document would exhaust the stack of whoever walks over it."""

MAX_WHOLE = 2**63 - 1
"""Whole numbers beyond it fit in no array, and overflow when one makes a float of them."""

_LAX = re.compile(rb"\b(NaN|Infinity)\b|\\u[dD][89a-fA-F]")
"""What msgspec refuses and the standard library reads: NaN, and halves of characters."""


class DocumentError(ValueError):
    """A document is no JSON, or holds something that cannot be meant."""


def read_json(
    path: Path | str,
    schema: Any = None,
    *,
    limit_bytes: int = LIMIT_BYTES,
    nan: bool = False,
    names: bool = False,
) -> Any:
    """JSON values of a file, checked; see `parse_json`.

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
        expected, _, place = str(error).partition(" - at `")
        where = place.rstrip("`") or "$"
        value = _shown(_value_at(found, where))
        raise DocumentError(f"{_field(where)}: {expected}, it holds {value}") from error
    except UnicodeEncodeError as error:
        raise DocumentError("a field's name holds half a character (a lone surrogate)") from error
    except RecursionError as error:
        raise DocumentError(_too_deep()) from error


def _decoded(raw: bytes, *, strict: bool) -> Any:
    import msgspec

    try:
        return msgspec.json.decode(raw) if strict else json.loads(raw)
    except RecursionError as error:
        raise DocumentError(_too_deep()) from error
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
    raise DocumentError(_too_deep())


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


def _field(where: str) -> str:
    return where.removeprefix("$").removeprefix(".") or "the document"


def _shown(value: Any) -> str:
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = 60
    short.maxlevel = 2
    try:
        return short.repr(value)
    except ValueError:  # a number of more digits than Python shows
        return "a number of thousands of digits"


def _too_deep() -> str:
    return f"it is nested more than {MAX_DEPTH} levels deep"
