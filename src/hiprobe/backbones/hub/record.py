"""hiprobe.json of a fetched model folder: where it came from, size and hash of every file."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hiprobe.store.documents import read_json
from hiprobe.store.schemas import FetchedDocument

FILE_NAME = "hiprobe.json"
FORMAT = "hiprobe-fetched"
VERSION = 1
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """A file of a hub repository.

    Attributes:
        name: without a folder.
        size: in bytes.
        sha256: of its content; for small files None, the hub does not know it.
        git_sha1: of a small file, as git computes it.
    """

    name: str
    size: int
    sha256: str | None = None
    git_sha1: str | None = None


@dataclass(frozen=True)
class Record:
    """What was fetched.

    Attributes:
        hub: `owner/name`.
        revision: the commit, 40 hexadecimal digits.
        endpoint: address of the hub, without credentials.
        files: all of them.
    """

    hub: str
    revision: str
    endpoint: str
    files: tuple[RemoteFile, ...]


def write_record(folder: Path, record: Record) -> None:
    """Write the record into a folder whose files are all there."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "hub": record.hub,
        "revision": record.revision,
        "endpoint": record.endpoint,
        "fetched": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "files": [asdict(file) for file in record.files],
    }
    (folder / FILE_NAME).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_record(folder: Path) -> Record | None:
    """The record of a folder; None where there is none, or it cannot be read."""
    try:
        document: dict[str, Any] = read_json(folder / FILE_NAME, FetchedDocument)
        if (document["format"], document["version"]) != (FORMAT, VERSION):
            return None
        files = tuple(RemoteFile(**file) for file in document["files"])
        return Record(document["hub"], document["revision"], document["endpoint"], files)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_fetched(folder: Path) -> bool:
    """True where every file of the record is there in full length."""
    record = read_record(folder)
    return record is not None and all(has_size(folder / f.name, f.size) for f in record.files)


def has_size(path: Path, size: int) -> bool:
    """True where the file exists and is that long."""
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def is_whole(path: Path, file: RemoteFile) -> bool:
    """True where the file's content has the hash that the hub states; reads all of it."""
    if not has_size(path, file.size):
        return False
    if file.sha256 is not None:
        return _digest(path, "sha256") == file.sha256
    if file.git_sha1 is not None:
        return _digest(path, "sha1", prefix=f"blob {file.size}\0".encode()) == file.git_sha1
    return True


def _digest(path: Path, kind: str, *, prefix: bytes = b"") -> str:
    total = hashlib.new(kind, prefix, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            total.update(block)
    return total.hexdigest()
