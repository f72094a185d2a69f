"""Does the lite backbone see? The true caption among ten, by likelihood, on unseen photographs.

    python training/captions.py --photographs FOLDER --model MODEL_FOLDER --out RESULTS

Each photograph is one key frame. The likelihood of a caption is the mean over its
tokens; `against blank` subtracts its likelihood before a grey picture, so that a caption cannot
win by being likely in itself. The control ranks by the grey picture alone. Chance is 0.1.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from features import HELD_OUT_EVERY
from hiprobe.backbones.lite.lite_model import LiteBackbone, load_lite
from pictures import SIZE, read_photographs
from words import token_losses, trained_of

PROMPT = "Describe this picture."
CANDIDATES = 10


@torch.inference_mode()
def likelihoods(backbone: LiteBackbone, features: Tensor, captions: list[str]) -> np.ndarray:
    """Mean log-likelihood of each caption's tokens after one clip, `[captions]`."""
    rows = [backbone.tokenizer.encode(c, add_special_tokens=False).ids for c in captions]
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    mask = torch.zeros_like(ids, dtype=torch.float32)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    losses = token_losses(backbone, features[None], ids, prompt=PROMPT)
    return (-(losses * mask).sum(1) / mask.sum(1)).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--projector", type=Path, help="run folder; without: the shipped one")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    backbone = load_lite(given.model, trained=trained_of(given.projector))
    photographs = read_photographs(given.photographs)
    rng = np.random.default_rng(given.seed)
    unseen = [n for i, n in enumerate(photographs.names) if i % HELD_OUT_EVERY == 0]
    chosen = [str(n) for n in rng.choice(unseen, given.pictures, replace=False)]
    grey = [np.full((SIZE, SIZE, 3), 127, np.uint8)]
    blank = backbone.visual_features([grey])[0]
    wins = {"by likelihood": 0, "against blank": 0, "control: blank picture": 0}
    examples = []
    for number, name in enumerate(chosen):
        others = [str(n) for n in rng.choice(unseen, CANDIDATES, replace=False) if n != name]
        captions = [photographs.captions[n][0] for n in [name, *others[: CANDIDATES - 1]]]
        picture = [photographs.picture(name)]
        seen = likelihoods(backbone, backbone.visual_features([picture])[0], captions)
        unseeing = likelihoods(backbone, blank, captions)
        wins["by likelihood"] += int(seen.argmax() == 0)
        wins["against blank"] += int((seen - unseeing).argmax() == 0)
        wins["control: blank picture"] += int(unseeing.argmax() == 0)
        if number < 6:
            words = backbone.describe(picture, prompt=PROMPT, max_new_tokens=40)
            examples.append({"picture": name, "words": words, "caption": captions[0]})
        print(number + 1, wins, flush=True)
    result = {k: round(v / len(chosen), 3) for k, v in wins.items()}
    result |= {"pictures": len(chosen), "seed": given.seed, "examples": examples}
    (given.out / "captions.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    sys.exit(main())
