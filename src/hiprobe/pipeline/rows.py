"""Rows of states as they come in, for each prompt and reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hiprobe.gaps import covered_seconds
from hiprobe.pipeline.batches import Request, Values
from hiprobe.segment import Segment
from hiprobe.states import Reading, States

_Key = tuple[str, Reading]


@dataclass
class Rows:
    """Segments with their states; becomes `States` at any moment."""

    request: Request
    start_seconds: list[float] = field(default_factory=list)
    end_seconds: list[float] = field(default_factory=list)
    failed: list[bool] = field(default_factory=list)
    _values: dict[_Key, list[NDArray[np.float32]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.failed)

    @property
    def seconds(self) -> float:
        """Time that the segments cover, gaps left out."""
        return covered_seconds(self.start_seconds, self.end_seconds)

    def add(self, segments: Sequence[Segment], values: Values | None) -> None:
        """Append segments; without values they are failed rows of zeros."""
        shape = (len(segments), len(self.request.layers), self.request.backbone.width)
        for prompt, reading in self._keys():
            rows = np.zeros(shape, np.float32) if values is None else values[prompt][reading]
            self._values.setdefault((prompt, reading), []).extend(rows)
        self.start_seconds += [s.start_seconds for s in segments]
        self.end_seconds += [s.end_seconds for s in segments]
        self.failed += [values is None] * len(segments)

    def restore(self, kept: Mapping[str, Mapping[Reading, States]], *, count: int) -> None:
        """Append the first `count` rows kept from an earlier run, by prompt and reading."""
        for prompt, reading in self._keys():
            rows = kept[prompt][reading].values[:count]
            self._values.setdefault((prompt, reading), []).extend(rows)
        first = kept[self.request.prompts[0]][self.request.readings[0]]
        self.start_seconds += first.start_seconds[:count].tolist()
        self.end_seconds += first.end_seconds[:count].tolist()
        self.failed += first.failed[:count].tolist()

    def states(self, prompt: str, *, first_row: int = 0) -> dict[Reading, States]:
        """The rows of one prompt from `first_row` on.

        Raises:
            StatesError: a value is not finite.
        """
        backbone = self.request.backbone
        return {
            reading: States(
                values=np.stack(self._values[prompt, reading][first_row:]),
                layers=self.request.layers,
                start_seconds=np.array(self.start_seconds[first_row:], np.float64),
                end_seconds=np.array(self.end_seconds[first_row:], np.float64),
                reading=reading,
                fingerprint=replace(backbone.fingerprint, prompt=prompt),
                layer_count=backbone.layer_count,
                failed=np.array(self.failed[first_row:], bool),
            )
            for reading in self.request.readings
        }

    def _keys(self) -> list[_Key]:
        return [(p, r) for p in self.request.prompts for r in self.request.readings]
