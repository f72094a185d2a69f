"""Low-rank updates of the frozen LLM while they are trained (Hu et al. 2022, LoRA)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from hiprobe.backbones.lite.parts import ADAPTED


class LowRank(nn.Module):
    """A frozen linear layer plus `b @ a`; starts as the frozen layer alone, since b is zero."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base
        self.a = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.base(x)
        return y + nn.functional.linear(nn.functional.linear(x, self.a), self.b)


def adapt(decoder: LlamaForCausalLM, *, rank: int) -> dict[str, nn.Parameter]:
    """Put an adapter on each adapted layer, in place; its parameters by their shipped names."""
    found = {}
    for number, layer in enumerate(decoder.model.layers):
        for name in ADAPTED:
            owner, attribute = name.split(".")
            block = getattr(layer, owner)
            low = LowRank(getattr(block, attribute), rank)
            setattr(block, attribute, low)
            found |= {f"layers.{number}.{name}.a": low.a, f"layers.{number}.{name}.b": low.b}
    return found
