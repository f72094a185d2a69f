"""States kept between runs, found again by what the video holds, not by where it lies.

An entry's key is a hash over the file's content, the settings of the cut into segments and the
backbone's fingerprint. Layers and readings are not in the key: an entry with more of them
serves a request for fewer. Every file is written whole and named by its content, so two
processes may share one folder: at worst they do the same work twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hiprobe.errors import StatesError
from hiprobe.path_text import path_text
from hiprobe.states import Fingerprint, Reading, VideoStates
from hiprobe.store.cache_entries import CacheEntry, list_entries, prune_entries
from hiprobe.store.content_hash import content_hash
from hiprobe.store.parts import PARTS_SUFFIX, PartFiles, remove_entry
from hiprobe.store.states_file import read_states, write_states
from hiprobe.store.states_header import read_states_header

__all__ = ["CacheEntry", "PartFiles", "StatesCache"]


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
        return content_hash(video, remembered_in=self.folder / "hashes")

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
                remove_entry(path)
        return None

    def put(self, key: str, states: VideoStates, *, video: Path | str) -> None:
        """Keep states under a key and drop what was kept in part.

        Raises:
            StorageError: the folder cannot be written.
        """
        write_states(
            self._entry_path(key, states), states, notes={"video": path_text(Path(video).name)}
        )

    def parts(self, key: str, *, layers: Sequence[int], readings: Sequence[Reading]) -> PartFiles:
        """Where the unfinished states of one video are kept until it is done."""
        digest = _digest([*layers], [*readings])
        return PartFiles(self.folder / f"{key}-{digest}{PARTS_SUFFIX}")

    def entries(self) -> list[CacheEntry]:
        """Everything kept, oldest first."""
        return list_entries(self.folder)

    def size_bytes(self) -> int:
        """Bytes of all entries."""
        return sum(entry.size_bytes for entry in self.entries())

    def prune(
        self, *, max_bytes: int | None = None, older_than_seconds: float | None = None
    ) -> list[CacheEntry]:
        """Remove entries of an age, then the oldest until `max_bytes` are left.

        `max_bytes=0` removes everything. Returns what was removed.
        """
        return prune_entries(
            self.folder, max_bytes=max_bytes, older_than_seconds=older_than_seconds
        )

    def _entry_path(self, key: str, states: VideoStates) -> Path:
        first = next(iter([*states.states.values(), *states.clip.values()]))
        digest = _digest([*first.layers], [*states.states, *states.clip])
        return self.folder / f"{key}-{digest}.safetensors"


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
