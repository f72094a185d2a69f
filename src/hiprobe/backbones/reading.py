"""What every decoder has in common: where it is cut, which layers it has, how one is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hiprobe.errors import BackboneError, StatesError, UsageError
from hiprobe.layer_numbers import layer_numbers
from hiprobe.states import READINGS, Reading


@contextmanager
def cut_at(decoder: Any, layer: int) -> Iterator[Any]:
    """The decoder (with `layers` and `norm`) cut above `layer`, without the final norm."""
    layers, norm = decoder.layers, decoder.norm
    decoder.layers, decoder.norm = layers[:layer], nn.Identity()
    try:
        yield decoder
    finally:
        decoder.layers, decoder.norm = layers, norm


def check_layers(layers: Sequence[int], *, available: int, layer_count: int) -> tuple[int, ...]:
    """The layers asked for; refuses those that are not loaded.

    Raises:
        StatesError: none is asked for, or one is not within 0..available.
        UsageError: they are no list of numbers.
    """
    asked = layer_numbers(layers)
    if not asked or min(asked) < 0 or max(asked) > available:
        raise StatesError(
            f"layers {asked} are not within 0..{available}, what is loaded of {layer_count} layers"
        )
    return asked


def check_readings(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """The readings asked for.

    Raises:
        UsageError: a name alone, or one that is none of `READINGS`.
    """
    if isinstance(readings, str):
        raise UsageError(
            f"readings={readings!r} is one name, not a list; for one reading give "
            f"readings=[{readings!r}]"
        )
    asked = tuple(readings)
    unknown = [name for name in asked if name not in READINGS]
    if unknown:
        raise UsageError(f"readings {unknown} are unknown; choose of {', '.join(READINGS)}")
    return asked


def check_whole(*, available: int, layer_count: int) -> None:
    """Refuse to let a cut decoder speak.

    Raises:
        BackboneError: fewer layers are loaded than the model has.
    """
    if available < layer_count:
        raise BackboneError("this backbone was loaded cut at a layer; load it whole to describe")


def check_finite(states: Mapping[Reading, NDArray[np.float32]], *, dtype: str) -> None:
    """Refuse states that are not finite.

    Raises:
        StatesError: a value is NaN or infinite.
    """
    if not all(np.isfinite(values).all() for values in states.values()):
        raise StatesError(
            f"the backbone gave states that are not finite in {dtype}; the frames or weights are "
            "damaged, or the format overflows: use float32 or bfloat16"
        )


def read_positions(hidden: Tensor, reading: Reading, visual: Tensor) -> Tensor:
    """One reading of states `[segments, positions, width]` as float32 `[segments, width]`.

    `visual` is bool `[segments, positions]`, true where a visual token stands.
    """
    if reading == "last":
        return hidden[:, -1].float()
    if reading == "prompt_mean":
        return hidden.float().mean(dim=1)
    return torch.stack([h[v].float().mean(dim=0) for h, v in zip(hidden, visual, strict=True)])


@torch.inference_mode()
def apply_norm(norm: nn.Module, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """States `[n, width]` behind a decoder's final norm, computed in the norm's own format."""
    weight = next(norm.parameters())
    states = torch.from_numpy(np.ascontiguousarray(values)).to(weight.device, weight.dtype)
    normed: NDArray[np.float32] = norm(states).float().cpu().numpy()
    return normed
