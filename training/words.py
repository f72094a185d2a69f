"""How likely the frozen LLM finds words after a clip: what training and captions both need."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from hiprobe.backbones.lite.model import LiteBackbone
from hiprobe.backbones.lite.projector import Projector, load_projector


def token_losses(backbone: LiteBackbone, features: Tensor, ids: Tensor, *, prompt: str) -> Tensor:
    """Cross-entropy of each token `[texts, tokens]` after its clip.

    `features` are `[texts, frames, tokens_per_frame, channels]`, or one clip for all texts.
    """
    prefix, _ = backbone.embed(backbone.projector(features), prompt=prompt)
    words = backbone.decoder.get_input_embeddings()(ids)
    embedded = torch.cat([prefix.expand(len(ids), -1, -1), words], dim=1)
    hidden = backbone.decoder.model(inputs_embeds=embedded, use_cache=False).last_hidden_state
    start = prefix.shape[1] - 1
    logits = backbone.decoder.lm_head(hidden[:, start : start + ids.shape[1]])
    return nn.functional.cross_entropy(logits.transpose(1, 2), ids, reduction="none")


def projector_of(run: Path | None) -> Projector:
    """The projector of a run's folder, or the one that comes with the package."""
    if run is None:
        return load_projector()
    return load_projector(weights=run / "projector.safetensors", config=run / "projector.json")
