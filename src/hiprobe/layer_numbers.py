"""Layers that a caller asks for, checked where they enter."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import cast

import numpy as np

from hiprobe.errors import UsageError


def layer_numbers(layers: object) -> tuple[int, ...]:
    """Layers as asked for, as plain numbers, in their order.

    Args:
        layers: whole numbers in anything that can be gone through: a list, a range, an array.

    Raises:
        UsageError: one number alone, a text, or something in it that is no whole number.
    """
    if isinstance(layers, int | np.integer) and not isinstance(layers, bool):
        raise UsageError(
            f"layers={layers} is one number, not a list of layers; for one layer give "
            f"layers=[{layers}]"
        )
    if isinstance(layers, str | bytes) or not isinstance(layers, Iterable):
        raise UsageError(f"layers={layers!r} is no list of layers; give numbers, as layers=[20]")
    return tuple(_layer_number(layer) for layer in layers)


def _layer_number(layer: object) -> int:
    if isinstance(layer, bool | np.bool_):  # Python counts with them; a mask is not meant here
        raise UsageError(f"layers hold {layer!r}; give numbers of layers, as layers=[20]")
    try:
        return index(cast("int", layer))
    except TypeError:
        raise UsageError(
            f"layers hold {layer!r}, which is no whole number; give numbers, as layers=[20]"
        ) from None
