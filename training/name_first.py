"""A start for the projector: its tokens learn to lie near the embeddings of the words they show.

    python training/name_first.py --clips training/runs/clips training/runs/scenes \
        --stills training/runs/stills --model MODEL_FOLDER --out training/runs/names

No LLM runs here, only its word table, so a step takes a tenth of a second: the mean visual token of
a clip, times the table, should give the words of its captions (softmax over the vocabulary, with a
free scale and a free bias for each word, so that frequent words need no picture). What follows
(`train.py --start`) then begins with tokens that the LLM can already read as words.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from captioned import Captioned, read_captioned
from hiprobe.backbones.lite.load import load_lite
from hiprobe.backbones.lite.projector import Projector, Trained
from material import new_projector
from run_folder import write_run

COMMON = 0.3  # a word in more captions than this says nothing about one of them


def word_sets(data: Captioned, tokenizer: Tokenizer) -> list[list[int]]:
    """Token numbers of each clip's words, each once."""
    found = []
    for text in data.texts:
        words = f" {text['change']} {text['scene']}".replace("\n", " ").lower()
        ids = tokenizer.encode(words.replace(".", " ").replace(",", " "), add_special_tokens=False)
        found.append(sorted(set(ids.ids)))
    return found


def targets(words: list[list[int]], vocabulary: Tensor) -> Tensor:
    """Rows that sum to one over the kept words, `[clips, words]`."""
    place = {int(w): i for i, w in enumerate(vocabulary)}
    rows = torch.zeros(len(words), len(vocabulary))
    for row, ids in enumerate(words):
        for i in ids:
            if i in place:
                rows[row, place[i]] = 1
    return rows / rows.sum(1, keepdim=True).clamp_min(1)


def kept_words(words: list[list[int]]) -> Tensor:
    """Words in at least three captions and in no more than a share of them."""
    ids, counts = np.unique(np.concatenate(words), return_counts=True)
    kept = (counts >= 3) & (counts < COMMON * len(words))
    return torch.from_numpy(ids[kept])


class Namer(nn.Module):
    """Projector, word table (frozen), scale and biases."""

    def __init__(self, projector: Projector, table: Tensor, frequency: Tensor) -> None:
        super().__init__()
        self.projector = projector
        self.register_buffer("table", table)
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.bias = nn.Parameter(frequency.clamp_min(1e-5).log())

    def forward(self, features: Tensor) -> Tensor:
        """Log-probabilities of the kept words, `[clips, words]`."""
        token = self.projector(features).flatten(1, 2).mean(1)
        logits = self.scale * token @ self.table.T + self.bias
        return logits.log_softmax(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, nargs="+", required=True)
    parser.add_argument("--stills", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(given.seed)
    sets = [read_captioned([given.stills]), read_captioned(given.clips)]
    projector = new_projector(sets[1], sets[0])
    backbone = load_lite(given.model, trained=Trained(projector))
    table = backbone.decoder.get_input_embeddings().weight.detach()
    words = [word_sets(d, backbone.tokenizer) for d in sets]
    kept = kept_words(words[0] + words[1])
    wanted = [targets(w, kept) for w in words]
    namer = Namer(projector.requires_grad_(True).train(), table[kept], torch.cat(wanted).mean(0))
    optimiser = torch.optim.AdamW(namer.parameters(), lr=given.rate, weight_decay=0.05)
    rng, running = np.random.default_rng(given.seed), []
    for step in range(given.steps):
        which = int(rng.random() < 0.25)
        rows = rng.choice(len(sets[which].texts), given.batch, replace=False)
        found = namer(sets[which].batch(rows))
        loss = -(wanted[which][rows] * found).sum(1).mean()
        for group in optimiser.param_groups:
            group["lr"] = given.rate * min(1.0, 2 * (1 - step / given.steps))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        running.append((which, loss.item()))
        if (step + 1) % 50 == 0:
            means = [np.mean([v for w, v in running[-150:] if w == k] or [0]) for k in (0, 1)]
            print(f"step {step + 1} stills {means[0]:.3f} clips {means[1]:.3f}", flush=True)
    tensors = {f"projector.{k}": v for k, v in projector.state_dict().items()}
    write_run(given.out, tensors, config=projector.config, facts={"named for": given.steps})


if __name__ == "__main__":
    sys.exit(main())
