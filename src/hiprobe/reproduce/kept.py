"""Finished pieces of an experiment (a seed, a fold), kept so that a run can go on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe.store.atomic import atomic_path

VERSION = 1
"""Raised when experiments compute something else, so that old pieces are not taken."""

JsonValue = Any
"""Numbers, text, lists and dictionaries with text as keys; NaN is allowed."""


@dataclass(frozen=True)
class Kept:
    """Pieces of one experiment in one folder, one file for each key."""

    folder: Path

    def piece(self, key: Mapping[str, Any], compute: Callable[[], JsonValue]) -> JsonValue:
        """The piece of a key; computed and kept where it is not there yet.

        Args:
            key: everything that decides the piece, as JSON values: digest of the states, setting,
                seed. Two pieces with equal keys are the same piece.
            compute: gives JSON values.

        Raises:
            StorageError: the piece cannot be written.
        """
        text = json.dumps({**key, "version": VERSION}, sort_keys=True)
        path = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"
        found = _read(path, text)
        if found is not None:
            return found["value"]
        value = compute()
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps({"key": text, "value": value}), encoding="utf-8")
        # as it will be read next time: tuples are lists in both cases
        return json.loads(json.dumps(value))


def _read(path: Path, text: str) -> dict[str, Any] | None:
    """The kept document; None where it is absent, damaged or of another key."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(found, dict) and found.get("key") == text and "value" in found
    return found if whole else None
