"""The hash of a file's content, remembered as long as size and timestamps stay the same."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hiprobe.documents.checked import open_plain, read_json
from hiprobe.errors import StorageError, VideoError
from hiprobe.names import why_no_file
from hiprobe.store.atomic import atomic_path

_RACY_SECONDS = 2.0
"""A file changed this recently may change again without a new timestamp: do not trust it."""


def content_hash(file: Path | str, *, remembered_in: Path | None = None) -> str:
    """SHA-256 of a file, 64 hexadecimal digits.

    Args:
        remembered_in: folder where hashes are noted, created on first writing; None hashes anew.

    Raises:
        VideoError: the file cannot be read.
    """
    path = Path(file)
    wrong = why_no_file(path)
    if wrong:
        raise VideoError(wrong)
    try:
        stat = path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        note = None if remembered_in is None else remembered_in / f"{_name(path)}.json"
        digest = None if note is None else _read(note, stamp)
        if digest is None:
            with open_plain(path) as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            if note is not None and time.time() - stat.st_mtime > _RACY_SECONDS:
                _remember(note, {"stamp": stamp, "sha256": digest})
    except OSError as error:
        reason = error.strerror or str(error)
        raise VideoError(f"cannot read {path}: {reason}; check the path") from error
    return digest


def _name(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:40]


def _read(note: Path, stamp: list[int]) -> str | None:
    from hiprobe.documents.schemas import HashNote

    try:
        known: dict[str, Any] = read_json(note, HashNote)
        return str(known["sha256"]) if known["stamp"] == stamp else None
    except (OSError, ValueError):
        return None


def _remember(note: Path, entry: Mapping[str, Any]) -> None:
    try:
        with atomic_path(note) as temporary:
            temporary.write_text(json.dumps(entry), encoding="utf-8")
    except StorageError:  # only a shortcut is lost; the next run hashes again
        pass
