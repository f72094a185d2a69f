"""Train the lite backbone's projector on captioned clips; the vision net and the LLM are frozen.

    python training/train.py --features training/runs/pictures training/runs/scenes \
        --model MODEL_FOLDER --out training/runs/first --steps 200

Interrupted, the same command goes on from the last checkpoint. Ends with `projector.safetensors`
and `projector.json` in the run's folder; `--ship` copies both into the package.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hiprobe.backbones.interface import DETECT_PROMPT
from hiprobe.backbones.lite.model import LiteBackbone, load_lite
from hiprobe.backbones.lite.projector import HERE, Projector, ProjectorConfig
from words import token_losses

PROMPTS = (DETECT_PROMPT, DETECT_PROMPT, "Describe this video.", "What happens in this video?")
CHANGE_WEIGHT = 4.0
CHECKPOINT_STEPS = 20
VALIDATION_CLIPS = 48


@dataclass(frozen=True)
class Captioned:
    """Features float16 `[clips, frames, tokens, channels]` with their two-part captions."""

    features: np.ndarray
    texts: tuple[dict[str, str], ...]


def read_features(folders: list[Path]) -> Captioned:
    parts = sorted(p for f in folders for p in f.glob("part-*[0-9].npy"))
    texts = [t for p in parts for t in json.loads(p.with_suffix(".json").read_text())]
    return Captioned(np.concatenate([np.load(p) for p in parts]), tuple(texts))


def caption_batch(backbone: LiteBackbone, texts: list[dict[str, str]]) -> tuple[Tensor, Tensor]:
    """Token numbers and loss weights `[clips, longest]`; the padding weighs nothing."""
    rows = []
    for text in texts:
        change = backbone.tokenizer.encode(text["change"], add_special_tokens=False).ids
        rest = f" {text['scene']}" if text["scene"] else ""
        scene = backbone.tokenizer.encode(rest + "<|im_end|>", add_special_tokens=False).ids
        rows.append((change + scene, [CHANGE_WEIGHT] * len(change) + [1.0] * len(scene)))
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    weights = torch.zeros(len(rows), longest)
    for row, (tokens, weight) in enumerate(rows):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        weights[row, : len(tokens)] = torch.tensor(weight)
    return ids, weights


def caption_loss(
    backbone: LiteBackbone, features: Tensor, texts: list[dict[str, str]], prompt: str
) -> Tensor:
    """Weighted cross-entropy of each clip's caption, `[clips]`."""
    ids, weights = caption_batch(backbone, texts)
    losses = token_losses(backbone, features, ids, prompt=prompt)
    return (losses * weights).sum(1) / weights.sum(1)


def learning_rate(step: int, steps: int, peak: float) -> float:
    warm = min(1.0, (step + 1) / 15)
    return peak * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def new_projector(data: Captioned) -> Projector:
    """A projector with random weights that standardises by the training features."""
    projector = Projector(ProjectorConfig())
    sample = torch.from_numpy(data.features[::3].astype(np.float32)).flatten(0, 2)
    projector.mean.copy_(sample.mean(0))
    projector.scale.copy_(sample.std(0).clamp_min(1e-3))
    return projector


def save(projector: Projector, folder: Path, facts: dict[str, object]) -> None:
    save_file(projector.state_dict(), folder / "projector.safetensors")
    card = {"projector": projector.config.to_json(), "training": facts}
    (folder / "projector.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


@torch.no_grad()
def validation_loss(backbone: LiteBackbone, data: Captioned, rows: np.ndarray) -> float:
    found = []
    for start in range(0, len(rows), 12):
        chosen = rows[start : start + 12]
        features = torch.from_numpy(data.features[chosen].astype(np.float32))
        texts = [data.texts[i] for i in chosen]
        found.append(caption_loss(backbone, features, texts, DETECT_PROMPT).mean().item())
    return float(np.mean(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, nargs="+", required=True)
    parser.add_argument("--model", type=Path, required=True, help="assembled lite model folder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ship", action="store_true", help="copy the result into the package")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(given.seed)
    data = read_features(given.features)
    projector = new_projector(data)
    backbone = load_lite(given.model, projector=projector)
    projector.requires_grad_(True).train()
    optimiser = torch.optim.AdamW(projector.parameters(), lr=given.rate, weight_decay=0.01)
    step = resume(given.out, projector, optimiser)
    order = np.random.default_rng(given.seed).permutation(len(data.texts))
    held, used = order[:VALIDATION_CLIPS], order[VALIDATION_CLIPS:]
    started, running = time.monotonic(), []
    first = step
    while step < given.steps:
        rng = np.random.default_rng((given.seed, step))
        chosen = rng.choice(used, given.batch, replace=False)
        features = torch.from_numpy(data.features[chosen].astype(np.float32))
        prompt = PROMPTS[int(rng.integers(len(PROMPTS)))]
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, given.steps, given.rate)
        loss = caption_loss(backbone, features, [data.texts[i] for i in chosen], prompt).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(projector.parameters(), 1.0)
        optimiser.step()
        step += 1
        running.append(loss.item())
        if step % 5 == 0:
            pace = (time.monotonic() - started) / (step - first)
            print(f"step {step} loss {np.mean(running[-20:]):.3f} {pace:.1f} s a step", flush=True)
        if step % CHECKPOINT_STEPS == 0 or step == given.steps:
            facts = {
                "steps": step,
                "batch": given.batch,
                "seed": given.seed,
                "clips": len(used),
                "validation_loss": round(validation_loss(backbone, data, held), 4),
            }
            print(facts, flush=True)
            checkpoint(given.out, projector, optimiser, step)
            save(projector, given.out, facts)
    if given.ship:
        for name in ("projector.safetensors", "projector.json"):
            shutil.copy(given.out / name, HERE / name)


def checkpoint(folder: Path, projector: Projector, optimiser: torch.optim.AdamW, step: int) -> None:
    """Weights, Adam's two moments and the step, in one file that replaces the last one."""
    tensors = {f"weight.{k}": v.clone() for k, v in projector.state_dict().items()}
    for number, entry in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{number}.{k}": v.clone() for k, v in entry.items()}
    tensors["step"] = torch.tensor(step)
    save_file(tensors, folder / "state.tmp.safetensors")
    (folder / "state.tmp.safetensors").replace(folder / "state.safetensors")


def resume(folder: Path, projector: Projector, optimiser: torch.optim.AdamW) -> int:
    """The step to go on from: 0 where there is no checkpoint."""
    place = folder / "state.safetensors"
    if not place.exists():
        return 0
    tensors = load_file(place)
    projector.load_state_dict(
        {k.removeprefix("weight."): v for k, v in tensors.items() if k.startswith("weight.")}
    )
    state = optimiser.state_dict()
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, number, name = key.split(".")
            state["state"].setdefault(int(number), {})[name] = value
    optimiser.load_state_dict(state)
    return int(tensors["step"])


if __name__ == "__main__":
    sys.exit(main())
