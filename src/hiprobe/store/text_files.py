"""Text, JSON, tables and the record of a run: whole, valid UTF-8, never outside a folder."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from hiprobe.documents.checked import read_json
from hiprobe.errors import OutsideFolderError, UsageError
from hiprobe.names import HALF_CHARACTER, is_object, path_text, text_path, utf8_text
from hiprobe.objects import stamp_of
from hiprobe.plugins import Registry
from hiprobe.store.atomic import atomic_path


def inside(folder: Path, name: str | Path) -> Path:
    """`folder / name`, which lies in `folder` whatever the name says.

    Links on the way are followed: a subfolder that leads elsewhere is outside. The last part is
    not, since a file that is written takes the place of a link.

    Raises:
        OutsideFolderError: it would lie elsewhere, or is the folder itself.
    """
    path = folder / name
    is_name = path.name not in ("", ".", "..") and path != folder
    if not is_name or not path.parent.resolve().is_relative_to(folder.resolve()):
        raise OutsideFolderError(
            f"{name} would be written outside of {folder}, and nothing is; rename what it is "
            "named after, or remove the link that leads there"
        )
    return path


# What a spreadsheet takes for a formula; quotes before it may be ours or the text's own.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def write_text(path: Path | str, text: str) -> None:
    """Write a text as UTF-8; half characters of names are written out.

    Raises:
        StorageError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(utf8_text(text), encoding="utf-8")


def json_text(document: Any, *, indent: int | None = None) -> str:
    """Strict JSON that every reader takes: no NaN, no half characters.

    Raises:
        TypeError, ValueError: a value is not JSON.
    """
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    # File names that are no UTF-8 come as lone surrogates, which strict readers refuse.
    text = HALF_CHARACTER.sub(lambda half: json.dumps(utf8_text(half[0]))[1:-1], text)
    if indent is None:
        return text
    import msgspec  # the standard library lays out ten times as slowly, and here a run waits

    return str(msgspec.json.format(text, indent=indent))


def write_table(path: Path | str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file; see `write_rows`.

    Raises:
        StorageError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        write_rows(temporary, header, rows)


def write_rows(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], *, line_end: str = "\r\n"
) -> None:
    """Write a CSV file in place, its texts made harmless with `safe_cell`."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator=line_end)
        writer.writerow(header)
        writer.writerows(
            [safe_cell(value) if isinstance(value, str) else value for value in row] for row in rows
        )


def safe_cell(text: str) -> str:
    """A text as a cell that no spreadsheet runs: `'=1+1`; `plain_cell` turns it back.

    A number stays a number. Names and a model's words come from strangers.
    """
    text = utf8_text(text)
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def path_cell(path: PurePath | str) -> str:
    """A path as a cell: relative to the table, `./=a.mp4` is the same file to every reader."""
    text = path_text(path.as_posix() if isinstance(path, PurePath) else path)
    return f"./{text}" if safe_cell(text) != text else text


def plain_cell(cell: str) -> str:
    """What `safe_cell` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


RUN_FORMAT = "hiprobe-run"
RUN_VERSION = 1
RUN_NAME = "hiprobe-run.json"

# The two kinds of what is written for a video: by detection, and by `extract`.
RESULTS, STATES = "results", "states"

# What HiProbe itself may write under one name, in any format; the first says whose it is.
ENDINGS: Mapping[str, tuple[str, ...]] = {
    RESULTS: (
        ".json",
        ".csv",
        ".events.csv",
        ".png",
        ".annotated.mp4",
        ".html",
        ".event-01.mp4",  # the others follow it
    ),
    STATES: (".safetensors",),
}

_EVENT_CLIP = re.compile(r"\.event-\d{2,}\.mp4$")


@dataclass(frozen=True)
class Owner:
    """A video and the name that its results have for good.

    Attributes:
        name: path of its files below the folder, with `/`, without their endings.
        video: absolute path of the file.
        sha256: of its content; for states, of the video that they were made from.
        size_bytes: of the file; 0 where it is not known.
        kind: `RESULTS` or `STATES`.
        part: the stretch of the video, in words; empty for all of it.
    """

    name: str
    video: str
    sha256: str
    size_bytes: int
    kind: str = RESULTS
    part: str = ""


