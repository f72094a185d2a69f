"""What all backbones share of running a decoder: cut it, watch its layers, take turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from threading import RLock
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hiprobe.errors import BackboneError, StatesError, UsageError
from hiprobe.states import READINGS, Reading, layer_numbers


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


_T = TypeVar("_T")


def read_layers(
    run: Callable[[], object],
    decoder: Any,
    *,
    layers: Sequence[int],
    readings: Sequence[Reading],
    visual: Tensor,
) -> dict[Reading, NDArray[np.float32]]:
    """Readings `[segments, layers, width]` of the decoder, run no deeper than it is read.

    Args:
        run: a pass of the model that the decoder belongs to.
        layers: 0 for what the first layer takes.
        visual: bool `[segments, positions]`, true where a visual token stands.
    """

    def read(hidden: Tensor) -> Mapping[Reading, Tensor]:
        return {r: read_positions(hidden, r, visual) for r in readings}

    found = caught_layers(run, decoder, layers=layers, read=read)
    return {
        r: torch.stack([found[layer][r] for layer in layers], dim=1).cpu().numpy() for r in readings
    }


def caught_layers(
    run: Callable[[], object],
    decoder: Any,
    *,
    layers: Sequence[int],
    read: Callable[[Tensor], _T],
) -> dict[int, _T]:
    """Layer -> what `read` makes of its states `[segments, positions, width]`.

    The decoder is run no deeper than the highest layer. What is not asked for is not kept.

    Args:
        run: a pass of the model that the decoder belongs to.
        layers: 0 for what the first layer takes.
        read: takes the states in the model's own format, before the final norm.
    """
    found: dict[int, _T] = {}

    def keep(layer: int, hidden: Tensor) -> None:
        found[layer] = read(hidden)

    with cut_at(decoder, max(1, *layers)) as cut, ExitStack() as hooks:
        for layer in set(layers):
            hooks.enter_context(_watched(cut, layer, keep))
        run()
    return found


@contextmanager
def _watched(decoder: Any, layer: int, keep: Callable[[int, Tensor], None]) -> Iterator[None]:
    """Calls `keep(layer, state)` in passing.

    Layer 0 is what the first layer takes, l what layer l itself gives: what Qwen3-VL adds to the
    visual positions after its first layers counts as input of the next one, as in the library's
    own hidden states.
    """

    def before(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        keep(layer, args[0] if args else named["hidden_states"])

    def after(_: nn.Module, __: tuple[Any, ...], made: Any) -> None:
        keep(layer, made[0] if isinstance(made, tuple) else made)

    if layer == 0:
        handle = decoder.layers[0].register_forward_pre_hook(before, with_kwargs=True)
    else:
        handle = decoder.layers[layer - 1].register_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()


_Self = TypeVar("_Self")
_P = ParamSpec("_P")
_R = TypeVar("_R")

_turns: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
_making = RLock()


def in_turn(
    method: Callable[Concatenate[_Self, _P], _R],
) -> Callable[Concatenate[_Self, _P], _R]:
    """A method of a backbone that waits until no other thread is in one of the same decoder.

    Two backbones may share a decoder, so the turn is the decoder's. A thread that has the turn may
    call further methods.
    """

    @wraps(method)
    def waiting(self: _Self, /, *given: _P.args, **named: _P.kwargs) -> _R:
        with _turn_of(self.decoder):  # type: ignore[attr-defined]
            return method(self, *given, **named)

    return waiting


def _turn_of(decoder: Any) -> Any:
    with _making:
        return _turns.setdefault(decoder, RLock())
