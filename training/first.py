"""A start for the projector, learned in minutes without the LLM.

    python training/first.py --clips training/runs/clips training/runs/scenes \
        --stills training/runs/stills --model MODEL_FOLDER --out training/runs/first

The LLM's word table is all of it that is used, so a step takes a fraction of a second. Tokens of a
picture, and of what changes, should lie near the embeddings of the words of their caption (softmax
over the table, with a free scale and a free bias a word, so that frequent words need no picture).
Tokens of what changes should also tell the kinds of events apart and the abnormal from the normal,
by a linear layer that is thrown away: words alone keep too little of it. What follows
(`train.py --start`) begins with tokens that the LLM can read and that hold what matters.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from answers import is_abnormal
from captioned import Captioned, read_captioned
from hiprobe.backbones.lite.lite_model import load_lite
from hiprobe.backbones.lite.parts import Projector, Trained
from material import kind_numbers, new_projector
from run_folder import write_run
from vocabulary import kept_words, targets, word_sets

STILLS_SHARE = 0.4  # of the steps
DROPOUT = 0.2


@dataclass(frozen=True)
class Lesson:
    """What is learned from: features, the share of each kept word, and each clip's event."""

    data: Captioned
    words: Tensor
    kinds: Tensor
    abnormal: Tensor


class Beginner(nn.Module):
    """The projector, the word table (frozen), and what is thrown away afterwards."""

    table: Tensor

    def __init__(self, projector: Projector, table: Tensor, frequency: Tensor, kinds: int) -> None:
        super().__init__()
        self.projector = projector
        self.register_buffer("table", table)
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.bias = nn.Parameter(frequency.clamp_min(1e-5).log())
        width = projector.config.width
        self.kinds = nn.Linear(2 * width, kinds)
        self.verdict = nn.Linear(2 * width, 1)
        self.dropout = nn.Dropout(DROPOUT)

    def still_loss(self, features: Tensor, words: Tensor) -> Tensor:
        """Of the captions' words; only a picture's tokens are asked."""
        return self._word_loss(self.projector(features)[:, : self.projector.config.cells], words)

    def clip_loss(self, features: Tensor, words: Tensor, kinds: Tensor, abnormal: Tensor) -> Tensor:
        """Of the words, of the kind, and of the verdict; only the change's tokens are asked."""
        change = self.projector.change
        # a channel that is dropped takes its mean
        away = self.dropout(features[..., -len(change.mean) :] - change.mean)
        dropped = torch.cat([features[..., : -len(change.mean)], away + change.mean], dim=-1)
        tokens = self.projector(dropped)[:, self.projector.config.cells :]
        held = torch.cat([tokens.mean(1), tokens.amax(1)], dim=1)
        held = self.dropout(held / self.projector.config.embedding_std)
        verdict = nn.functional.binary_cross_entropy_with_logits(self.verdict(held)[:, 0], abnormal)
        kind = nn.functional.cross_entropy(self.kinds(held), kinds)
        return self._word_loss(tokens, words) + kind + verdict

    def _word_loss(self, tokens: Tensor, words: Tensor) -> Tensor:
        logits = self.scale * tokens.mean(1) @ self.table.T + self.bias
        return -(words * logits.log_softmax(1)).sum(1).mean()


def step_loss(learner: Beginner, stills: Lesson, clips: Lesson, batch: int, seed: int) -> Tensor:
    """The loss of one step; which clips or stills it sees hangs on its seed alone."""
    rng = np.random.default_rng(seed)
    own = stills if rng.random() < STILLS_SHARE else clips
    rows = rng.choice(len(own.words), batch, replace=False)
    features, words = own.data.batch(rows), own.words[rows]
    if own is stills:
        return learner.still_loss(features, words)
    return learner.clip_loss(features, words, own.kinds[rows], own.abnormal[rows])


def lessons(given: argparse.Namespace, model: Path) -> tuple[Lesson, Lesson, Beginner]:
    """Stills, clips, and what learns from them."""
    sets = [read_captioned([given.stills]), read_captioned(given.clips)]
    backbone = load_lite(model, trained=Trained(new_projector(sets[1], sets[0])))
    words = [word_sets(d, backbone.tokenizer) for d in sets]
    kept = kept_words(words[0] + words[1])
    wanted = [targets(w, kept) for w in words]
    found = [
        Lesson(
            data,
            shares,
            kind_numbers(data),
            torch.tensor([float(is_abnormal(t["kind"])) for t in data.texts]),
        )
        for data, shares in zip(sets, wanted, strict=True)
    ]
    table = backbone.decoder.get_input_embeddings().weight.detach()[kept]
    projector = backbone.projector.requires_grad_(True).train()
    kinds = int(found[1].kinds.max()) + 1
    return found[0], found[1], Beginner(projector, table, torch.cat(wanted).mean(0), kinds)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, nargs="+", required=True)
    parser.add_argument("--stills", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    given = parse()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(given.seed)
    stills, clips, learner = lessons(given, given.model)
    optimiser = torch.optim.AdamW(learner.parameters(), lr=given.rate, weight_decay=0.05)
    started = time.monotonic()
    for step in range(given.steps):
        for group in optimiser.param_groups:
            group["lr"] = given.rate * min(1.0, (step + 1) / 20, 1.5 * (1 - step / given.steps))
        loss = step_loss(learner, stills, clips, given.batch, step)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if (step + 1) % 50 == 0:
            print(f"step {step + 1} {loss:.3f} {time.monotonic() - started:.0f} s", flush=True)
    projector = learner.projector
    tensors = {f"projector.{k}": v.detach().half() for k, v in projector.state_dict().items()}
    write_run(given.out, tensors, config=projector.config, facts={"first steps": given.steps})


if __name__ == "__main__":
    sys.exit(main())
