"""Finished pieces of an experiment (a seed, a fold), kept so that a run can go on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe.store.atomic import atomic_path
from hiprobe.store.documents import read_json

VERSION = 1
"""Raised when experiments compute something else, so that old pieces are not taken."""

JsonValue = Any
"""Numbers, text, lists and dictionaries with text as keys, but not None; NaN is allowed."""


@dataclass(frozen=True)
class Kept:
    """Pieces of one experiment in one folder, one file for each key."""

    folder: Path

    def find(self, key: Mapping[str, Any]) -> JsonValue | None:
        """The piece of a key; None where it is not there yet.

        Args:
            key: everything that decides the piece, as JSON values: digest of the states, setting,
                seed. Two pieces with equal keys are the same piece.
        """
        return _read(*self._place(key))

    def keep(self, key: Mapping[str, Any], value: JsonValue) -> JsonValue:
        """Keep a piece; it is returned as it will be read next time (tuples become lists).

        Raises:
            StorageError: it cannot be written.
        """
        path, text = self._place(key)
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps({"key": text, "value": value}), encoding="utf-8")
        return json.loads(json.dumps(value))

    def piece(self, key: Mapping[str, Any], compute: Callable[[], JsonValue]) -> JsonValue:
        """The piece of a key; computed and kept where it is not there yet."""
        found = self.find(key)
        return self.keep(key, compute()) if found is None else found

    def _place(self, key: Mapping[str, Any]) -> tuple[Path, str]:
        text = json.dumps({**key, "version": VERSION}, sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json", text


def _read(path: Path, text: str) -> JsonValue | None:
    """The kept value; None where it is absent, damaged or of another key."""
    try:
        found = read_json(path, nan=True, names=True)
    except (OSError, ValueError):
        return None
    whole = isinstance(found, dict) and found.get("key") == text
    return found.get("value") if whole else None
