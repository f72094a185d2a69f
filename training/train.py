"""Train the lite backbone's projector, and a low-rank update of its LLM, on captioned clips.

    python training/train.py --clips training/runs/clips training/runs/scenes \
        --stills training/runs/stills --model MODEL_FOLDER --out training/runs/long --steps 800

The vision net is frozen. Interrupted, the same command goes on from the last checkpoint. Ends with
`projector.safetensors` and `projector.json` in the run's folder; `--ship` copies both into the
package.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from adapters import adapt
from answers import clip_answer
from captioned import Captioned
from hiprobe.backbones.interface import DETECT_PROMPT
from hiprobe.backbones.lite.lite_model import LiteBackbone, load_lite
from hiprobe.backbones.lite.parts import Projector, Trained
from kind_heads import KindHeads
from material import Batch, Material, draw, new_projector, read_material
from run_folder import checkpoint, resume, ship, write_run
from words import answer_loss, answer_loss_and_states, trained_of

CHECKPOINT_STEPS = 40


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
    parser.add_argument("--kinds", type=float, default=0.5, help="weight of the heads for kinds")
    parser.add_argument("--projector-rate", type=float, default=0.3, help="share of --rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ship", action="store_true", help="copy the result into the package")
    return parser.parse_args()


@dataclass(frozen=True)
class Learner:
    """The backbone under training, what of it is trained by its shipped name, and its heads."""

    backbone: LiteBackbone
    weights: dict[str, nn.Parameter]
    heads: KindHeads
    kinds_weight: float

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """All that the optimiser moves: what ships, and the heads, which do not."""
        return self.weights | {f"head.{k}": v for k, v in self.heads.named_parameters()}

    def loss(self, batch: Batch) -> Tensor:
        """Loss of words; on the default question with that of the kinds, weighted."""
        losses, states = answer_loss_and_states(
            self.backbone, batch.features, batch.answers, prompt=batch.prompt
        )
        if batch.prompt != DETECT_PROMPT:
            return losses.mean()
        return losses.mean() + self.kinds_weight * self.heads(states, batch.kinds)


def open_learner(given: argparse.Namespace, data: Material) -> Learner:
    """Everything that is trained, as it begins."""
    backbone, weights = open_parts(given, data)
    width = backbone.projector.config.width
    heads = KindHeads(width=width, kinds=int(data.kinds.max()) + 1).train()
    return Learner(backbone, weights, heads, given.kinds)


def open_optimiser(given: argparse.Namespace, learner: Learner) -> torch.optim.AdamW:
    """The projector, which has begun without the LLM, moves more slowly than the rest."""
    slow = [v for k, v in learner.parameters.items() if k.startswith("projector.")]
    fast = [v for k, v in learner.parameters.items() if not k.startswith("projector.")]
    groups = [
        {"params": slow, "peak": given.rate * given.projector_rate},
        {"params": fast, "peak": given.rate},
    ]
    return torch.optim.AdamW(groups, lr=given.rate, weight_decay=0.01)


def open_parts(
    given: argparse.Namespace, data: Material
) -> tuple[LiteBackbone, dict[str, nn.Parameter]]:
    """The backbone under training, and what of it is trained, by its shipped name."""
    fresh = given.start is None
    start = Trained(new_projector(data.clips, data.stills)) if fresh else trained_of(given.start)
    backbone = load_lite(given.model, trained=Trained(start.projector), trainable=True)
    start.projector.requires_grad_(True).train()
    weights = {f"projector.{k}": v for k, v in start.projector.named_parameters()}
    weights |= adapt(backbone.decoder, rank=given.rank) if given.rank else {}
    with torch.no_grad():
        for name, tensor in start.adapter.items():
            weights[name].copy_(tensor)
    return backbone, weights


def step_once(
    learner: Learner, optimiser: torch.optim.AdamW, batch: Batch, *, share: float
) -> float:
    """One step of the optimiser, at a share of the peak rates; the loss before it."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * share
    loss = learner.loss(batch)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(learner.parameters.values(), 1.0)
    optimiser.step()
    return loss.item()


def progress_line(running: list[tuple[bool, float]], step: int, pace: float, left: int) -> str:
    clips, stills = (
        np.mean([v for s, v in running[-60:] if s == kind] or [0]) for kind in (False, True)
    )
    return (
        f"step {step} clips {clips:.3f} stills {stills:.3f} {pace:.1f} s a step, "
        f"{pace * left / 60:.0f} min to go"
    )


def facts_of(
    given: argparse.Namespace, data: Material, backbone: LiteBackbone, step: int
) -> dict[str, object]:
    """What the card of a run says of it."""
    return {
        "steps": step,
        "batch": given.batch,
        "seed": given.seed,
        "clips": len(data.used),
        "stills": len(data.stills.texts) if data.stills else 0,
        "first_stills": given.first_stills,
        "rank": given.rank,
        "kinds": given.kinds,
        "start": given.start.name if given.start else None,
        "validation_loss": validation_loss(backbone, data.clips, data.held),
    }


def main() -> None:
    given = parse()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(given.seed)
    data = read_material(given)
    learner = open_learner(given, data)
    backbone, weights = learner.backbone, learner.weights
    optimiser = open_optimiser(given, learner)
    first = resume(given.out, learner.parameters, optimiser)
    started, running = time.monotonic(), []
    for step in range(first, given.steps):
        torch.manual_seed(given.seed * 1_000_003 + step)  # the same dropout when gone on with
        batch = draw(data, given, step)
        share = learning_rate(step, given.steps)
        loss = step_once(learner, optimiser, batch, share=share)
        running.append((batch.still, loss))
        done = step + 1
        if done % 10 == 0:
            pace = (time.monotonic() - started) / (done - first)
            print(progress_line(running, done, pace, given.steps - done), flush=True)
        if done % CHECKPOINT_STEPS == 0 or done == given.steps:
            facts = facts_of(given, data, backbone, done)
            print(facts, flush=True)
            checkpoint(given.out, learner.parameters, optimiser, done)
            save(backbone.projector, weights, given.out, facts)
    if given.ship:
        ship(given.out)


@torch.no_grad()
def validation_loss(backbone: LiteBackbone, data: Captioned, rows: np.ndarray) -> float:
    """Mean loss of the held clips' answers to the default question."""
    found = []
    for start in range(0, len(rows), 12):
        chosen = rows[start : start + 12]
        texts = [data.texts[i] for i in chosen]
        prompt, answers = clip_answer(texts, None)
        losses = answer_loss(backbone, data.batch(chosen), answers, prompt=prompt)
        found.append(losses.mean().item())
    return round(float(np.mean(found)), 4)


def save(
    projector: Projector, weights: dict[str, nn.Parameter], folder: Path, facts: dict[str, object]
) -> None:
    """The weights as they are shipped: float16, the LLM's update beside the projector."""
    tensors = {f"projector.{k}": v.half() for k, v in projector.state_dict().items()}
    tensors |= {f"adapter.{k}": v.detach().half() for k, v in weights.items() if k[0] == "l"}
    write_run(folder, tensors, config=projector.config, facts=facts)


if __name__ == "__main__":
    sys.exit(main())
