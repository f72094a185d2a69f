"""States of some segments with what they took, from a backbone that is gone afterwards."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Backbone
from hiprobe.backbones.spec import BackboneSpec
from hiprobe.errors import StatesError
from hiprobe.segment import Segment
from hiprobe.states import Fingerprint, Reading

Layers = Sequence[int] | Callable[[Backbone], Sequence[int]]
"""Layers to read, or what chooses them once the backbone is open."""


@dataclass(frozen=True)
class TimedStates:
    """What one way of running a backbone gave.

    Attributes:
        fingerprint: of the backbone.
        layers: the layers read.
        values: float32 `[segments, layers, width]`.
        seconds_per_segment: median time of a pass, preprocessing included, decoding of the video
            and a first pass that warms up not.
        gpu_bytes: most memory of the GPU, weights included; None where there is none.
    """

    fingerprint: Fingerprint
    layers: tuple[int, ...]
    values: NDArray[np.float32]
    seconds_per_segment: float
    gpu_bytes: int | None = None


def timed_states(
    backbone: Backbone,
    segments: Iterable[Segment],
    *,
    layers: Sequence[int],
    reading: Reading = "last",
) -> TimedStates:
    """Read segments one by one, so that no more than one is held.

    Raises:
        StatesError: there are no segments, a layer does not exist, or a state is not finite.
        BackboneMemoryError: a segment does not fit into memory.
    """
    values: list[NDArray[np.float32]] = []
    seconds: list[float] = []
    for segment in segments:
        if not values:
            backbone.states([segment], layers=layers, readings=(reading,))
        began = time.perf_counter()
        found = backbone.states([segment], layers=layers, readings=(reading,))[reading]
        seconds.append(time.perf_counter() - began)  # numpy: the device has been waited for
        values.append(found)
    if not values:
        raise StatesError("0 segments: give one or more to read")
    return TimedStates(
        backbone.fingerprint, tuple(layers), np.concatenate(values), median(seconds), _gpu_peak()
    )


def open_and_time(
    spec: BackboneSpec,
    segments: Iterable[Segment],
    *,
    layers: Layers,
    reading: Reading = "last",
    say: Callable[[str], None] | None = None,
) -> TimedStates:
    """Open a backbone, read segments, and let go of it: the next one has its memory.

    Args:
        say: takes lines about a download.

    Raises:
        BackboneError: the model cannot be opened in this way.
        StatesError, BackboneMemoryError: as `timed_states`.
    """
    _forget_gpu_peak()
    backbone = spec.open(say=say)
    chosen = layers(backbone) if callable(layers) else layers
    return timed_states(backbone, segments, layers=chosen, reading=reading)


def _forget_gpu_peak() -> None:
    import torch

    gc.collect()  # models hold themselves in cycles
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _gpu_peak() -> int | None:
    import torch

    most = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return most or None
