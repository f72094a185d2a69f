"""What else is read off a decoder: attention heads, the first answer token, texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hiprobe.backbones.decoder import check_finite, check_layers
from hiprobe.backbones.interface import TEXT_READINGS, TextReading
from hiprobe.errors import BackboneError, StatesError
from hiprobe.states import Reading, layer_numbers


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


Ids = tuple[tuple[int, ...], ...]


def first_ids(words: Sequence[Sequence[str]], *, encode: Callable[[str], Sequence[int]]) -> Ids:
    """The first tokens of each word's spellings, each token once.

    Raises:
        BackboneError: two words begin with the same token, or a word gives no token.
    """
    found = tuple(tuple(dict.fromkeys(_first(s, encode) for s in group)) for group in words)
    together = [token for group in found for token in group]
    if len(set(together)) < len(together) or not all(found):
        raise BackboneError(
            f"the words {[list(group) for group in words]} cannot be told apart by their first "
            "tokens in this model's vocabulary; choose other words"
        )
    return found


def log_probabilities(logits: Tensor, ids: Ids) -> NDArray[np.float64]:
    """Log-probability of each group of tokens, float64 `[n, groups]`, from logits `[n, tokens]`."""
    logs = torch.log_softmax(logits.double(), dim=-1)
    columns = [torch.logsumexp(logs[:, list(group)], dim=-1) for group in ids]
    return np.asarray(torch.stack(columns, dim=1).cpu().numpy(), dtype=np.float64)


def _first(spelling: str, encode: Callable[[str], Sequence[int]]) -> int:
    ids = encode(spelling)
    if not len(ids):
        raise BackboneError(f"the spelling {spelling!r} gives no token; choose another")
    return int(ids[0])


TOGETHER = 4
"""Texts in one pass, for which the decoder's weights are read from memory once."""

_Pieces = tuple[Sequence[int], Sequence[int], Sequence[int]]


def read_texts(
    decoder: Any,
    pieces: Sequence[_Pieces],
    *,
    layers: Sequence[int],
    layer_count: int,
) -> dict[TextReading, NDArray[np.float32]]:
    """Run a decoder over token ids, `TOGETHER` texts of about one length at a time.

    Shorter ones are filled up behind their end. Attention looks back only, so what stands there
    moves none of their states.

    Args:
        decoder: with `layers` and `norm`; takes `input_ids`.
        pieces: of each text: ids before it, of the text, and after it.

    Raises:
        StatesError: as `TextsBackbone.text_states`.
    """
    layers = check_layers(layers, available=len(decoder.layers), layer_count=layer_count)
    if not pieces or not all(len(own) for _, own, _ in pieces):
        raise StatesError("there is no text to read, or one is empty; give each at least a word")
    order = sorted(range(len(pieces)), key=lambda i: sum(map(len, pieces[i])))
    rows: dict[int, dict[TextReading, NDArray[np.float32]]] = {}
    for start in range(0, len(order), TOGETHER):
        some = order[start : start + TOGETHER]
        rows |= zip(some, _read(decoder, [pieces[i] for i in some], layers), strict=True)
    found: dict[TextReading, NDArray[np.float32]] = {
        reading: np.stack([rows[i][reading] for i in range(len(pieces))])
        for reading in TEXT_READINGS
    }
    same = {"last": found["last"], "prompt_mean": found["text_mean"]}
    check_finite(cast("Mapping[Reading, NDArray[np.float32]]", same), dtype="its own precision")
    return found


def _read(
    decoder: Any, pieces: Sequence[_Pieces], layers: Sequence[int]
) -> list[dict[TextReading, NDArray[np.float32]]]:
    import torch

    from hiprobe.backbones.decoder import caught_layers

    rows = [[*before, *own, *after] for before, own, after in pieces]
    longest = max(map(len, rows))
    ids = torch.tensor([row + row[-1:] * (longest - len(row)) for row in rows])
    texts = [slice(len(before), len(before) + len(own)) for before, own, _ in pieces]

    def read(hidden: Tensor) -> list[dict[TextReading, Tensor]]:
        return [
            {"last": states[len(row) - 1], "text_mean": states[text].mean(dim=0)}
            for states, row, text in zip(hidden.float(), rows, texts, strict=True)
        ]

    with torch.inference_mode():
        caught = caught_layers(
            lambda: decoder(input_ids=ids, use_cache=False), decoder, layers=layers, read=read
        )
    return [
        {
            reading: np.stack([caught[layer][place][reading].numpy() for layer in layers])
            for reading in TEXT_READINGS
        }
        for place in range(len(rows))
    ]
