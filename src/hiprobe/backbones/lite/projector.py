"""The only trained part: from what the vision net sees, and what changed, to visual tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from hiprobe.backbones.lite.vision import FEATURE_CHANNELS, FINE_CHANNELS
from hiprobe.errors import BackboneError

HERE = Path(__file__).parent
WEIGHTS_FILE = HERE / "projector.safetensors"
CONFIG_FILE = HERE / "projector.json"
INPUT_CHANNELS = 3 * FEATURE_CHANNELS + 2 * FINE_CHANNELS


@dataclass(frozen=True)
class ProjectorConfig:
    """Shape of the projector. A picture or a change gives `grid * grid` visual tokens."""

    grid: int = 2
    hidden: int = 768
    width: int = 576
    embedding_std: float = 0.136

    @property
    def cells(self) -> int:
        """Visual tokens of one picture, or of one change."""
        return self.grid * self.grid

    def to_json(self) -> dict[str, int | float]:
        """A plain dictionary."""
        return asdict(self)


def change_features(maps: Tensor, fine: Tensor, *, grid: int) -> Tensor:
    """What each key frame shows, and what changed since the one before it.

    `maps` and `fine` are the vision net's two feature maps, `[clips, frames, channels, height,
    width]`. The absolute difference is taken before pooling, so that motion within a cell is not
    averaged away; its maximum beside its mean keeps what is small. The first frame has no
    predecessor: it repeats the change that follows it, which the projector does not read.

    Returns float32 `[clips, frames, grid * grid, INPUT_CHANNELS]`: frame mean, change mean, change
    maximum of the coarse map, change mean, change maximum of the fine one.
    """
    coarse_change, fine_change = _change(maps), _change(fine)
    parts = [_pooled(maps, grid), _pooled(coarse_change, grid), _highest(coarse_change, grid)]
    return torch.cat([*parts, _pooled(fine_change, grid), _highest(fine_change, grid)], dim=3)


def _change(maps: Tensor) -> Tensor:
    if maps.shape[1] == 1:
        return torch.zeros_like(maps)
    change = (maps[:, 1:] - maps[:, :-1]).abs()
    return torch.cat([change[:, :1], change], dim=1)


def _pooled(maps: Tensor, grid: int) -> Tensor:
    return _cells(nn.functional.adaptive_avg_pool2d(maps.flatten(0, 1), grid), maps)


def _highest(maps: Tensor, grid: int) -> Tensor:
    return _cells(nn.functional.adaptive_max_pool2d(maps.flatten(0, 1), grid), maps)


def _cells(pooled: Tensor, maps: Tensor) -> Tensor:
    flat = pooled.flatten(2).transpose(1, 2)
    return flat.reshape(*maps.shape[:2], flat.shape[1], maps.shape[2])


class Tokens(nn.Module):
    """Standardise, two linear layers, and a norm that gives tokens the embeddings' own scale."""

    mean: Tensor
    scale: Tensor

    def __init__(self, inputs: int, config: ProjectorConfig) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.first = nn.Linear(inputs, config.hidden)
        self.second = nn.Linear(config.hidden, config.width)
        self.norm = nn.LayerNorm(config.width)
        nn.init.constant_(self.norm.weight, config.embedding_std)

    def forward(self, features: Tensor) -> Tensor:
        """Features `[..., inputs]` to visual tokens `[..., width]`."""
        x = (features - self.mean) / self.scale
        tokens: Tensor = self.norm(self.second(nn.functional.gelu(self.first(x))))
        return tokens


class Projector(nn.Module):
    """What is seen gives tokens once, from the middle key frame; what changes, between each two.

    Key frames of a segment look much alike: tokens of all of them would repeat the picture, and
    learning to name it would crowd out the change. So the two have weights of their own.
    """

    def __init__(self, config: ProjectorConfig) -> None:
        super().__init__()
        self.config = config
        self.seen = Tokens(FEATURE_CHANNELS, config)
        self.change = Tokens(INPUT_CHANNELS - FEATURE_CHANNELS, config)

    def forward(self, features: Tensor) -> Tensor:
        """Features `[clips, frames, cells, INPUT_CHANNELS]` to `[clips, tokens, width]`.

        `cells` tokens of the picture, then as many for each change: `frames * cells` in all.
        """
        seen = self.seen(features[:, features.shape[1] // 2, :, :FEATURE_CHANNELS])
        change = self.change(features[:, 1:, :, FEATURE_CHANNELS:])
        return torch.cat([seen, change.flatten(1, 2)], dim=1)


@dataclass(frozen=True)
class Trained:
    """What was trained here: the projector, and the LLM's low-rank update by tensor name."""

    projector: Projector
    adapter: Mapping[str, Tensor] = field(default_factory=dict)


def load_trained(*, weights: Path = WEIGHTS_FILE, config: Path = CONFIG_FILE) -> Trained:
    """The trained parts that come with the package, or those of a training run.

    Raises:
        BackboneError: a file is missing or does not fit the configuration.
    """
    try:
        settings = json.loads(config.read_text(encoding="utf-8"))["projector"]
        projector = Projector(ProjectorConfig(**settings))
        tensors = load_file(weights)
        projector.load_state_dict(_part(tensors, "projector."))
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
        raise BackboneError(
            f"the lite backbone's projector cannot be read from {weights}: {error}; "
            "reinstall hiprobe"
        ) from error
    return Trained(projector.eval().requires_grad_(False), _part(tensors, "adapter."))


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
