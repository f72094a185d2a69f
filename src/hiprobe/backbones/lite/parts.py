"""The parts around the lite backbone's LLM: vision, projector, low-rank update."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from hiprobe.errors import BackboneError
from hiprobe.segment import Frame

# repeats, kernel, stride, expansion, output channels of each stage of EfficientNet-Lite0
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS = 32
FEATURE_CHANNELS = 1280
FINE_CHANNELS = 112
CLASSES = 1000
FINE_BLOCK = 10  # the last one at a sixteenth of the size: the fifth stage's end
BATCH_NORM_EPS = 1e-3


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's "SAME" padding; without bias until a norm is folded into it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Pad so that the output has ceil(size / stride) rows and columns."""
        pads = [
            max((-(-size // s) - 1) * s + k - size, 0)
            for size, s, k in zip(x.shape[-2:], self.stride, self.kernel_size, strict=True)
        ]
        if any(pad % 2 for pad in pads):
            top, left = pads[0] // 2, pads[1] // 2
            x, pads = nn.functional.pad(x, (left, pads[1] - left, top, pads[0] - top)), [0, 0]
        # equal sides are left to the convolution, which pads without a copy
        sides = (pads[0] // 2, pads[1] // 2)
        return nn.functional.conv2d(x, self.weight, self.bias, self.stride, sides, 1, self.groups)

    @torch.no_grad()
    def fold(self, norm: nn.BatchNorm2d) -> None:
        """Take over a norm that follows: the same numbers but for rounding."""
        # In double: the folded net differs from the trained one by the rounding of the result
        # alone.
        mean, variance = (norm.get_buffer(n).double() for n in ("running_mean", "running_var"))
        scale = norm.weight.double() / torch.sqrt(variance + norm.eps)
        folded = self.weight.double() * scale[:, None, None, None]
        self.weight = nn.Parameter(folded.float(), requires_grad=False)
        self.bias = nn.Parameter((norm.bias - mean * scale).float(), requires_grad=False)


def _clipped(x: Tensor) -> Tensor:
    return nn.functional.relu6(x, inplace=True)  # nobody else holds what a convolution gave


class Block(nn.Module):
    """Inverted residual block; attribute names follow the published state dict."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = SameConv2d(inputs, hidden, 1, 1)
            self._bn0 = nn.BatchNorm2d(hidden, eps=BATCH_NORM_EPS)
        self._depthwise_conv = SameConv2d(hidden, hidden, kernel, stride, groups=hidden)
        self._bn1 = nn.BatchNorm2d(hidden, eps=BATCH_NORM_EPS)
        self._project_conv = SameConv2d(hidden, outputs, 1, 1)
        self._bn2 = nn.BatchNorm2d(outputs, eps=BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Expand, filter each channel, project."""
        y = _clipped(self._bn0(self._expand_conv(x))) if self.expands else x
        y = _clipped(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        out: Tensor = x + y if self.residual else y
        return out


class EfficientNetLite0(nn.Module):
    """The network; `forward` gives the feature map before pooling, `classify` the 1000 logits."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, STEM_CHANNELS, 3, 2)
        self._bn0 = nn.BatchNorm2d(STEM_CHANNELS, eps=BATCH_NORM_EPS)
        blocks, inputs = [], STEM_CHANNELS
        for repeats, kernel, stride, expansion, outputs in STAGES:
            for repeat in range(repeats):
                blocks.append(Block(inputs, outputs, kernel, 1 if repeat else stride, expansion))
                inputs = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv2d(inputs, FEATURE_CHANNELS, 1, 1)
        self._bn1 = nn.BatchNorm2d(FEATURE_CHANNELS, eps=BATCH_NORM_EPS)
        self._fc = nn.Linear(FEATURE_CHANNELS, CLASSES)

    def fold_norms(self) -> None:
        """Put each batch norm into the convolution before it, which takes a quarter off the time.

        For reading only: `load_state_dict` does not know the folded net.
        """
        places: list[tuple[nn.Module, str, str]] = [
            (self, "_conv_stem", "_bn0"),
            (self, "_conv_head", "_bn1"),
        ]
        for block in self._blocks:
            if block.expands:
                places.append((block, "_expand_conv", "_bn0"))
            places += [(block, "_depthwise_conv", "_bn1"), (block, "_project_conv", "_bn2")]
        for module, convolution, norm in places:
            getattr(module, convolution).fold(getattr(module, norm))
            module.register_module(norm, nn.Identity())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Two feature maps, float32: what the head sees, and a finer one from mid-way.

        `[n, 1280, height / 32, width / 32]` and `[n, 112, height / 16, width / 16]`.
        """
        x = _clipped(self._bn0(self._conv_stem(x)))
        for number, block in enumerate(self._blocks):
            x = block(x)
            if number == FINE_BLOCK:
                fine = x
        return _clipped(self._bn1(self._conv_head(x))), fine

    def classify(self, x: Tensor) -> Tensor:
        """ImageNet logits, float32 `[n, 1000]`."""
        logits: Tensor = self._fc(self(x)[0].mean(dim=(2, 3)))
        return logits


def network_input(frames: Sequence[Frame], *, pixels: int) -> Tensor:
    """Frames as float32 `[n, 3, pixels, pixels]`, aspect squashed, scaled as in training."""
    return scaled(np.stack([squashed(f, pixels=pixels) for f in frames]))


def squashed(frame: Frame, *, pixels: int) -> Frame:
    """The frame as a square, uint8 `[pixels, pixels, 3]`."""
    size = (pixels, pixels)
    return np.asarray(cv2.resize(frame, size, interpolation=_interpolation(frame, pixels)))


def scaled(pictures: NDArray[np.uint8]) -> Tensor:
    """Pictures `[n, height, width, 3]` as the net takes them, `[n, 3, height, width]`."""
    return torch.from_numpy(pictures).float().sub_(127.0).div_(128.0).permute(0, 3, 1, 2)


def _interpolation(frame: Frame, pixels: int) -> int:
    # averaging is right when shrinking, but leaves blocks when enlarging
    return cv2.INTER_AREA if min(frame.shape[:2]) >= pixels else cv2.INTER_LINEAR


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
    changes = [pool(_change(m), grid) for m in (maps, fine) for pool in (_pooled, _highest)]
    change = torch.cat(changes, dim=3)
    # repeated when it is small: a copy of whole maps would take longer than all the rest
    change = torch.cat([change[:, :1], change], dim=1)[:, -maps.shape[1] :]
    return torch.cat([_pooled(maps, grid), change], dim=3)


def _change(maps: Tensor) -> Tensor:
    """From each frame to the next; zeros of one frame where there is only one."""
    return (maps[:, 1:] - maps[:, :-1]).abs() if maps.shape[1] > 1 else torch.zeros_like(maps)


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


# The linear layers of each decoder layer that are updated.
ADAPTED = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)


@torch.no_grad()
def merge_adapter(layer: nn.Module, tensors: Mapping[str, Tensor], *, number: int) -> None:
    """Add `b @ a` to each adapted weight of a layer, in place (Hu et al. 2022).

    Args:
        number: of the layer, from 0.

    Raises:
        BackboneError: a tensor is missing or has another shape.
    """
    for name in ADAPTED:
        module = layer.get_submodule(name)
        if not isinstance(module, nn.Linear):
            raise BackboneError(f"the LLM's {name} is no linear layer; reinstall hiprobe")
        update = _update(tensors, f"layers.{number}.{name}", tuple(module.weight.shape))
        # in memory of its own: weights may be mapped from their file, page by page
        module.weight = nn.Parameter(update.add_(module.weight), requires_grad=False)


def _update(tensors: Mapping[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
    try:
        update = tensors[f"{name}.b"].float() @ tensors[f"{name}.a"].float()
    except (KeyError, RuntimeError) as error:
        raise BackboneError(
            f"the LLM's low-rank update lacks {name}: {error}; reinstall hiprobe"
        ) from error
    if tuple(update.shape) != shape:
        raise BackboneError(
            f"the LLM's low-rank update of {name} has the shape {tuple(update.shape)}, its weight "
            f"{shape}; reinstall hiprobe"
        )
    return update
