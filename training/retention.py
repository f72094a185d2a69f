"""What the vision net saw change must stay readable in the state at the last prompt position.

Words alone let the LLM drop whatever it does not name. Beside the loss of words, linear heads read
the clip's mean change back from that state, at layers spread over the whole depth (the last one
among them, so that no depth is favoured). What tells a fight or a crash apart lies in directions
in which clips differ little, so the change is whitened first: each of its principal components
counts alike. The heads begin as the ridge regression and are thrown away after training.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hiprobe.backbones.lite.model import LiteBackbone
from hiprobe.backbones.lite.vision import FEATURE_CHANNELS
from words import asked

LAYERS = (10, 14, 18, 22, 26, 30)
COMPONENTS = 128
RIDGE = 0.3  # of the number of rows


def clip_change(features: Tensor) -> Tensor:
    """Mean change: `[clips, frames, cells, channels]` to `[clips, channels]`."""
    return features[:, 1:, :, FEATURE_CHANNELS:].mean((1, 2))


class Whitening(nn.Module):
    """Principal components of standardised rows, each with deviation one."""

    mean: Tensor
    basis: Tensor

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        scale = rows.std(0).clamp_min(1e-4)
        self.register_buffer("mean", rows.mean(0))
        _, singular, basis = torch.pca_lowrank((rows - self.mean) / scale, COMPONENTS, niter=4)
        deviation = singular / (len(rows) - 1) ** 0.5
        self.register_buffer("basis", basis / scale[:, None] / deviation)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows `[rows, channels]` to components `[rows, COMPONENTS]`."""
        return (rows - self.mean) @ self.basis


class Retention(nn.Module):
    """A linear head for each watched layer, from the state to the whitened change of its clip."""

    def __init__(self, whitening: Whitening, states: Sequence[Tensor], change: Tensor) -> None:
        """Heads fitted to some clips: `states` of layers 0..L `[clips, width]`, their `change`."""
        super().__init__()
        self.whitening = whitening
        target = whitening(change)
        self.heads = nn.ModuleList(_ridge(states[n], target) for n in LAYERS)

    def forward(self, hidden: Sequence[Tensor], features: Tensor) -> Tensor:
        """Mean squared error of the components; one for heads that know nothing.

        `hidden` are the states at the last prompt position, `[clips, width]`, of layers 0..L.
        """
        target = self.whitening(clip_change(features))
        read = zip(self.heads, LAYERS, strict=True)
        return torch.stack([(h(hidden[n]) - target).square().mean() for h, n in read]).mean()


def _ridge(states: Tensor, target: Tensor) -> nn.Sequential:
    """Ridge regression on standardised states, as two layers: a fixed scaling and a head."""
    scaling = nn.BatchNorm1d(states.shape[1], affine=False, momentum=0.0).eval()
    scaling.running_mean.copy_(states.mean(0))
    scaling.running_var.copy_(states.var(0))
    x = scaling(states)
    penalty = RIDGE * len(x) * torch.eye(x.shape[1])
    head = nn.Linear(x.shape[1], target.shape[1])
    with torch.no_grad():
        head.weight.copy_(torch.linalg.solve(x.T @ x + penalty, x.T @ target).T)
        head.bias.copy_(target.mean(0))
    return nn.Sequential(scaling, head)


@torch.no_grad()
def last_states(backbone: LiteBackbone, features: Tensor) -> list[Tensor]:
    """Layers 0..L at the last position of the default question, `[clips, width]` each."""
    found = []
    for batch in features.split(24):
        hidden, _ = asked(backbone, batch)
        found.append(torch.stack([h[:, -1] for h in hidden]))
    return list(torch.cat(found, dim=1))
