"""Where fetched models lie on this disk, and the record of what was fetched."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from hiprobe.backbones.hf.weights import weight_files
from hiprobe.documents.checked import file_sha256, open_plain, read_json
from hiprobe.documents.schemas import FetchedDocument
from hiprobe.errors import BackboneError
from hiprobe.settings import backbones_folder

FILE_NAME = "hiprobe.json"
FORMAT = "hiprobe-fetched"
VERSION = 1


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
        return file_sha256(path) == file.sha256
    if file.git_sha1 is not None:
        return _git_sha1(path, file.size) == file.git_sha1
    return True


def _git_sha1(path: Path, size: int) -> str:
    """The name that git gives to a file's content: the hub states it for files outside of LFS."""
    total = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with open_plain(path) as file:
        return hashlib.file_digest(file, lambda: total).hexdigest()


Place = Literal["hiprobe", "hub cache", "package"]
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


@dataclass(frozen=True)
class Found:
    """A model on this disk."""

    folder: Path
    place: Place


def is_hub_id(name: str) -> bool:
    """True for `owner/name`."""
    return _HUB_ID.fullmatch(name) is not None


def own_folder(hub: str) -> Path:
    """Where HiProbe keeps a model of the hub, whether it is there or not."""
    return backbones_folder() / hub.replace("/", "--")


def by_hand(hub: str, target: Path) -> str:
    """How a model comes onto a machine without a network."""
    return (
        f"on a machine with a network run `hiprobe backbones get {hub}` and copy the folder it "
        f"prints to {target} here, or give any folder with the model as --backbone FOLDER"
    )


def locate(hub: str) -> Found | None:
    """The whole model on this disk; None where it is not, or only in part. No network is used."""
    folder = own_folder(hub)
    if is_fetched(folder) or (read_record(folder) is None and is_complete(folder)):
        return Found(folder, "hiprobe")
    snapshot = _snapshot(hub)
    return None if snapshot is None else Found(snapshot, "hub cache")


def is_complete(folder: Path) -> bool:
    """True where config, a tokenizer and all weights are there, as far as their names tell."""
    try:
        weight_files(folder)
    except (BackboneError, OSError):
        return False
    return (folder / "config.json").is_file() and any((folder / n).is_file() for n in _TOKENIZERS)


def _snapshot(hub: str) -> Path | None:
    """The hub cache's copy: of the main branch if whole, else the newest whole one."""
    repository = _hub_cache() / f"models--{hub.replace('/', '--')}"
    snapshots = repository / "snapshots"
    if not snapshots.is_dir():
        return None
    copies = sorted(snapshots.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
    try:
        main = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        main = ""
    copies.sort(key=lambda p: p.name != main)  # stable: the main branch first, then by age
    return next((copy for copy in copies if is_complete(copy)), None)


def _hub_cache() -> Path:
    """By HF_HUB_CACHE and HF_HOME, as the client itself reads them."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)
