"""What the run file of an output folder says of its results: which video owns which name.

`hiprobe-run.json` tells what the last run did. Under `owners` it keeps, over all runs, the video
that each name belongs to, so that a name is never given to another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

from hiprobe.path_text import path_text, text_path
from hiprobe.store.documents import read_json
from hiprobe.store.text_files import json_text, write_text

RUN_FORMAT = "hiprobe-run"
RUN_VERSION = 1
RUN_NAME = "hiprobe-run.json"

RESULTS, STATES = "results", "states"
"""The two kinds of what is written for a video: by detection, and by `extract`."""

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
"""Everything that may be written under one name, in any format; the first says whose it is."""

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


def names_of_file(file: str, kind: str) -> Iterator[str]:
    """Names under which a file (`cam.events.csv`) may have been written."""
    for ending in ENDINGS[kind]:
        if file.endswith(ending):
            yield file.removesuffix(ending)
    if kind == RESULTS and _EVENT_CLIP.search(file):
        yield _EVENT_CLIP.sub("", file)


def read_owners(folder: Path) -> tuple[Owner, ...] | None:
    """The owners of an output folder's names; None where its run file is damaged.

    There are none where there is no run file, or one that keeps no owners.
    """
    try:
        document = read_json(folder / RUN_NAME, names=True)
        if document["format"] != RUN_FORMAT or document["version"] != RUN_VERSION:
            return None
        return tuple(_owner(entry) for entry in document.get("owners", ()))
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

    Raises:
        StorageError: the folder cannot be written.
    """
    document = {
        "format": RUN_FORMAT,
        "version": RUN_VERSION,
        "interrupted": interrupted,
        "results": [*results],
        "failures": [*failures],
        "owners": [asdict(replace(owner, video=path_text(owner.video))) for owner in owners],
    }
    write_text(folder / RUN_NAME, json_text(document, indent=1) + "\n")


def _owner(entry: Mapping[str, Any]) -> Owner:
    found = {f.name: entry[f.name] for f in fields(Owner)}
    for name, value in found.items():
        if not isinstance(value, int if name == "size_bytes" else str):
            raise TypeError(f"{name} is {value!r}")
    place = PurePosixPath(found["name"])
    if found["kind"] not in ENDINGS or ".." in place.parts or place.is_absolute():
        raise ValueError(f"an owner of {found['kind']!r}, {found['name']!r}")
    return Owner(**{**found, "video": str(text_path(found["video"]))})
