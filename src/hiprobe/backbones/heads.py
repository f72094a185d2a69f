"""What the attention heads give, caught before a layer's output projection mixes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hiprobe.errors import StatesError
from hiprobe.layer_numbers import layer_numbers


def head_shape(config: Any) -> tuple[int, int]:
    """Heads of a layer, and the width of one, of a decoder's config."""
    count = int(config.num_attention_heads)
    width = getattr(config, "head_dim", None) or config.hidden_size // count
    return count, int(width)


@contextmanager
def watched_heads(decoder: Any, layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    """Fills a dictionary in passing: layer -> what its heads give at the last position.

    The values are `[batch, heads * head width]`, the input of `self_attn.o_proj`.
    """
    found: dict[int, Tensor] = {}

    def watch(layer: int) -> Any:
        def before(_: nn.Module, given: tuple[Any, ...]) -> None:
            found[layer] = given[0][:, -1].float()

        return decoder.layers[layer - 1].self_attn.o_proj.register_forward_pre_hook(before)

    with ExitStack() as hooks:
        for layer in set(layers):
            hooks.callback(watch(layer).remove)
        yield found


def stacked_heads(found: dict[int, Tensor], layers: Sequence[int], *, heads: int) -> Tensor:
    """`[batch, layers, heads, head width]` from what was caught.

    Raises:
        StatesError: a value is not finite.
    """
    rows = torch.stack([found[layer] for layer in layers], dim=1)
    if not bool(torch.isfinite(rows).all()):
        raise StatesError(
            "an attention head gave values that are not finite; the frames or weights are "
            "damaged, or the format overflows: use float32 or bfloat16"
        )
    return rows.reshape(*rows.shape[:-1], heads, -1)


def check_head_layers(layers: Sequence[int], *, available: int) -> tuple[int, ...]:
    """The layers asked for; refuses those without heads to read.

    Raises:
        StatesError: none is asked for, or one is not within 1..available.
        UsageError: they are no list of numbers.
    """
    asked = layer_numbers(layers)
    if not asked or min(asked) < 1 or max(asked) > available:
        raise StatesError(
            f"attention heads of layers {asked} cannot be read; there are layers 1..{available}"
        )
    return asked
