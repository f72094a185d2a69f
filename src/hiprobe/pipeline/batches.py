"""Segments through the backbone in batches that shrink when memory runs out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Backbone
from hiprobe.errors import BackboneMemoryError, StatesError
from hiprobe.segment import Segment
from hiprobe.states import Reading, States

Values = Mapping[Reading, NDArray[np.float32]]


@dataclass(frozen=True)
class Request:
    """What is read from the backbone: layers ascending, at some reading positions."""

    backbone: Backbone
    layers: tuple[int, ...]
    readings: tuple[Reading, ...]
    batch: int


def run_batches(
    segments: Iterable[Segment], request: Request
) -> Iterator[tuple[list[Segment], Values | None]]:
    """Batches in order with their states; None in place of states for a failed segment.

    When the backbone runs out of memory, the batch is halved, for the rest of the run too; a
    single segment that still does not fit is failed.
    """
    size, iterator = request.batch, iter(segments)
    while batch := list(islice(iterator, size)):
        passed = 1
        for piece, values in _run_halving(batch, request):
            passed = max(passed, len(piece))
            yield piece, values
        size = passed if passed < len(batch) else size


def _run_halving(
    batch: list[Segment], request: Request
) -> Iterator[tuple[list[Segment], Values | None]]:
    values = _run(batch, request)
    if values is not None or len(batch) == 1:
        yield batch, values
        return
    middle = len(batch) // 2
    yield from _run_halving(batch[:middle], request)
    yield from _run_halving(batch[middle:], request)


def _run(batch: Sequence[Segment], request: Request) -> Values | None:
    try:
        values = request.backbone.states(batch, layers=request.layers, readings=request.readings)
    except (BackboneMemoryError, MemoryError):
        return None
    expected = (len(batch), len(request.layers), request.backbone.width)
    for reading in request.readings:
        if values[reading].shape != expected:
            raise StatesError(
                f"the backbone gave states of shape {values[reading].shape} for {reading}, "
                f"expected {expected}"
            )
    return values


@dataclass
class Rows:
    """Rows of states as they come in; becomes `States` at any moment."""

    request: Request
    start_seconds: list[float] = field(default_factory=list)
    end_seconds: list[float] = field(default_factory=list)
    failed: list[bool] = field(default_factory=list)
    _values: dict[Reading, list[NDArray[np.float32]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.failed)

    def add(self, segments: Sequence[Segment], values: Values | None) -> None:
        """Append segments; without values they are failed rows of zeros."""
        shape = (len(segments), len(self.request.layers), self.request.backbone.width)
        for reading in self.request.readings:
            rows = np.zeros(shape, np.float32) if values is None else values[reading]
            self._values.setdefault(reading, []).extend(rows)
        self.start_seconds += [s.start_seconds for s in segments]
        self.end_seconds += [s.end_seconds for s in segments]
        self.failed += [values is None] * len(segments)

    def restore(self, states: Mapping[Reading, States]) -> None:
        """Append rows kept from an earlier run."""
        for reading in self.request.readings:
            self._values.setdefault(reading, []).extend(states[reading].values)
        first = states[self.request.readings[0]]
        self.start_seconds += first.start_seconds.tolist()
        self.end_seconds += first.end_seconds.tolist()
        self.failed += first.failed.tolist()

    def states(self, *, first_row: int = 0) -> dict[Reading, States]:
        """The rows from `first_row` on.

        Raises:
            StatesError: a value is not finite.
        """
        backbone = self.request.backbone
        return {
            reading: States(
                values=np.stack(self._values[reading][first_row:]),
                layers=self.request.layers,
                start_seconds=np.array(self.start_seconds[first_row:], np.float64),
                end_seconds=np.array(self.end_seconds[first_row:], np.float64),
                reading=reading,
                fingerprint=backbone.fingerprint,
                layer_count=backbone.layer_count,
                failed=np.array(self.failed[first_row:], bool),
            )
            for reading in self.request.readings
        }
