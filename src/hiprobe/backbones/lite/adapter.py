"""The light low-rank update of the LLM that comes with the projector, added to its weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from hiprobe.errors import BackboneError

ADAPTED = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)
"""The linear layers of each decoder layer that are updated."""


@torch.no_grad()
def merge_adapter(decoder: LlamaForCausalLM, tensors: Mapping[str, Tensor]) -> None:
    """Add `b @ a` to each adapted weight, in place (Hu et al. 2022); a cut decoder takes its part.

    Raises:
        BackboneError: a tensor is missing or has another shape.
    """
    for number, layer in enumerate(decoder.model.layers):
        for name in ADAPTED:
            module = layer.get_submodule(name)
            if not isinstance(module, nn.Linear):
                raise BackboneError(f"the LLM's {name} is no linear layer; reinstall hiprobe")
            module.weight += _update(tensors, f"layers.{number}.{name}", tuple(module.weight.shape))


def _update(tensors: Mapping[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
    try:
        update = tensors[f"{name}.b"].float() @ tensors[f"{name}.a"].float()
    except (KeyError, RuntimeError) as error:
        raise BackboneError(
            f"the LLM's low-rank update lacks {name}: {error}; reinstall hiprobe"
        ) from error
    if tuple(update.shape) != shape:
        raise BackboneError(
            f"the LLM's low-rank update of {name} has the shape {tuple(update.shape)}, its weight "
            f"{shape}; reinstall hiprobe"
        )
    return update
