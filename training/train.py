"""Train the lite backbone's projector, and a low-rank update of its LLM, on captioned clips.

    python training/train.py --clips training/runs/clips training/runs/scenes \
        --stills training/runs/stills --model MODEL_FOLDER --out training/runs/long --steps 800

The vision net is frozen. Interrupted, the same command goes on from the last checkpoint. Ends with
`projector.safetensors` and `projector.json` in the run's folder; `--ship` copies both into the
package.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from adapters import adapt
from answers import clip_answer, still_answer
from captioned import Captioned, read_captioned
from hiprobe.backbones.lite.load import load_lite
from hiprobe.backbones.lite.model import LiteBackbone
from hiprobe.backbones.lite.projector import HERE, Projector, ProjectorConfig, Trained
from hiprobe.backbones.lite.vision import FEATURE_CHANNELS
from words import answer_loss, trained_of

CHECKPOINT_STEPS = 40
VALIDATION_EVERY = 40  # every fortieth clip is only looked at


def new_projector(clips: Captioned, stills: Captioned | None) -> Projector:
    """A projector with random weights that standardises by the training features."""
    projector = Projector(ProjectorConfig())
    moving = _rows(clips, 5)
    seen = moving if stills is None else torch.cat([moving, _rows(stills, 3)])
    at = FEATURE_CHANNELS
    for tokens, rows in ((projector.seen, seen[:, :at]), (projector.change, moving[:, at:])):
        tokens.mean.copy_(rows.mean(0))
        tokens.scale.copy_(rows.std(0).clamp_min(1e-3))
    return projector


def _rows(data: Captioned, every: int) -> Tensor:
    return torch.from_numpy(data.features[::every].astype(np.float32)).flatten(0, 2)


def learning_rate(step: int, steps: int) -> float:
    """Share of the peak rate: a short rise, then a cosine down to a twentieth."""
    warm = min(1.0, (step + 1) / 20)
    return warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, nargs="+", required=True)
    parser.add_argument("--stills", type=Path)
    parser.add_argument("--first-stills", type=int, default=0, help="steps on stills only")
    parser.add_argument("--stills-share", type=float, default=0.3, help="of the steps after those")
    parser.add_argument("--start", type=Path, help="run folder to start from")
    parser.add_argument("--model", type=Path, required=True, help="assembled lite model folder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--stills-batch", type=int, default=24)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--rank", type=int, default=8, help="of the LLM's update; 0 for none")
    parser.add_argument("--verdict", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ship", action="store_true", help="copy the result into the package")
    return parser.parse_args()


def main() -> None:
    given = parse()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(given.seed)
    clips = read_captioned(given.clips)
    stills = read_captioned([given.stills]) if given.stills else None
    start = trained_of(given.start) if given.start else Trained(new_projector(clips, stills))
    projector = start.projector
    backbone = load_lite(given.model, trained=Trained(projector))
    projector.requires_grad_(True).train()
    weights = {f"projector.{k}": v for k, v in projector.named_parameters()}
    weights |= adapt(backbone.decoder, rank=given.rank) if given.rank else {}
    with torch.no_grad():
        for name, tensor in start.adapter.items():
            weights[name].copy_(tensor)
    optimiser = torch.optim.AdamW(weights.values(), lr=given.rate, weight_decay=0.01)
    step = first = resume(given.out, weights, optimiser)
    rows = np.arange(len(clips.texts))
    held, used = rows[::VALIDATION_EVERY], rows[rows % VALIDATION_EVERY > 0]
    started, running = time.monotonic(), []
    while step < given.steps:
        rng = np.random.default_rng((given.seed, step))
        still = stills is not None and (
            step < given.first_stills or rng.random() < given.stills_share
        )
        if still:
            chosen = rng.choice(len(stills.texts), given.stills_batch, replace=False)
            prompt, answers = still_answer([stills.texts[i] for i in chosen], rng)
            features = stills.batch(chosen)
        else:
            chosen = rng.choice(used, given.batch, replace=False)
            prompt, answers = clip_answer([clips.texts[i] for i in chosen], rng, given.verdict)
            features = clips.batch(chosen)
        for group in optimiser.param_groups:
            group["lr"] = given.rate * learning_rate(step, given.steps)
        loss = answer_loss(backbone, features, answers, prompt=prompt).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights.values(), 1.0)
        optimiser.step()
        step += 1
        running.append((still, loss.item()))
        if step % 10 == 0:
            pace = (time.monotonic() - started) / (step - first)
            means = [np.mean([v for s, v in running[-60:] if s == kind] or [0]) for kind in (0, 1)]
            print(
                f"step {step} clips {means[0]:.3f} stills {means[1]:.3f} {pace:.1f} s a step, "
                f"{pace * (given.steps - step) / 60:.0f} min to go",
                flush=True,
            )
        if step % CHECKPOINT_STEPS == 0 or step == given.steps:
            facts = {
                "steps": step,
                "batch": given.batch,
                "seed": given.seed,
                "clips": len(used),
                "stills": len(stills.texts) if stills else 0,
                "first_stills": given.first_stills,
                "rank": given.rank,
                "verdict": given.verdict,
                "validation_loss": validation_loss(backbone, clips, held, given.verdict),
            }
            print(facts, flush=True)
            checkpoint(given.out, weights, optimiser, step)
            save(projector, weights, given.out, facts)
    if given.ship:
        for name in ("projector.safetensors", "projector.json"):
            shutil.copy(given.out / name, HERE / name)


@torch.no_grad()
def validation_loss(
    backbone: LiteBackbone, data: Captioned, rows: np.ndarray, verdict: bool
) -> float:
    """Mean loss of the held clips' answers to the default question."""
    found = []
    for start in range(0, len(rows), 12):
        chosen = rows[start : start + 12]
        texts = [data.texts[i] for i in chosen]
        prompt, answers = clip_answer(texts, None, verdict)
        losses = answer_loss(backbone, data.batch(chosen), answers, prompt=prompt)
        found.append(losses.mean().item())
    return round(float(np.mean(found)), 4)


