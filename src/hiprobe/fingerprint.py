"""Fingerprint: what decides hidden states besides the video."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fingerprint:
    """What decides the states besides the video: two equal digests give comparable states.

    `settings` holds what else matters (frame size, resize method, tokens per frame, ...).
    """

    model: str
    weights: str
    dtype: str
    prompt: str
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits over all fields."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, object]:
        """A plain dictionary of JSON values."""
        return {
            "model": self.model,
            "weights": self.weights,
            "dtype": self.dtype,
            "prompt": self.prompt,
            "settings": dict(self.settings),
        }

    def difference(self, other: Fingerprint) -> str:
        """What the two differ in, in words; empty where nothing does."""
        ours, theirs = ({**f.to_json(), **f.settings, "settings": None} for f in (self, other))
        names = [n for n in {**ours, **theirs} if ours.get(n) != theirs.get(n)]
        return ", ".join(f"{n} {ours.get(n)!r} against {theirs.get(n)!r}" for n in names)
