"""Weights of the decoder in one byte each, by torchao; the arithmetic stays as it was."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hiprobe.backbones.spec import QUANTISED
from hiprobe.errors import BackboneError


def check_quantised(name: str | None) -> None:
    """Refuse an unknown format, or one that cannot be made here.

    Raises:
        BackboneError: the name is unknown, or torchao is not installed.
    """
    if name is None:
        return
    if name not in QUANTISED:
        raise BackboneError(
            f"quantised weights {name!r} are unknown; choose one of {', '.join(QUANTISED)}"
        )
    if importlib.util.find_spec("torchao") is None:
        raise BackboneError(
            f"weights in {name} need torchao, which is not installed; run: "
            "pip install 'hiprobe[quantised]'"
        )


def quantised(decoder: Any, name: str) -> None:
    """Hold the linear layers of a decoder in one byte per weight, in place.

    Vision tower, embeddings, norms and head stay as they are.

    Raises:
        BackboneError: torchao cannot do it with this torch.
    """
    check_quantised(name)
    try:
        with _quiet():
            from torchao.quantization import (
                Float8WeightOnlyConfig,
                Int8WeightOnlyConfig,
                quantize_,
            )

            made = {"int8": Int8WeightOnlyConfig, "fp8": Float8WeightOnlyConfig}[name]()
            quantize_(decoder, made)
    except (ImportError, NotImplementedError, RuntimeError) as error:
        raise BackboneError(
            f"torchao cannot hold the weights in {name} here: {error}; open without quantising"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torchao's remarks about GPU parts that this machine has no use for."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
