"""Cached states, found by a video's content, its cut and the backbone's fingerprint."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from hiprobe.errors import StatesError, StorageError
from hiprobe.fingerprint import Fingerprint
from hiprobe.names import is_object, path_text
from hiprobe.objects import ObjectInfo, exists, objects_below, remove_file
from hiprobe.states import (
    VISION_LAYERS,
    VISION_READINGS,
    Reading,
    States,
    VideoStates,
    layers_at,
)
from hiprobe.store.atomic import sweep
from hiprobe.store.content_hash import content_hash
from hiprobe.store.states_file import (
    Arrays,
    read_states,
    read_states_header,
    read_times,
    write_states,
)

PARTS_SUFFIX = ".parts"

# File handles and memory.
_LACKING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

# Files written whole; a leading dot marks one that another process is still writing.
FINISHED = "[!.]*.safetensors"

# A folder is listed again after this many times the time that listing it took.
_LIST_EVERY = 50

# A temporary file untouched for this long belongs to a process that was killed.
_LEFTOVER_SECONDS = 3600.0


@dataclass(frozen=True)
class StatesCache:
    """Cached states in one folder, created on first writing.

    Attributes:
        folder: of a disk, or of an object store.
    """

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
        return self.key_of_content(
            self.content_hash(video), settings=settings, fingerprint=fingerprint
        )

    def key_of_content(
        self,
        sha256: str,
        *,
        settings: Mapping[str, str | int | float | bool | None],
        fingerprint: Fingerprint,
    ) -> str:
        """As `key`, of a video whose hash is known; the file may be gone."""
        # Changing this text orphans all states that users have cached.
        text = json.dumps([sha256, dict(settings), fingerprint.digest], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:40]

    def content_hash(self, video: Path | str) -> str:
        """SHA-256 of a file; looked up where size and timestamps have not changed since.

        Raises:
            VideoError: the file cannot be read.
        """
        return content_hash(video, remembered_in=self.folder / "hashes")

    def get(
        self, key: str, *, layers: Sequence[int], readings: Sequence[Reading]
    ) -> VideoStates | None:
        """States under a key with just these layers and readings; None where there are none.

        A damaged entry is removed and counts as absent.
        """
        for path in self._of_key(key, layers, readings):
            try:
                header = read_states_header(path)
                found = {r for unit in header["readings"].values() for r in unit}
                held = header["layers"]
                # An entry with more layers or readings serves too.
                if set(readings) <= found and all(
                    set(layers_at(r, layers)) <= set(layers_at(r, held)) for r in readings
                ):
                    return _restrict(read_states(path), layers, readings)
            except StatesError as error:
                # What the machine lacks at the moment is no damage of the file.
                if getattr(error.__cause__, "errno", None) not in _LACKING:
                    remove_entry(path)
        return None

    def find(self, key: str, *, layers: Sequence[int], readings: Sequence[Reading]) -> Path | None:
        """The entry from which `get` would take states; only headers are read."""
        for path in self._of_key(key, layers, readings):
            with suppress(StatesError):
                header = read_states_header(path)
                found = {r for unit in header["readings"].values() for r in unit}
                if set(layers) <= set(header["layers"]) and set(readings) <= found:
                    return path
        return None

    def put(self, key: str, states: VideoStates, *, video: Path | str) -> None:
        """Keep states under a key and drop what was kept in part.

        Raises:
            StorageError: the folder cannot be written.
        """
        layers = () if states.leading is None else states.leading.layers
        name = _entry_name(key, layers, [*states.states, *states.clip])
        write_states(self.folder / name, states, notes={"video": path_text(Path(video).name)})
        _listing_of(self.folder).add(key, name)

    def parts(self, key: str, *, layers: Sequence[int], readings: Sequence[Reading]) -> PartFiles:
        """Where the unfinished states of one video are kept until it is done."""
        digest = _digest([*layers], [*readings])
        return PartFiles(self.folder / f"{key}-{digest}{PARTS_SUFFIX}")

    def entries(self) -> list[CacheEntry]:
        """Every file of the cache, oldest first."""
        if is_object(self.folder):
            objects = [o for o in objects_below(self.folder) if o.path.suffix == ".safetensors"]
            return sorted(map(_object_entry, objects), key=lambda e: (e.modified_seconds, e.path))
        files = [*self.folder.glob(FINISHED), *self.folder.glob(f"*{PARTS_SUFFIX}/{FINISHED}")]
        found = [entry for path in files if (entry := _entry(path)) is not None]
        return sorted(found, key=lambda e: (e.modified_seconds, e.path))

    def size_bytes(self) -> int:
        """Bytes of all entries."""
        return sum(entry.size_bytes for entry in self.entries())

    def prune(
        self, *, max_bytes: int | None = None, older_than_seconds: float | None = None
    ) -> list[CacheEntry]:
        """Remove entries of an age, then the oldest until `max_bytes` are left.

        `max_bytes=0` removes everything. Damaged entries, whatever they are (folders, pipes), are
        treated like the others. Returns what was removed.
        """
        entries, now = self.entries(), time.time()
        total, removed = sum(e.size_bytes for e in entries), []
        for entry in entries:
            age = now - entry.modified_seconds
            is_old = older_than_seconds is not None and age > older_than_seconds
            is_beyond = max_bytes is not None and (max_bytes == 0 or total > max_bytes)
            if (is_old or is_beyond) and remove_entry(entry.path):
                total -= entry.size_bytes
                removed.append(entry)
        self._remove_leftovers()
        return removed

    def _remove_leftovers(self) -> None:
        if is_object(self.folder):
            return
        sweep(self.folder)
        parts = f"*{PARTS_SUFFIX}"
        for pattern in (".*.safetensors", f"{parts}/.*.safetensors"):
            for temporary in self.folder.glob(pattern):
                with suppress(OSError):  # its writer has just finished
                    if time.time() - temporary.stat().st_mtime > _LEFTOVER_SECONDS:
                        temporary.unlink()
        for emptied in self.folder.glob(parts):
            _remove_if_empty(emptied)

    def _of_key(
        self, key: str, layers: Sequence[int], readings: Sequence[Reading]
    ) -> Iterator[Path]:
        """Entries under a key: the one of just these layers and readings, then the others."""
        wanted = _entry_name(key, layers, readings)
        if exists(self.folder / wanted):
            yield self.folder / wanted
        for name in _listing_of(self.folder).names(key):
            if name != wanted:
                yield self.folder / name


def _entry_name(key: str, layers: Sequence[int], readings: Sequence[Reading]) -> str:
    held = layers if {*readings} - {*VISION_READINGS} else VISION_LAYERS
    return f"{key}-{_digest(held, readings)}.safetensors"


@dataclass
class _Listing:
    """Names of a folder's entries by key.

    A folder can only be listed whole, which takes 5 ms for 10,000 entries on a disk and a second in
    an object store. So it is listed again only once that takes little of the time gone by: a run
    over ever more videos must not become slower with each. Entries of just the layers that are
    asked for are found by their name, without it.
    """

    folder: Path
    by_key: dict[str, set[str]] = field(default_factory=dict)
    due_seconds: float = 0.0

    def names(self, key: str) -> list[str]:
        """Of the entries under a key, sorted."""
        began = time.monotonic()
        if began >= self.due_seconds:
            self.by_key = {}
            for name in self._all():
                self.add(name.partition("-")[0], name)
            self.due_seconds = began + _LIST_EVERY * (time.monotonic() - began)
        return sorted(self.by_key.get(key, ()))

    def add(self, key: str, name: str) -> None:
        """Note an entry that was just written."""
        self.by_key.setdefault(key, set()).add(name)

    def _all(self) -> list[str]:
        if is_object(self.folder):
            return [f.path.name for f in objects_below(self.folder) if _is_entry(f.path.name)]
        with suppress(OSError):  # nothing has been kept yet
            return [entry.name for entry in os.scandir(self.folder) if _is_entry(entry.name)]
        return []


def _is_entry(name: str) -> bool:
    return "-" in name and name.endswith(".safetensors") and name[0] != "."


@cache
def _listing_of(folder: Path) -> _Listing:
    return _Listing(folder)


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


@dataclass(frozen=True)
class CacheEntry:
    """One file of the cache."""

    path: Path
    size_bytes: int
    modified_seconds: float
    video: str
    model: str
    prompt: str
    layers: tuple[int, ...]
    partial: bool


def _entry(path: Path) -> CacheEntry | None:
    try:
        stat = path.lstat()
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
        video=header["notes"].get("video", "") if header else "(damaged)",
        model=header["fingerprint"]["model"] if header else "",
        prompt=header["fingerprint"]["prompt"] if header else "",
        layers=tuple(header.get("layers", ())),
        partial=path.parent.suffix == PARTS_SUFFIX,
    )


def _object_entry(found: ObjectInfo) -> CacheEntry:
    """An entry of which only the listing is known: to look into it, all of it would be copied."""
    is_part = found.path.parent.suffix == PARTS_SUFFIX
    return CacheEntry(
        found.path,
        found.size_bytes,
        found.modified_seconds,
        "(not looked into)",
        "",
        "",
        (),
        is_part,
    )


@dataclass(frozen=True)
class PartFiles:
    """The states of an unfinished video, in pieces, each named by its first segment's number.

    Several workers may have written them, so that later ones may be there and earlier ones not.
    """

    folder: Path

    def path(self, first_row: int) -> Path:
        """Of the piece that begins at a segment number."""
        return self.folder / f"{first_row:08d}.safetensors"

    def times(self) -> dict[int, Arrays]:
        """First segment's number -> start_seconds and end_seconds of a piece; no damaged ones."""
        found: dict[int, Arrays] = {}
        for path in self._files():
            # Another name, or no times: no piece of ours.
            with suppress(StatesError, ValueError, KeyError):
                first, times = int(path.stem), read_times(path)["segments"]
                if 0 < len(times["start_seconds"]) == len(times["end_seconds"]):
                    found[first] = times
        return found

    def read(self, first_row: int) -> VideoStates:
        """One piece, whole.

        Raises:
            StatesError: it is damaged, or gone meanwhile.
        """
        return read_states(self.path(first_row))

    def write(self, first_row: int, states: Mapping[Reading, States], *, video: str) -> None:
        """Keep one piece that begins at a segment number.

        Raises:
            StorageError: the folder cannot be written.
        """
        write_states(self.path(first_row), VideoStates(states=states), notes={"video": video})

    def remove(self) -> None:
        """Drop all pieces."""
        for path in self._files():
            remove_entry(path)
        if not is_object(self.folder):
            _remove_if_empty(self.folder)

    def _files(self) -> list[Path]:
        if is_object(self.folder):
            return [found.path for found in objects_below(self.folder)]
        return [*self.folder.glob(FINISHED)]


def remove_entry(path: Path) -> bool:
    """Remove whatever lies under an entry's name, a folder with all in it; False if it stays."""
    try:
        if is_object(path):
            remove_file(path)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except (OSError, StorageError):  # not ours to remove
        return False
    return True


def _remove_if_empty(folder: Path) -> None:
    """Remove a folder unless something is in it, or it is gone already."""
    sweep(folder)
    with suppress(OSError):  # not empty: another process is writing, or already gone
        folder.rmdir()
