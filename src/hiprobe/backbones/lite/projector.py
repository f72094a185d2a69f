"""The only trained part: from what the vision net sees, and what changed, to visual tokens."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from hiprobe.backbones.lite.vision import FEATURE_CHANNELS
from hiprobe.errors import BackboneError

HERE = Path(__file__).parent
WEIGHTS_FILE = HERE / "projector.safetensors"
CONFIG_FILE = HERE / "projector.json"


@dataclass(frozen=True)
class ProjectorConfig:
    """Shape of the projector. A frame gives `grid * grid` visual tokens."""

    grid: int = 2
    hidden: int = 768
    width: int = 576
    embedding_std: float = 0.136

    @property
    def tokens_per_frame(self) -> int:
        """Visual tokens of one key frame."""
        return self.grid * self.grid

    def to_json(self) -> dict[str, int | float]:
        """A plain dictionary."""
        return asdict(self)


def change_features(maps: Tensor, *, grid: int) -> Tensor:
    """What each key frame shows, and what changed since the one before it.

    `maps` are feature maps `[clips, frames, channels, height, width]`. The absolute difference
    is taken before pooling, so that motion within a cell is not averaged away. The first frame
    has no predecessor: it takes the change that follows it, so that no token stands out as
    "nothing moved" only because it is the first.

    Returns float32 `[clips, frames, grid * grid, 2 * channels]`.
    """
    clips, frames = maps.shape[:2]
    change = (maps[:, 1:] - maps[:, :-1]).abs()
    change = torch.cat([change[:, :1], change], dim=1) if frames > 1 else torch.zeros_like(maps)
    both = torch.stack([_pooled(maps, grid), _pooled(change, grid)], dim=3)
    return both.reshape(clips, frames, grid * grid, -1)


def _pooled(maps: Tensor, grid: int) -> Tensor:
    flat = nn.functional.adaptive_avg_pool2d(maps.flatten(0, 1), grid)
    return flat.flatten(2).transpose(1, 2).reshape(*maps.shape[:2], grid * grid, maps.shape[2])


class Projector(nn.Module):
    """Standardise, two linear layers, and a norm that gives tokens the embeddings' own scale."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: ProjectorConfig) -> None:
        super().__init__()
        self.config = config
        inputs = 2 * FEATURE_CHANNELS
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.first = nn.Linear(inputs, config.hidden)
        self.second = nn.Linear(config.hidden, config.width)
        self.norm = nn.LayerNorm(config.width)
        nn.init.constant_(self.norm.weight, config.embedding_std)

    def forward(self, features: Tensor) -> Tensor:
        """Features `[..., 2 * channels]` to visual tokens `[..., width]`."""
        x = (features - self.mean) / self.scale
        tokens: Tensor = self.norm(self.second(nn.functional.gelu(self.first(x))))
        return tokens


def load_projector(*, weights: Path = WEIGHTS_FILE, config: Path = CONFIG_FILE) -> Projector:
    """The projector that comes with the package.

    Raises:
        BackboneError: a file is missing or does not fit the configuration.
    """
    try:
        settings = json.loads(config.read_text(encoding="utf-8"))["projector"]
        projector = Projector(ProjectorConfig(**settings))
        projector.load_state_dict(load_file(weights))
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
        raise BackboneError(
            f"the lite backbone's projector cannot be read from {weights}: {error}; "
            "reinstall hiprobe"
        ) from error
    return projector.eval().requires_grad_(False)
