"""States of a decoder's layers, caught while it runs, by hooks that last for one pass.

The library has hidden states of its own (`output_hidden_states`). It catches them by hooks that it
places once, at the first call, on the layers there are then. On a decoder that is cut for that call
the deeper layers get none, and no later call can read them: so nothing here asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hiprobe.backbones.reading import cut_at, read_positions
from hiprobe.states import Reading

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
