"""States kept between runs, found again by what the video holds, not by where it lies.

An entry's key is a hash over the file's content, the settings of the cut into segments and the
backbone's fingerprint. Layers and readings are not in the key: an entry with more of them
serves a request for fewer. Every file is written whole and named by its content, so two
processes may share one folder: at worst they do the same work twice.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hiprobe.errors import StatesError, StorageError, VideoError
from hiprobe.states import Fingerprint, Reading, States, VideoStates
from hiprobe.store.atomic import atomic_path
from hiprobe.store.states_file import read_states, read_states_header, write_states

_RACY_SECONDS = 2.0
"""A file changed this recently may change again without a new timestamp: do not trust it."""

_LEFTOVER_SECONDS = 3600.0
"""A temporary file untouched for this long belongs to a process that was killed."""

_ENTRY = "[!.]*.safetensors"
"""Finished files; a leading dot marks one that another process is still writing."""


@dataclass(frozen=True)
class CacheEntry:
    """One file of the cache."""

    path: Path
    size_bytes: int
    modified_seconds: float
    video: str
    model: str
    layers: tuple[int, ...]
    partial: bool


@dataclass(frozen=True)
class StatesCache:
    """Cached states in one folder, created on first writing."""

    folder: Path

    def key(
        self,
        video: Path | str,
        *,
        settings: Mapping[str, str | int | float | bool | None],
        fingerprint: Fingerprint,
    ) -> str:
        """Key of a video under some settings: 40 hexadecimal digits.

        Raises:
            VideoError: the file cannot be read.
        """
        parts = [self.content_hash(video), dict(settings), fingerprint.digest]
        text = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:40]

    def content_hash(self, video: Path | str) -> str:
        """SHA-256 of a file; looked up where size and timestamps have not changed since.

        Raises:
            VideoError: the file cannot be read.
        """
        path = Path(video)
        try:
            stat = path.stat()
            stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
            known = self._index_path(path)
            digest = _read_index(known, stamp)
            if digest is None:
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                if time.time() - stat.st_mtime > _RACY_SECONDS:
                    _remember(known, {"stamp": stamp, "sha256": digest})
        except OSError as error:
            reason = error.strerror or str(error)
            raise VideoError(f"cannot read {path}: {reason}; check the path") from error
        return digest

    def get(
        self, key: str, *, layers: Sequence[int], readings: Sequence[Reading]
    ) -> VideoStates | None:
        """States under a key with just these layers and readings; None where there are none.

        A damaged entry is removed and counts as absent.
        """
        for path in sorted(self.folder.glob(f"{key}-*.safetensors")):
            try:
                header = read_states_header(path)
                found = {r for unit in header["readings"].values() for r in unit}
                if set(layers) <= set(header["layers"]) and set(readings) <= found:
                    return _restrict(read_states(path), layers, readings)
            except StatesError:
                path.unlink(missing_ok=True)
        return None

    def put(self, key: str, states: VideoStates, *, video: Path | str) -> None:
        """Keep states under a key and drop what was kept in part.

        Raises:
            StorageError: the folder cannot be written.
        """
        write_states(self._entry_path(key, states), states, notes={"video": Path(video).name})

    def parts(self, key: str, *, layers: Sequence[int], readings: Sequence[Reading]) -> PartFiles:
        """Where the unfinished states of one video are kept until it is done."""
        digest = _digest([*layers], [*readings])
        return PartFiles(self.folder / f"{key}-{digest}.parts")

    def entries(self) -> list[CacheEntry]:
        """Everything kept, oldest first."""
        files = [*self.folder.glob(_ENTRY), *self.folder.glob(f"*.parts/{_ENTRY}")]
        found = [entry for path in files if (entry := _entry(path)) is not None]
        return sorted(found, key=lambda e: (e.modified_seconds, e.path))

    def size_bytes(self) -> int:
        """Bytes of all entries."""
        return sum(entry.size_bytes for entry in self.entries())

    def prune(
        self, *, max_bytes: int | None = None, older_than_seconds: float | None = None
    ) -> list[CacheEntry]:
        """Remove entries of an age, then the oldest until `max_bytes` are left.

        `max_bytes=0` removes everything. Returns what was removed.
        """
        entries, now = self.entries(), time.time()
        total, removed = sum(e.size_bytes for e in entries), []
        for entry in entries:
            old = older_than_seconds is not None and (
                now - entry.modified_seconds > older_than_seconds
            )
            if old or (max_bytes is not None and total > max_bytes):
                entry.path.unlink(missing_ok=True)
                total -= entry.size_bytes
                removed.append(entry)
        _remove_leftovers(self.folder)
        return removed

    def _index_path(self, video: Path) -> Path:
        name = hashlib.sha256(str(video.absolute()).encode()).hexdigest()[:40]
        return self.folder / "hashes" / f"{name}.json"

    def _entry_path(self, key: str, states: VideoStates) -> Path:
        first = next(iter([*states.states.values(), *states.clip.values()]))
        digest = _digest([*first.layers], [*states.states, *states.clip])
        return self.folder / f"{key}-{digest}.safetensors"


@dataclass(frozen=True)
class PartFiles:
    """Consecutive pieces of one video's states, so that an interrupted run goes on."""

    folder: Path

    def read(self) -> list[VideoStates]:
        """The pieces without a gap from the start, in order; damaged ones end the list."""
        pieces: list[VideoStates] = []
        row = 0
        while True:
            try:
                piece = read_states(self.folder / f"{row:08d}.safetensors")
            except StatesError:
                return pieces
            pieces.append(piece)
            row += max(len(s) for s in piece.states.values())

    def write(self, first_row: int, states: Mapping[Reading, States], *, video: str) -> None:
        """Keep one piece that begins at a segment number."""
        path = self.folder / f"{first_row:08d}.safetensors"
        write_states(path, VideoStates(states=states), notes={"video": video})

    def remove(self) -> None:
        """Drop all pieces."""
        for path in self.folder.glob(_ENTRY):
            path.unlink(missing_ok=True)
        _remove_if_empty(self.folder)


