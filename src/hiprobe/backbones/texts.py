"""Backbones whose decoder can read a description in place of pictures: the text bottleneck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import TEXT_READINGS, TextReading
from hiprobe.backbones.reading import check_finite, check_layers
from hiprobe.errors import StatesError
from hiprobe.states import Reading

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
    from torch import Tensor

    from hiprobe.backbones.layers import caught_layers

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
