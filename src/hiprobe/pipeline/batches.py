"""Segments through the backbone in batches that shrink when memory runs out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Backbone
from hiprobe.backbones.prompted import PromptsBackbone
from hiprobe.errors import BackboneMemoryError, StatesError, UsageError
from hiprobe.pipeline.settings import ExtractionSettings
from hiprobe.segment import Segment
from hiprobe.states import Reading

Values = Mapping[str, Mapping[Reading, NDArray[np.float32]]]
"""Prompt -> reading -> float32 `[segments, layers, width]`."""


@dataclass(frozen=True)
class Request:
    """What is read from the backbone: layers ascending, at some readings, for some prompts."""

    backbone: Backbone
    layers: tuple[int, ...]
    readings: tuple[Reading, ...]
    batch: int
    prompts: tuple[str, ...]

    @classmethod
    def of(
        cls, backbone: Backbone, settings: ExtractionSettings, prompts: Sequence[str] | None = None
    ) -> Request:
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
        values = _forward(batch, request)
    except (BackboneMemoryError, MemoryError):
        return None
    expected = (len(batch), len(request.layers), request.backbone.width)
    for by_reading in values.values():
        for reading in request.readings:
            if by_reading[reading].shape != expected:
                raise StatesError(
                    f"the backbone gave states of shape {by_reading[reading].shape} for {reading}, "
                    f"expected {expected}"
                )
    return values


def _forward(batch: Sequence[Segment], request: Request) -> Values:
    backbone, layers, readings = request.backbone, request.layers, request.readings
    if request.prompts == (backbone.fingerprint.prompt,):
        return {request.prompts[0]: backbone.states(batch, layers=layers, readings=readings)}
    if not isinstance(backbone, PromptsBackbone):  # `Request.of` has refused it
        raise UsageError("this backbone reads its own prompt only")
    return backbone.states_by_prompt(
        batch, prompts=request.prompts, layers=layers, readings=readings
    )
