"""How likely the LLM finds words after a clip: what training and captions both need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from hiprobe.backbones.interface import DETECT_PROMPT
from hiprobe.backbones.lite.lite_model import END_OF_TURN, LiteBackbone
from hiprobe.backbones.lite.parts import Trained, load_trained


def answer_loss(
    backbone: LiteBackbone,
    features: Tensor,
    answers: Sequence[Sequence[tuple[str, float]]],
    *,
    prompt: str,
) -> Tensor:
    """Weighted cross-entropy of each clip's answer, `[clips]`."""
    return answer_loss_and_states(backbone, features, answers, prompt=prompt)[0]


def answer_loss_and_states(
    backbone: LiteBackbone,
    features: Tensor,
    answers: Sequence[Sequence[tuple[str, float]]],
    *,
    prompt: str,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The loss of words, and layers 0..L at the last prompt position, `[clips, width]` each."""
    ids, weights = answer_tokens(backbone, answers)
    losses, states = losses_and_states(backbone, features, ids, prompt=prompt)
    return (losses * weights).sum(1) / weights.sum(1), states


def answer_tokens(
    backbone: LiteBackbone, answers: Sequence[Sequence[tuple[str, float]]]
) -> tuple[Tensor, Tensor]:
    """Token numbers and weights `[answers, longest]`, each ended; the padding weighs nothing."""
    rows = []
    for parts in answers:
        row: list[tuple[int, float]] = []
        for words, weight in (*parts, (END_OF_TURN, 1.0)):
            ids = backbone.tokenizer.encode(words, add_special_tokens=False).ids
            row += [(i, weight) for i in ids]
        rows.append(row)
    longest = max(len(row) for row in rows)
    padded = torch.tensor([row + [(0, 0.0)] * (longest - len(row)) for row in rows])
    return padded[..., 0].long(), padded[..., 1]


def token_losses(backbone: LiteBackbone, features: Tensor, ids: Tensor, *, prompt: str) -> Tensor:
    """Cross-entropy of each token `[texts, tokens]` after its clip.

    `features` are `[texts, frames, tokens_per_frame, channels]`, or one clip for all texts.
    """
    return losses_and_states(backbone, features, ids, prompt=prompt)[0]


def losses_and_states(
    backbone: LiteBackbone, features: Tensor, ids: Tensor, *, prompt: str
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """`token_losses`, and layers 0..L at the last prompt position (the last after its norm)."""
    prefix, _ = backbone.embedded(backbone.projector(features), prompt=prompt)
    words = backbone.decoder.get_input_embeddings()(ids)
    embedded = torch.cat([prefix.expand(len(ids), -1, -1), words], dim=1)
    hidden = backbone.decoder.model(
        inputs_embeds=embedded, use_cache=False, output_hidden_states=True
    ).hidden_states
    start = prefix.shape[1] - 1
    logits = backbone.decoder.lm_head(hidden[-1][:, start : start + ids.shape[1]])
    losses = nn.functional.cross_entropy(logits.transpose(1, 2), ids, reduction="none")
    return losses, tuple(h[:, start] for h in hidden)


def asked(backbone: LiteBackbone, features: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """Layers 0..L after the default question, `[clips, positions, width]` each, the last normed.

    Beside them, which positions are visual tokens.
    """
    embedded, visual = backbone.embedded(backbone.projector(features), prompt=DETECT_PROMPT)
    hidden: tuple[Tensor, ...] = backbone.decoder.model(
        inputs_embeds=embedded, use_cache=False, output_hidden_states=True
    ).hidden_states
    return hidden, visual


def trained_of(run: Path | None) -> Trained:
    """The trained parts of a run's folder, or those that come with the package."""
    if run is None:
        return load_trained()
    return load_trained(weights=run / "projector.safetensors", config=run / "projector.json")
