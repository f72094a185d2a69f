"""What a training run leaves: weights and a card that the package reads, and where it stopped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hiprobe.backbones.lite.parts import CONFIG_FILE, WEIGHTS_FILE, ProjectorConfig


def write_run(
    folder: Path,
    tensors: dict[str, Tensor],
    *,
    config: ProjectorConfig,
    facts: dict[str, object],
) -> None:
    """`tensors` are named `projector.*` and `adapter.*`, as `load_trained` takes them."""
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "projector.safetensors")
    card = {"projector": config.to_json(), "training": facts}
    (folder / "projector.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def ship(folder: Path) -> None:
    """Copy a run's weights and card into the package."""
    for file in (WEIGHTS_FILE, CONFIG_FILE):
        shutil.copy(folder / file.name, file)


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
