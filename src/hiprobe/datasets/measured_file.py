"""Kept measurements: a check that was interrupted goes on, a second one starts where it ended."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe.datasets.files_found import Found
from hiprobe.datasets.fingerprint import SHAPE
from hiprobe.datasets.measure import Measured, measure
from hiprobe.pipeline.progress import Clock, Progress
from hiprobe.store.documents import parse_json
from hiprobe.store.plain_files import MIB, read_plain
from hiprobe.store.schemas import MeasuredLine
from hiprobe.store.storage_errors import storage_error

VERSION = 2
"""Version 1 called recordings broken that begin late, and counted holes into the frame rate."""

LIMIT_BYTES = 1024 * MIB
"""A line has 3 kB: the set would have 300,000 videos."""


def kept_file(root: Path, *, folder: Path) -> Path:
    """Where the measurements of the files below `root` are kept in `folder`."""
    key = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    return folder / f"{key}.jsonl"


def measure_all(
    files: Sequence[Found],
    *,
    kept: Path,
    quick: bool = False,
    progress: Progress | None = None,
) -> dict[Found, Measured]:
    """Measure every file, except those measured before and not changed since.

    Each result is written to `kept` (one JSON a line) as soon as it is there. A file counts as
    unchanged by its size and its time of change; one measured in full serves a quick check too.

    Raises:
        StorageError: `kept` cannot be written.
    """
    before = _read(kept)
    done = {f: m for f in files if (m := _usable(before, f, quick=quick)) is not None}
    fresh = [f for f in files if f not in done]
    clock = Clock(progress, len(files), skipped=len(done))
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with kept.open("a", encoding="utf-8") as log:
            log.write("\n")  # what was interrupted may have left a line without its end
            for found in fresh:
                clock.name = found.relative.name
                clock.tell(len(done), seconds_of_video=0)
                done[found] = measure(found, quick=quick)
                log.write(json.dumps(_line(found, done[found], quick=quick)) + "\n")
                log.flush()
    except OSError as error:
        raise storage_error(kept, error) from error
    return done


def _key(found: Found) -> list[Any]:
    """Changes whenever the file does, or a picture is added or taken away."""
    state = found.path.stat()
    count = len(found.pictures)
    size = state.st_size if not count else sum(p.stat().st_size for p in found.pictures)
    return [str(found.relative), size, state.st_mtime_ns, count]


def _line(found: Found, measured: Measured, *, quick: bool) -> dict[str, Any]:
    picture = measured.picture
    return {
        "version": VERSION,
        "key": _key(found),
        "mode": "quick" if quick else "full",
        "frames": measured.frame_count,
        "fps": measured.fps,
        "problem": measured.problem,
        "picture": None if picture is None else base64.b64encode(picture.tobytes()).decode(),
    }


def _read(kept: Path) -> dict[str, dict[str, Any]]:
    """The last usable line of each file; a line that was cut off is no line."""
    found: dict[str, dict[str, Any]] = {}
    if not kept.is_file():
        return found
    try:
        lines = read_plain(kept, limit_bytes=LIMIT_BYTES).splitlines()
    except OSError:  # measured again
        return found
    for text in lines:
        try:
            line = parse_json(text, MeasuredLine, nan=True, names=True)
            if line["version"] == VERSION:
                found[line["key"][0]] = line
        except (ValueError, KeyError, TypeError, IndexError):
            continue
    return found


def _usable(before: dict[str, dict[str, Any]], found: Found, *, quick: bool) -> Measured | None:
    line = before.get(str(found.relative))
    try:
        if line is None or line["key"] != _key(found) or not (quick or line["mode"] == "full"):
            return None
        text = line["picture"]
        pixels = np.frombuffer(base64.b64decode(text), np.uint8) if text else None
        picture = None if pixels is None else pixels.reshape(SHAPE)
        return Measured(line["frames"], line["fps"], line["problem"], picture)
    except (OSError, KeyError, ValueError, TypeError):
        return None
