"""Batches of one pass, the rows that they give, and when these are kept on the way."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Backbone, PromptsBackbone
from hiprobe.errors import BackboneMemoryError, StatesError, StorageError, UsageError
from hiprobe.large_rows import GrowingRows
from hiprobe.pipeline.kept_states import KeptStates
from hiprobe.pipeline.reading import ExtractionSettings
from hiprobe.segment import Segment
from hiprobe.states import VISION_READINGS, Reading, States, depth_at, layers_at

# Prompt -> reading -> float32 `[segments, layers, width]`.
Values = Mapping[str, Mapping[Reading, NDArray[np.float32]]]


@dataclass(frozen=True)
class StatesRequest:
    """What is read from the backbone: layers ascending, at some readings, for some prompts."""

    backbone: Backbone
    layers: tuple[int, ...]
    readings: tuple[Reading, ...]
    batch: int
    prompts: tuple[str, ...]

    @classmethod
    def of(
        cls, backbone: Backbone, settings: ExtractionSettings, prompts: Sequence[str] | None = None
    ) -> StatesRequest:
        """A request for the backbone's own prompt, or for several in one pass.

        Raises:
            UsageError: it lacks a layer, or reads no prompt but its own.
        """
        own = backbone.fingerprint.prompt
        wanted = tuple(dict.fromkeys((own,) if prompts is None else prompts))
        if not wanted or (wanted != (own,) and not isinstance(backbone, PromptsBackbone)):
            raise UsageError(
                f"prompts {list(wanted)}: this backbone reads its own prompt {own!r} only; open it "
                "with another prompt, or give it a method states_by_prompt"
            )
        return cls(
            backbone,
            settings.layers_of(backbone.layer_count),
            tuple(dict.fromkeys(settings.readings)),
            settings.batch_segments,
            wanted,
        )


# Segments that are handed on together at most: still ones do not wait for others that move.
MOST_TOGETHER = 64


def run_batches(
    segments: Iterable[Segment], request: StatesRequest
) -> Iterator[tuple[list[Segment], Values | None]]:
    """Batches in order with the states of those that are not still; None where these failed.

    When the backbone runs out of memory, the batch is halved, for the rest of the run too; a
    single segment that still does not fit is failed. After it the next still one is read, though
    nothing has changed: a lack of memory may pass.
    """
    size, iterator, is_lost = request.batch, iter(segments), False
    while batch := list(_together(iterator, size, is_lost)):
        waiting, largest = [batch], 1
        while waiting:
            piece = waiting.pop()
            fresh = [s for s in piece if not s.is_still]
            values = _values_of(fresh, request)
            if values is None and len(fresh) > 1:
                half = fresh[len(fresh) // 2]
                middle = next(i for i, segment in enumerate(piece) if segment is half)
                waiting += [piece[middle:], piece[:middle]]
                continue
            if fresh:
                largest, is_lost = max(largest, len(fresh)), values is None
            yield piece, values
        count = sum(not s.is_still for s in batch)
        size = largest if largest < count else size


def _together(iterator: Iterator[Segment], size: int, is_lost: bool) -> Iterator[Segment]:
    """The next segments of which `size` are not still, and no more than `MOST_TOGETHER` in all.

    `is_lost` says that there is no state before them: the first of them is read in any case.
    """
    fresh = 0
    for segment in islice(iterator, max(size, MOST_TOGETHER)):
        is_still = segment.is_still and not is_lost
        is_lost = False
        fresh += not is_still
        yield segment if is_still == segment.is_still else replace(segment, is_still=is_still)
        if fresh == size:
            return


def _values_of(segments: Sequence[Segment], request: StatesRequest) -> Values | None:
    """Their states; None where they do not fit into memory together."""
    if not segments:
        return {}
    backbone, layers, readings = request.backbone, request.layers, request.readings
    own = backbone.fingerprint.prompt
    values: Values | None = None
    with suppress(BackboneMemoryError, MemoryError):
        if request.prompts == (own,):
            values = {own: backbone.states(segments, layers=layers, readings=readings)}
        elif isinstance(backbone, PromptsBackbone):
            values = backbone.states_by_prompt(
                segments, prompts=request.prompts, layers=layers, readings=readings
            )
        else:  # `StatesRequest.of` has refused it
            raise UsageError("this backbone reads its own prompt only")
    if values is not None:
        _refuse_other_shapes(values, request, len(segments))
    return values


def _refuse_other_shapes(values: Values, request: StatesRequest, count: int) -> None:
    for by_reading in values.values():
        for reading in request.readings:
            width = request.backbone.width
            if reading in VISION_READINGS:  # the tower has a width of its own
                width = by_reading[reading].shape[-1]
            expected = (count, len(layers_at(reading, request.layers)), width)
            if by_reading[reading].shape != expected:
                raise StatesError(
                    f"the backbone gave states of shape {by_reading[reading].shape} for {reading}, "
                    f"expected {expected}"
                )


_Key = tuple[str, Reading]


@dataclass
class Rows:
    """Segments with their states; becomes `States` at any moment.

    Attributes:
        seconds: time that the segments cover, gaps left out; what windows share counts once.
    """

    request: StatesRequest
    start_seconds: list[float] = field(default_factory=list)
    end_seconds: list[float] = field(default_factory=list)
    failed: list[bool] = field(default_factory=list)
    reused: list[bool] = field(default_factory=list)
    seconds: float = 0.0
    _values: dict[_Key, GrowingRows] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.failed)

    def add(self, segments: Sequence[Segment], values: Values | None) -> None:
        """Append segments with the values of those that are not still; None are failed rows.

        A still one has the row before it once more.
        """
        is_still = np.array([segment.is_still for segment in segments], bool)
        for prompt, reading in self._keys():
            fresh = values[prompt][reading] if values else None
            self._append((prompt, reading), fresh, is_still)
        for segment in segments:
            self.failed.append(self.failed[-1] if segment.is_still else values is None)
            self.reused.append(segment.is_still)
            self._add_times(segment.start_seconds, segment.end_seconds)

    def _append(
        self, key: _Key, fresh: NDArray[np.float32] | None, is_still: NDArray[np.bool_]
    ) -> None:
        store = self._values.get(key)
        if store is None:
            if fresh is None or not len(fresh):
                return  # the width of a vision tower is not known before its first row
            store = self._values[key] = GrowingRows(fresh.shape[1:])
            store.append(np.zeros((len(self), *store.shape), np.float32))
        if fresh is None:
            fresh = np.zeros((np.count_nonzero(~is_still), *store.shape), np.float32)
        if is_still.any():
            before = store.since(len(store) - 1) if len(store) else fresh[:1]
            fresh = np.concatenate([before, fresh])[np.cumsum(~is_still)]
        store.append(fresh)

    def _add_times(self, start_seconds: float, end_seconds: float) -> None:
        # Summed up on the way: going over all times for each batch would make a day quadratic.
        covered_seconds = self.end_seconds[-1] if self.end_seconds else start_seconds
        self.seconds += end_seconds - max(start_seconds, covered_seconds)
        self.start_seconds.append(start_seconds)
        self.end_seconds.append(end_seconds)

    def restore(self, kept: Mapping[str, Mapping[Reading, States]], *, count: int) -> None:
        """Append the first `count` rows kept from an earlier run, by prompt and reading."""
        for prompt, reading in self._keys():
            rows = kept[prompt][reading].values[:count]
            self._append((prompt, reading), rows, np.zeros(len(rows), bool))
        first = kept[self.request.prompts[0]][self.request.readings[0]]
        self.failed += first.failed[:count].tolist()
        self.reused += first.reused[:count].tolist()
        times = (first.start_seconds[:count].tolist(), first.end_seconds[:count].tolist())
        for start_seconds, end_seconds in zip(*times, strict=True):
            self._add_times(start_seconds, end_seconds)

    def states(self, prompt: str, *, first_row: int = 0) -> dict[Reading, States]:
        """The rows of one prompt from `first_row` on; failed ones are zeros.

        Raises:
            StatesError: a value is not finite.
        """
        backbone = self.request.backbone
        return {
            reading: States(
                values=self._filled((prompt, reading), first_row),
                layers=layers_at(reading, self.request.layers),
                start_seconds=np.array(self.start_seconds[first_row:], np.float64),
                end_seconds=np.array(self.end_seconds[first_row:], np.float64),
                reading=reading,
                fingerprint=replace(backbone.fingerprint, prompt=prompt),
                layer_count=depth_at(reading, backbone.layer_count),
                failed=np.array(self.failed[first_row:], bool),
                reused=np.array(self.reused[first_row:], bool),
            )
            for reading in self.request.readings
        }

    def _filled(self, key: _Key, first_row: int) -> NDArray[np.float32]:
        store = self._values.get(key)
        if store is None:  # all have failed so far
            layers = layers_at(key[1], self.request.layers)
            shape = (len(self) - first_row, len(layers), self.request.backbone.width)
            return np.zeros(shape, np.float32)
        # Where Ctrl-C came in the middle of `add`, some readings have rows that the rest lacks.
        values = store.since(first_row) if first_row else store.all()
        return values[: len(self) - first_row]

    def _keys(self) -> list[_Key]:
        return [(p, r) for p in self.request.prompts for r in self.request.readings]


@dataclass
class Checkpoints:
    """Keeps the rows that no piece holds yet, every so many segments and when interrupted.

    Attributes:
        count: rows up to here lie in pieces.
        first_segment: number of the segment of the first row.
        is_complete: all that was due has been kept.
    """

    rows: Rows
    kept: KeptStates
    every: int
    count: int = 0
    first_segment: int = 0
    is_complete: bool = True

    def keep_when_due(self) -> None:
        """Keep, if enough has come in."""
        if len(self.rows) - self.count >= self.every:
            self.keep()

    def keep(self) -> None:
        """Keep what has come in; a full disk is a warning, since this run needs no pieces."""
        # A failed row depends on the memory of the moment: pieces end before it.
        if len(self.rows) == self.count:
            return
        if any(self.rows.failed[self.count :]):
            self.is_complete = False
            return
        try:
            first_row, first_segment = self.count, self.first_segment
            is_kept = self.kept.keep(self.rows, first_row=first_row, first_segment=first_segment)
            self.count, self.is_complete = len(self.rows), self.is_complete and is_kept
        except StorageError as error:
            self.is_complete = False
            warnings.warn(f"an interrupted run could not resume here: {error}", stacklevel=2)