def save(
    projector: Projector, weights: dict[str, nn.Parameter], folder: Path, facts: dict[str, object]
) -> None:
    """The weights as they are shipped: float16, the LLM's update beside the projector."""
    tensors = {f"projector.{k}": v.half() for k, v in projector.state_dict().items()}
    tensors |= {f"adapter.{k}": v.detach().half() for k, v in weights.items() if k[0] == "l"}
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "projector.safetensors")
    card = {"projector": projector.config.to_json(), "training": facts}
    (folder / "projector.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def checkpoint(
    folder: Path, weights: dict[str, nn.Parameter], optimiser: torch.optim.AdamW, step: int
) -> None:
    """Weights, Adam's two moments and the step, in one file that replaces the last one."""
    tensors = {f"weight.{k}": v.detach().clone() for k, v in weights.items()}
    for number, entry in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{number}.{k}": v.clone() for k, v in entry.items()}
    tensors["step"] = torch.tensor(step)
    save_file(tensors, folder / "state.tmp.safetensors")
    (folder / "state.tmp.safetensors").replace(folder / "state.safetensors")


@torch.no_grad()
def resume(folder: Path, weights: dict[str, nn.Parameter], optimiser: torch.optim.AdamW) -> int:
    """The step to go on from: 0 where there is no checkpoint."""
    place = folder / "state.safetensors"
    if not place.exists():
        return 0
    tensors = load_file(place)
    for name, weight in weights.items():
        weight.copy_(tensors[f"weight.{name}"])
    state = optimiser.state_dict()
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, number, name = key.split(".")
            state["state"].setdefault(int(number), {})[name] = value
    optimiser.load_state_dict(state)
    return int(tensors["step"])


if __name__ == "__main__":
    sys.exit(main())
