"""What a cheaper way of running a backbone does to its states and scores."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Backbone
from hiprobe.errors import StatesError
from hiprobe.fingerprint import Fingerprint
from hiprobe.segment import Segment
from hiprobe.spec import BackboneSpec
from hiprobe.states import Reading

# Layers to read, or what chooses them once the backbone is open.
Layers = Sequence[int] | Callable[[Backbone], Sequence[int]]


@dataclass(frozen=True)
class TimedStates:
    """What one way of running a backbone gave.

    Attributes:
        fingerprint: of the backbone.
        layers: the layers read.
        values: float32 `[segments, layers, width]`, of the first reading.
        by_reading: every reading that was taken; one layer of the vision tower's.
        seconds_per_segment: median time of a pass, preprocessing included, decoding of the video
            and a first pass that warms up not.
        gpu_bytes: most memory of the GPU, weights included; None where there is none.
    """

    fingerprint: Fingerprint
    layers: tuple[int, ...]
    values: NDArray[np.float32]
    seconds_per_segment: float
    gpu_bytes: int | None = None
    by_reading: Mapping[Reading, NDArray[np.float32]] = field(default_factory=dict)


def timed_states(
    backbone: Backbone,
    segments: Iterable[Segment],
    *,
    layers: Sequence[int],
    readings: Sequence[Reading] = ("last",),
) -> TimedStates:
    """Read segments one by one, so that no more than one is held.

    Raises:
        StatesError: there are no segments, a layer does not exist, or a state is not finite.
        BackboneMemoryError: a segment does not fit into memory.
    """
    found: list[Mapping[Reading, NDArray[np.float32]]] = []
    seconds: list[float] = []
    for segment in segments:
        # Kernels are chosen and memory is taken at the first pass of a shape, which is not timed.
        if not found:
            backbone.states([segment], layers=layers, readings=readings)
        began = time.perf_counter()
        found.append(backbone.states([segment], layers=layers, readings=readings))
        seconds.append(time.perf_counter() - began)  # numpy: the device has been waited for
    if not found:
        raise StatesError("0 segments: give one or more to read")
    joined = {r: np.concatenate([own[r] for own in found]) for r in readings}
    return TimedStates(
        backbone.fingerprint,
        tuple(layers),
        joined[readings[0]],
        median(seconds),
        gpu_peak(),
        joined,
    )


def open_and_time(
    spec: BackboneSpec,
    segments: Iterable[Segment],
    *,
    layers: Layers,
    readings: Sequence[Reading] = ("last",),
    say: Callable[[str], None] | None = None,
) -> TimedStates:
    """Open a backbone, read segments, and let go of it: the next one has its memory.

    Args:
        say: takes lines about a download.

    Raises:
        BackboneError: the model cannot be opened in this way.
        StatesError, BackboneMemoryError: as `timed_states`.
    """
    forget_gpu_peak()
    backbone = spec.open(say=say)
    chosen = layers(backbone) if callable(layers) else layers
    return timed_states(backbone, segments, layers=chosen, readings=readings)


def forget_gpu_peak() -> None:
    """Let go of memory that nothing uses, and count the GPU's most memory from here on."""
    import torch

    gc.collect()  # models hold themselves in cycles
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def gpu_peak() -> int | None:
    """Most memory of the GPU that torch has held so far, in bytes; None without one."""
    import torch

    most = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return most or None


def gpu_held() -> int:
    """Bytes of the GPU that tensors hold now; 0 without one."""
    import torch

    return torch.cuda.memory_allocated() if torch.cuda.is_available() else 0


# States of segments to a score of each, such as a fitted probe's.
Score = Callable[[TimedStates], NDArray[np.float64]]


@dataclass(frozen=True)
class StatesEffect:
    """How far the states of one backbone lie from those of another, layer by layer.

    Attributes:
        layers: the layers compared.
        relative: distance of two states as a share of the exact one's length, the mean over
            segments, by layer.
        cosine: the lowest cosine of two states of a segment, by layer.
        scores: of each segment the exact score and the changed one, None where no score was given.
    """

    layers: tuple[int, ...]
    relative: tuple[float, ...]
    cosine: tuple[float, ...]
    scores: tuple[tuple[float, float], ...] | None = None

    @property
    def score_change(self) -> float | None:
        """Largest absolute change of a score."""
        return None if self.scores is None else max(abs(a - b) for a, b in self.scores)

    @property
    def mean_score_change(self) -> float | None:
        """Mean absolute change of a score."""
        if self.scores is None:
            return None
        return sum(abs(a - b) for a, b in self.scores) / len(self.scores)

    def crossing(self, threshold: float) -> int:
        """Segments that are above a threshold one way and not the other."""
        return sum((a > threshold) != (b > threshold) for a, b in self.scores or ())


def states_effect(
    usual: BackboneSpec,
    changed: BackboneSpec,
    segments: Sequence[Segment],
    *,
    layers: Sequence[int],
    score: Score | None = None,
) -> StatesEffect:
    """What another way of opening a model does to its states.

    The model is opened both ways, one after the other, no deeper than the layers need.

    Args:
        usual: the model, opened as it is known.
        changed: the same model, for example `replace(usual, quantise="int8")`.
        segments: read both ways.
        layers: compared one by one.
        score: what a user makes of the states; its changes are reported.

    Raises:
        BackboneError: the model cannot be opened in one of the ways.
        StatesError: there are no segments, or the two are of different shape.
    """
    other, one = (
        open_and_time(replace(way, cut_at_layer=max(layers)), segments, layers=layers)
        for way in (changed, usual)  # a change that the model lacks fails before anything is read
    )
    return effect_between(one, other, score=score)


def effect_between(
    exact: TimedStates, changed: TimedStates, *, score: Score | None = None
) -> StatesEffect:
    """How far apart two readings of the same segments lie; see `states_effect`.

    Raises:
        StatesError: they are of other layers, another number of segments, or another width.
    """
    if (exact.layers, exact.values.shape) != (changed.layers, changed.values.shape):
        raise StatesError(
            f"states {exact.values.shape} of layers {list(exact.layers)} and "
            f"{changed.values.shape} of {list(changed.layers)}: read the same segments and layers "
            "from the same model"
        )
    one, other = (read.values.astype(np.float64) for read in (exact, changed))
    # As a share of the length: states of deep layers are ten and more times as long as those of
    # shallow ones.
    length = np.linalg.norm(one, axis=2)
    apart = np.linalg.norm(one - other, axis=2) / length
    cosine = (one * other).sum(axis=2) / (length * np.linalg.norm(other, axis=2))
    scores = None
    if score is not None:
        pairs = (np.asarray(score(read)).tolist() for read in (exact, changed))
        scores = tuple(zip(*pairs, strict=True))
    return StatesEffect(
        layers=exact.layers,
        relative=tuple(apart.mean(axis=0).tolist()),
        cosine=tuple(np.minimum(cosine, 1.0).min(axis=0).tolist()),
        scores=scores,
    )
