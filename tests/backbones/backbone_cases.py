"""What the conformance suite runs over: each backbone, how to open it, how to break it."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

from hiprobe.backbones.interface import DETECT_PROMPT, Backbone
from hiprobe.backbones.lite.lite_model import LiteBackbone, load_lite
from hiprobe.backbones.lite.parts import (
    ADAPTED,
    EfficientNetLite0,
    Projector,
    ProjectorConfig,
    Trained,
)
from hiprobe.segment import Segment

TINY_LAYERS = 5
TINY_WIDTH = 32


@dataclass(frozen=True)
class BackboneCase:
    """One implementation under the conformance suite.

    `open(prompt, cut_at_layer)` loads it; `reference(backbone, segment)` gives the states of all
    positions `[L + 1, positions, width]` by another way than the backbone's own; `poison` breaks
    a weight of the first layer; `copied` where one that was never called is sooner copied than
    opened; `shares` where prompts over the same pictures share what its decoder keeps of them.
    """

    open: Callable[[str, int | None], Backbone]
    reference: Callable[[Backbone, Segment], NDArray[np.float32]]
    poison: Callable[[Backbone], None]
    copied: bool = False
    shares: bool = True
    _kept: dict[int | None, Backbone] = field(default_factory=dict)

    def fresh(self) -> Backbone:
        """A whole backbone that nothing was asked of before."""
        if not self.copied:
            return self.open(DETECT_PROMPT, None)
        if None not in self._kept:
            self._kept[None] = self.open(DETECT_PROMPT, None)
        return deepcopy(self._kept[None])

    def cut(self) -> Backbone:
        """One that is cut at layer 1, the same each time."""
        if 1 not in self._kept:
            self._kept[1] = self.open(DETECT_PROMPT, 1)
        return self._kept[1]


def lite_case(folder: Path, trained: Trained | None) -> BackboneCase:
    """The lite backbone of a model folder; the package's trained parts where none are given."""

    def open_lite(prompt: str = DETECT_PROMPT, cut_at_layer: int | None = None) -> Backbone:
        return load_lite(folder, prompt=prompt, cut_at_layer=cut_at_layer, trained=trained)

    return BackboneCase(open=open_lite, reference=_lite_reference, poison=_poison_lite, copied=True)


@torch.inference_mode()
def _lite_reference(backbone: Backbone, segment: Segment) -> NDArray[np.float32]:
    """Inputs and outputs of the decoder's layers, caught by hooks while the whole model runs."""
    assert isinstance(backbone, LiteBackbone)
    caught: list[NDArray[np.float32]] = []
    layers = backbone.decoder.model.layers
    hooks = [
        layers[0].register_forward_pre_hook(
            lambda _, given: caught.append(given[0][0].numpy().copy())
        )
    ]
    hooks += [
        layer.register_forward_hook(
            lambda _, given, made: caught.append(
                (made[0] if isinstance(made, tuple) else made).reshape(given[0].shape)[0].numpy()
            )
        )
        for layer in layers
    ]
    try:
        embedded, _ = backbone.embedded(
            backbone.visual_tokens([segment.frames]), prompt=backbone.prompt
        )
        backbone.decoder(inputs_embeds=embedded, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return np.stack(caught)


def library_twin(backbone: LiteBackbone) -> LlamaForCausalLM:
    """The library's decoder with the weights of this backbone's own."""
    sizes = asdict(backbone.stack.config)
    rope = {"rope_theta": sizes.pop("rope_theta"), "rope_type": "default"}
    config = LlamaConfig(**sizes, rope_parameters=rope, tie_word_embeddings=True)
    twin = LlamaForCausalLM(config).eval().requires_grad_(False)
    twin.load_state_dict(backbone.decoder.state_dict())
    return twin


def _poison_lite(backbone: Backbone) -> None:
    assert isinstance(backbone, LiteBackbone)
    with torch.no_grad():
        backbone.decoder.model.layers[0].input_layernorm.weight[0] = float("nan")


def write_tiny_lite(folder: Path) -> Trained:
    """A lite model folder with random weights (real vision net, narrow decoder), and trained parts
    that fit it: a projector and an update of the decoder."""
    torch.manual_seed(0)
    tokenizer = _byte_tokenizer()
    config = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": TINY_WIDTH,
        "intermediate_size": 64,
        "num_hidden_layers": TINY_LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": True,
        "initializer_range": 0.2,
    }
    decoder, vision = LlamaForCausalLM(LlamaConfig(**config)), EfficientNetLite0()
    for module in vision.modules():
        if isinstance(module, torch.nn.Conv2d):  # the usual start lets nothing through 50 layers
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    weights = {f"decoder.{k}": v for k, v in decoder.state_dict().items() if k != "lm_head.weight"}
    weights |= {f"vision.{k}": v for k, v in vision.state_dict().items()}
    save_file({k: v.contiguous() for k, v in weights.items()}, folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"))
    about = {"model_type": "hiprobe-lite", "decoder": config, "vision": {"input_pixels": 64}}
    (folder / "config.json").write_text(json.dumps(about))
    (folder / "manifest.json").write_text(json.dumps({"files": {}}))
    projector = Projector(ProjectorConfig(grid=2, hidden=48, width=TINY_WIDTH))
    return Trained(projector, random_adapter(decoder, rank=2))


def random_adapter(decoder: LlamaForCausalLM, *, rank: int) -> dict[str, torch.Tensor]:
    """An update of every adapted layer, small beside the weights."""
    found = {}
    for number, layer in enumerate(decoder.model.layers):
        for name in ADAPTED:
            rows, columns = layer.get_submodule(name).weight.shape
            found[f"layers.{number}.{name}.a"] = torch.randn(rank, columns) * 0.02
            found[f"layers.{number}.{name}.b"] = torch.randn(rows, rank) * 0.1
    return found


def _byte_tokenizer() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    return tokenizer


def moving_square(*, seed: int, frames: int = 8, speed: int = 4) -> Segment:
    """A segment of a bright square that moves over noise."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 120, (72, 96, 3), dtype=np.uint8)
    pictures = []
    for k in range(frames):
        picture = ground.copy()
        left = 5 + speed * k
        picture[20:50, left : left + 30] = rng.integers(150, 255, 3)
        pictures.append(picture)
    return segment_of(pictures)


def segment_of(pictures: list[NDArray[np.uint8]]) -> Segment:
    """A segment of one second with these key frames."""
    count = len(pictures)
    return Segment(
        index=0,
        start_seconds=0.0,
        end_seconds=1.0,
        start_pts=0,
        end_pts=24,
        time_base_seconds=1 / 24,
        first_frame=0,
        frame_count=24,
        frames=tuple(pictures),
        frame_seconds=tuple((k + 0.5) / count for k in range(count)),
    )