def _restrict(
    states: VideoStates, layers: Sequence[int], readings: Sequence[Reading]
) -> VideoStates:
    return replace(
        states,
        states={r: s.select_layers(layers) for r, s in states.states.items() if r in readings},
        clip={r: s.select_layers(layers) for r, s in states.clip.items() if r in readings},
    )


def _digest(layers: Sequence[int], readings: Sequence[str]) -> str:
    text = json.dumps([sorted(layers), sorted(set(readings))])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _read_index(path: Path, stamp: list[int]) -> str | None:
    try:
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return str(known["sha256"]) if known["stamp"] == stamp else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(path: Path, entry: Mapping[str, Any]) -> None:
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(entry), encoding="utf-8")
    except StorageError:  # only a shortcut is lost; the next run hashes again
        pass


def _entry(path: Path) -> CacheEntry | None:
    try:
        stat = path.stat()
    except OSError:  # another process removed it meanwhile
        return None
    try:
        header = read_states_header(path)
    except StatesError:
        header = {}
    return CacheEntry(
        path=path,
        size_bytes=stat.st_size,
        modified_seconds=stat.st_mtime,
        video=str(header.get("notes", {}).get("video", "(damaged)")),
        model=str(header.get("fingerprint", {}).get("model", "")),
        layers=tuple(header.get("layers", ())),
        partial=path.parent.suffix == ".parts",
    )


def _remove_leftovers(folder: Path) -> None:
    for temporary in [*folder.glob(".*.safetensors"), *folder.glob("*.parts/.*.safetensors")]:
        try:
            if time.time() - temporary.stat().st_mtime > _LEFTOVER_SECONDS:
                temporary.unlink()
        except OSError:  # its writer has just finished
            pass
    for parts in folder.glob("*.parts"):
        _remove_if_empty(parts)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # not empty: another process is writing, or already gone
        pass
