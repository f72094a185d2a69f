"""A model of transformers by its config alone: its class, where its decoder lies, what it takes."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from transformers import AutoModelForImageTextToText

from hiprobe.errors import BackboneError


@dataclass(frozen=True)
class Outline:
    """A model of a config without weights: where its parts lie, what its forward takes."""

    decoder: str
    inputs: tuple[str, ...]


def model_class(config: Any) -> Any:
    """The class of transformers that makes text from images with this config.

    Raises:
        BackboneError: there is none.
    """
    try:
        return AutoModelForImageTextToText._model_mapping[type(config)]
    except KeyError as error:
        raise BackboneError(
            f"{config.model_type} is no image-text-to-text model of transformers; take a "
            "multimodal model that answers questions about pictures"
        ) from error


def outline(config: Any) -> Outline:
    """Where the decoder lies in a model of this config, found on the meta device.

    Raises:
        BackboneError: the decoder has another form than a stack of layers with a final norm.
    """
    with torch.device("meta"):
        model = model_class(config)(config)
    decoder = model.get_decoder()
    path = next((name for name, part in model.named_modules() if part is decoder), "")
    plain = _is_stack(decoder) and not getattr(config, "is_encoder_decoder", False)
    if not path or not plain:
        raise BackboneError(
            f"the decoder of {config.model_type} ({type(decoder).__name__}) is no plain stack "
            "`layers` with a final `norm`, so that it cannot be read layer by layer here; take "
            "another model"
        )
    return Outline(decoder=path, inputs=tuple(signature(model.forward).parameters))


def _is_stack(decoder: Any) -> bool:
    if not hasattr(decoder, "layers") or not hasattr(decoder, "norm"):
        return False
    # a layer that looks at pictures from the side has no tokens for them in the prompt
    return not any(hasattr(layer, "cross_attn") for layer in decoder.layers)


def image_token(config: Any) -> int:
    """The id that pictures take up in the prompt.

    Raises:
        BackboneError: the config names none.
    """
    for name in ("image_token_id", "image_token_index"):
        if isinstance(getattr(config, name, None), int):
            return int(getattr(config, name))
    raise BackboneError(
        f"the config of {config.model_type} names no image token: pictures do not stand in its "
        "prompt, so that it needs code of its own here; take another model"
    )
