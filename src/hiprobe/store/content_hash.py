"""The hash of a video's content, remembered as long as size and timestamps stay the same."""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from hiprobe.documents.checked import file_sha256, read_json
from hiprobe.errors import StorageError, VideoError
from hiprobe.names import is_object, why_no_file
from hiprobe.objects import stamp_of
from hiprobe.settings import cache_folder
from hiprobe.store.atomic import atomic_path

# A file changed this recently may change again without a new timestamp: do not trust it.
_RACY_SECONDS = 2.0


def content_hash(file: Path | str, *, remembered_in: Path | None = None) -> str:
    """SHA-256 of a file, 64 hexadecimal digits.

    Args:
        remembered_in: folder with a note for each file that was hashed before, created on first
            writing; None reads the whole file each time.

    Raises:
        VideoError: the file cannot be read.
    """
    path = Path(file)
    if wrong := why_no_file(path):
        raise VideoError(wrong)
    try:
        if remembered_in is None:
            return file_sha256(path)
        stamp, modified_seconds = _stamp(path)
        if is_object(remembered_in) and not is_object(path):
            remembered_in = cache_folder() / "states" / "hashes"  # of a file of this machine
        # Not resolved: a link that is pointed at another file later must not find the old note.
        whole = path if is_object(path) else path.absolute()
        name = hashlib.sha256(os.fsencode(whole)).hexdigest()[:40]
        note = remembered_in / f"{name}.json"
        known = read_note(note)
        if known is not None and known["stamp"] == stamp:
            return str(known["sha256"])
        digest = file_sha256(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise VideoError(f"cannot read {path}: {reason}; check the path") from error
    if time.time() - modified_seconds > _RACY_SECONDS:
        # Only a shortcut is lost where it cannot be written: the next run hashes again.
        with suppress(StorageError), atomic_path(note) as temporary:
            temporary.write_text(json.dumps({"stamp": stamp, "sha256": digest}), encoding="utf-8")
    return digest


def _stamp(path: Path) -> tuple[list[int], float]:
    """What changes with the content of a file, and when that was.

    Raises:
        OSError: it is not there.
    """
    if is_object(path):
        return [*stamp_of(path), 0, 0], 0.0
    found = path.stat()
    stamp = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    return stamp, found.st_mtime


def read_note(note: Path) -> dict[str, Any] | None:
    """What was noted of a file, `stamp` and `sha256`; None where the note is absent or damaged."""
    from hiprobe.documents.schemas import HashNote  # msgspec: only where hashes are remembered

    try:
        known: dict[str, Any] = read_json(note, HashNote)
    except (OSError, ValueError):
        return None
    return known
