"""What lies in a folder of cached states, and how it is pruned."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from hiprobe.errors import StatesError
from hiprobe.store.parts import FINISHED, PARTS_SUFFIX, remove_entry, remove_if_empty
from hiprobe.store.states_header import read_states_header
from hiprobe.store.temporary import sweep

_LEFTOVER_SECONDS = 3600.0
"""A temporary file untouched for this long belongs to a process that was killed."""


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


def list_entries(folder: Path) -> list[CacheEntry]:
    """Everything kept, oldest first."""
    files = [*folder.glob(FINISHED), *folder.glob(f"*{PARTS_SUFFIX}/{FINISHED}")]
    found = [entry for path in files if (entry := _entry(path)) is not None]
    return sorted(found, key=lambda e: (e.modified_seconds, e.path))


def prune_entries(
    folder: Path, *, max_bytes: int | None, older_than_seconds: float | None
) -> list[CacheEntry]:
    """Remove entries of an age, then the oldest until `max_bytes` are left; what was removed.

    Damaged ones, whatever they are (folders, pipes), are entries like the others.
    """
    entries, now = list_entries(folder), time.time()
    total, removed = sum(e.size_bytes for e in entries), []
    for entry in entries:
        old = older_than_seconds is not None and now - entry.modified_seconds > older_than_seconds
        wanted = old or max_bytes == 0 or (max_bytes is not None and total > max_bytes)
        if wanted and remove_entry(entry.path):
            total -= entry.size_bytes
            removed.append(entry)
    _remove_leftovers(folder)
    return removed


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


def _remove_leftovers(folder: Path) -> None:
    sweep(folder)
    parts = f"*{PARTS_SUFFIX}"
    for temporary in [*folder.glob(".*.safetensors"), *folder.glob(f"{parts}/.*.safetensors")]:
        try:
            if time.time() - temporary.stat().st_mtime > _LEFTOVER_SECONDS:
                temporary.unlink()
        except OSError:  # its writer has just finished
            pass
    for emptied in folder.glob(parts):
        remove_if_empty(emptied)
