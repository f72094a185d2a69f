"""States of a decoder's layers, caught while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hiprobe.backbones.reading import cut_at, read_positions
from hiprobe.states import Reading

_Keep = Callable[[int, Tensor], None]


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
    found: dict[int, Mapping[Reading, Tensor]] = {}

    def keep(layer: int, hidden: Tensor) -> None:
        found[layer] = {r: read_positions(hidden, r, visual) for r in readings}

    with cut_at(decoder, max(1, *layers)) as cut, ExitStack() as hooks:
        for layer in set(layers):
            hooks.enter_context(_watched(cut, layer, keep))
        run()
    return {
        r: torch.stack([found[layer][r] for layer in layers], dim=1).cpu().numpy() for r in readings
    }


@contextmanager
def _watched(decoder: Any, layer: int, keep: _Keep) -> Iterator[None]:
    """Calls `keep(layer, state)` in passing, so that only what is asked for stays in memory.

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
