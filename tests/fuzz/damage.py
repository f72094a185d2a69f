"""Damage to documents: what disks, other programs and ill will do to them, by seed.

Each way takes the bytes of a sound file and gives damaged ones. Bytes alone seldom reach past the
parser, so that most ways know the format: a value of a JSON document, a cell of a table or a
header is replaced by a hostile one, and the rest stays sound.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

_MARK = "@@hostile@@"

TOKENS = (
    *("null", "true", "false", "0", "-1", "1", "2", "0.5", "[]", "{}", '""', '"1"', '"nan"'),
    *("1e308", "-1e308", "1e400", "1e-320", "NaN", "Infinity", "-Infinity", "-0.0", "1e17"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775809", "4294967296"),
    *("1" + "0" * 400, "9" * 5000, "-" + "9" * 5000, "1000000000000"),
    *('"\\ud800"', '"\\udce9"', '"\\u0000"', '"../../x"', '"x\\ny"', '"' + "x" * 200_000 + '"'),
    *('[1, "a"]', "[[1, 2, 3]]", "[[0, 1e300, 1]]", '{"": 0}', '{"a": {"b": [1]}}', "[null]"),
    *("[" * 100_000, "[" * 2000 + "]" * 2000, "[" * 40 + "]" * 40),
    '{"a":' * 3000 + "0" + "}" * 3000,
)  # fmt: skip
"""JSON texts, some of which no JSON library would write."""

CELLS = (
    *("", " ", "nan", "inf", "-inf", "-1", "0", "1e308", "1e400", "9" * 5000, "1" + "0" * 400),
    *("\0", '"', 'a"b', "x" * 200_000, "=1+1", "a\nb", '"a\nb"', "²", "٣", "1_000", "0x10"),
    *("5-3", "0-99999999999999999999", "0-5;2-3", "-", ";;", ",,,,", "é", "\ud7ff", "../../x", "/"),
)  # fmt: skip

NPY_HEADERS = (
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999, 3), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
    "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2, 2), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (0,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (True,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1.5,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': [8], }",
    "{'descr': '<f8', 'fortran_order': 7, 'shape': (8,), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (8,), }",
    "{'descr': '<U4', 'fortran_order': False, 'shape': (4,), }",
    "{'descr': '<c16', 'fortran_order': False, 'shape': (4,), }",
    "{'descr': '<M8[s]', 'fortran_order': False, 'shape': (8,), }",
    "{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000000,), }",
    "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (8,), }",
    "{'descr': '" + "<" * 5000 + "', 'fortran_order': False, 'shape': (8,), }",
    "{'descr': 'nothing', 'fortran_order': False, 'shape': (8,), }",
    "{'shape': (8,), }",
    "(" * 300 + ")" * 300,
    "__import__('os')",
)

DTYPES = ("BF16", "F16", "F64", "I64", "BOOL", "U8", "F8_E4M3", "C64", "X")


def damage_bytes(rng: Random, data: bytes) -> bytes:
    """Bits flipped, a piece cut out, doubled, zeroed or overwritten, or the end missing."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(found) + 1)
        end = min(len(found), at + rng.choice((1, 4, 8, 64, 512)))
        way = rng.randrange(6)
        if way == 0 and at < len(found):
            found[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            del found[at:]
        elif way == 2:
            del found[at:end]
        elif way == 3:
            found[at:at] = found[at:end]
        elif way == 4:
            found[at:end] = bytes(end - at)
        else:
            found[at:end] = rng.randbytes(end - at)
    return bytes(found)


def damage_json(rng: Random, data: bytes) -> bytes:
    """One value or key of a JSON document replaced, left out, or written twice."""
    document = json.loads(data)
    places = list(_places(document))
    if not places:
        return rng.choice(TOKENS).encode()
    for _ in range(rng.choice((1, 1, 1, 2))):
        holder, key = rng.choice(places)
        way = rng.randrange(8)
        if way == 0 and isinstance(holder, dict):
            holder.pop(key, None)
        elif way == 1 and isinstance(holder, dict):
            holder[_MARK] = holder.get(key)
        elif way == 2 and isinstance(holder, list):
            holder.append(_MARK)
        elif isinstance(holder, dict) or key < len(holder):
            holder[key] = _MARK
    text = json.dumps(document)
    while f'"{_MARK}":' in text:
        name = rng.choice(('"format"', '"\\ud800"', '"x"', '"layers"', '"' + "k" * 5000 + '"'))
        text = text.replace(f'"{_MARK}":', f"{name}:", 1)
    while f'"{_MARK}"' in text:
        text = text.replace(f'"{_MARK}"', rng.choice(TOKENS), 1)
    return text.encode()


def _places(value: Any) -> Any:
    if isinstance(value, dict):
        for key in value:
            yield value, key
            yield from _places(value[key])
    elif isinstance(value, list):
        for number in range(len(value)):
            yield value, number
            yield from _places(value[number])


def damage_csv(rng: Random, data: bytes) -> bytes:
    """A cell, a column's name or a line of a table replaced."""
    lines = [line.split(",") for line in data.decode().splitlines()]
    for _ in range(rng.choice((1, 1, 2))):
        line = rng.choice(lines)
        way = rng.randrange(6)
        if way == 0:
            lines.remove(line)
        elif way == 1:
            line.append(rng.choice(CELLS))
        elif line:
            line[rng.randrange(len(line))] = rng.choice(CELLS)
        if not lines:
            break
    end = rng.choice(("\n", "\n", "\r\n", "\r"))
    text = end.join(",".join(line) for line in lines) + end
    return text.encode(rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")), "replace")


def damage_npy(rng: Random, data: bytes) -> bytes:
    """Another header above the same values."""
    if rng.random() < 0.2:
        return damage_numbers(rng, data)
    header = rng.choice(NPY_HEADERS).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    version = rng.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"))
    wide = 2 if version == b"\x01\x00" else 4
    return b"\x93NUMPY" + version + len(header).to_bytes(wide, "little") + header + data[128:]


def damage_npz(rng: Random, data: bytes) -> bytes:
    """One array of an archive damaged, or one that unfolds to far more than it is."""
    import zipfile

    made = io.BytesIO()
    kind = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(io.BytesIO(data)) as sound, zipfile.ZipFile(made, "w", kind) as archive:
        chosen = rng.choice(sound.namelist())
        for name in sound.namelist():
            inner = sound.read(name)
            way = rng.choice((damage_npy, damage_bytes))
            archive.writestr(name, way(rng, inner) if name == chosen else inner)
    found = made.getvalue()
    return damage_bytes(rng, found) if rng.random() < 0.3 else found


def damage_numbers(rng: Random, data: bytes) -> bytes:
    """A NaN, an infinity or a huge number among the values at the end of a file."""
    value = rng.choice((np.nan, np.inf, -np.inf, 1e308, -1.0, 1e30))
    with np.errstate(over="ignore"):
        raw = rng.choice((np.float64, np.float32))(value).tobytes()
    at = len(data) - 8 * rng.randrange(1, max(2, min(64, len(data) // 16)))
    return data[:at] + raw + data[at + len(raw) :]


def damage_safetensors(rng: Random, data: bytes) -> bytes:
    """The note, the entry of a tensor or a value of a safetensors file."""
    way = rng.randrange(4)
    if way == 0:
        return damage_numbers(rng, data)
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    note = header.get("__metadata__", {}).get("hiprobe", "")
    if way in (1, 2) and note:
        header["__metadata__"]["hiprobe"] = damage_json(rng, note.encode()).decode()
        text = json.dumps(header).encode()
    elif rng.random() < 0.5:
        name = rng.choice([n for n in header if n != "__metadata__"])
        _damage_entry(rng, header, name)
        text = json.dumps(header).encode()
    else:
        text = damage_json(rng, json.dumps(header).encode())
    return len(text).to_bytes(8, "little") + text + body


def _damage_entry(rng: Random, header: dict[str, Any], name: str) -> None:
    entry = header[name]
    way = rng.randrange(5)
    if way == 0:
        entry["dtype"] = rng.choice(DTYPES)
    elif way == 1:
        entry["shape"] = entry["shape"][::-1]
    elif way == 2:
        entry["shape"] = [*entry["shape"], 1]
    elif way == 3:
        entry["shape"] = [int(np.prod(entry["shape"]))]
    else:
        header[
            rng.choice(("segments/", "clip/last", "x/y/z", "/", "segments/last", "layers/kl"))
        ] = header.pop(name)


def damage_parquet(rng: Random, data: bytes) -> bytes:
    """A column of another type, left out or with another value, or other facts of the set."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if rng.random() < 0.4:
        return damage_bytes(rng, data)
    table = pq.read_table(io.BytesIO(data))
    about = dict(table.schema.metadata or {})
    name = rng.choice(table.column_names)
    at = table.column_names.index(name)
    way = rng.randrange(4)
    if way == 0 and b"hiprobe" in about:
        about[b"hiprobe"] = damage_json(rng, about[b"hiprobe"])
    elif way == 1:
        table = table.remove_column(at)
    else:
        hostile: Any = rng.choice((
            None, "x", "", 1.5, float("nan"), float("inf"), 2**62, -1, b"\xff\x00", [1],
            [{"start": 5}], {"a": 1}, True, [{"start": 3, "end": 2**62}],
            [{"start": None, "end": None}], "a\0b",
        ))  # fmt: skip
        table = table.set_column(at, name, pa.array([hostile] * len(table)))
    made = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(about), made)
    return made.getvalue()


Damage = Callable[[Random, bytes], bytes]

WAYS: dict[str, Damage] = {
    "json": damage_json,
    "csv": damage_csv,
    "npy": damage_npy,
    "npz": damage_npz,
    "safetensors": damage_safetensors,
    "parquet": damage_parquet,
}


def damage_file(rng: Random, path: Path, form: str) -> None:
    """Damage one file in place, or put something that is no file in its place."""
    way = rng.random()
    if way < 0.06:
        _replace_by_no_file(rng, path)
    elif way < 0.25 or form not in WAYS:
        path.write_bytes(damage_bytes(rng, path.read_bytes()))
    else:
        path.write_bytes(WAYS[form](rng, path.read_bytes()))


def _replace_by_no_file(rng: Random, path: Path) -> None:
    path.unlink()
    way = rng.randrange(7)
    if way == 0:
        os.mkfifo(path)
    elif way == 1:
        path.mkdir()
        (path / "inside").touch()
    elif way == 2:
        path.symlink_to(rng.choice(("/dev/zero", "/dev/null", "/dev/tty")))
    elif way == 3:
        path.symlink_to(path.name)
    elif way == 4:
        path.symlink_to("nowhere")
    elif way == 5:
        path.touch()
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)  # a terabyte of nothing