# Entry points of output formats (`hiprobe.report.writers`), which declare endings of files.
WRITERS_GROUP = "hiprobe.writers"


def endings_of(kind: str) -> tuple[str, ...]:
    """Everything that may be written under one name: `ENDINGS`, and those of other packages.

    A format that cannot be loaded can write nothing, so its endings are left out.
    """
    others = _endings_of_other_packages(tuple(sys.path)) if kind == RESULTS else ()
    return (*ENDINGS[kind], *(e for e in others if e not in ENDINGS[kind]))


@cache
def _endings_of_other_packages(_path: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    others: Registry[object] = Registry(WRITERS_GROUP, "format")
    for name in others.names():
        with suppress(UsageError):
            declared = getattr(others.get(name), "endings", ())
            found += declared if isinstance(declared, tuple) else ()
    return tuple(dict.fromkeys(found))


def names_of_file(file: str, kind: str) -> Iterator[str]:
    """Names under which a file (`cam.events.csv`) may have been written."""
    for ending in endings_of(kind):
        if file.endswith(ending):
            yield file.removesuffix(ending)
    if kind == RESULTS and _EVENT_CLIP.search(file):
        yield _EVENT_CLIP.sub("", file)


def read_owners(folder: Path) -> tuple[Owner, ...] | None:
    """The owners of an output folder's names; None where its run file is damaged.

    There are none where there is no run file, or one that keeps no owners. A file that this process
    has read or written, and nobody else since, is not read again: in a run over thousands of videos
    it is asked for at each.
    """
    path = folder / RUN_NAME
    try:
        stamp = _stamp(path)
        known = _KNOWN.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        document = read_json(path, names=True)
        if document["format"] != RUN_FORMAT or document["version"] != RUN_VERSION:
            return None
        owners = tuple(_owner(entry) for entry in document.get("owners", ()))
        _KNOWN[path] = stamp, owners
        return owners
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def write_run(
    folder: Path,
    *,
    interrupted: bool,
    results: Sequence[Mapping[str, Any]],
    failures: Sequence[Mapping[str, str]],
    owners: Sequence[Owner],
) -> None:
    """Write the run file of a folder.

    Args:
        interrupted: whether the run broke off, or still goes on.
        results: one entry for each finished video, in order.
        failures: `video` and `reason` of each file that could not be used.
        owners: which name belongs to which video.

    Raises:
        StorageError: the folder cannot be written.
    """
    document = {
        "format": RUN_FORMAT,
        "version": RUN_VERSION,
        "interrupted": interrupted,
        "results": [*results],
        "failures": [*failures],
        "owners": [_owner_json(owner) for owner in owners],
    }
    path = folder / RUN_NAME
    with atomic_path(path) as temporary:
        temporary.write_text(json_text(document, indent=1) + "\n", encoding="utf-8")
        stamp = None if is_object(path) else _stamp(temporary)
    if stamp is not None:  # the file keeps it under its new name
        _KNOWN[path] = stamp, tuple(owners)


# Of each run file that this process has read or written, its stamp and the owners in it.
_KNOWN: dict[Path, tuple[tuple[int, ...], tuple[Owner, ...]]] = {}


def _stamp(path: Path) -> tuple[int, ...]:
    if is_object(path):
        return stamp_of(path)
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


@cache
def _owner_json(owner: Owner) -> dict[str, Any]:
    return {**vars(owner), "video": path_text(owner.video)}


def _owner(entry: Mapping[str, Any]) -> Owner:
    found = {f.name: entry[f.name] for f in fields(Owner)}
    for name, value in found.items():
        if not isinstance(value, int if name == "size_bytes" else str):
            raise TypeError(f"{name} is {value!r}")
    place = PurePath(found["name"])  # of this system: Windows has drives and backslashes
    if found["kind"] not in ENDINGS or ".." in place.parts or place.anchor:
        raise ValueError(f"an owner of {found['kind']!r}, {found['name']!r}")
    return Owner(**{**found, "video": str(text_path(found["video"]))})
