"""Full-size models from their configs with random weights, behind HiProbe's own class.

Random weights carry no meaning, but they take the memory and the time of real ones. The tokenizer
makes one token of a word or mark, so that a prompt is about as long as with the real one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, PreTrainedTokenizerFast

from hiprobe.backbones.catalogue import CatalogueEntry, find_entry, stored_shapes
from hiprobe.backbones.hf.families import build_family
from hiprobe.backbones.hf.family import Parts, Wording
from hiprobe.backbones.hf.generic import model_class
from hiprobe.backbones.hf.hardware import choose_dtype
from hiprobe.backbones.hf.hf_load import without_head
from hiprobe.backbones.hf.hf_model import HfBackbone
from hiprobe.backbones.hf.measured import measured_shape
from hiprobe.backbones.hf.original import native_config
from hiprobe.backbones.hf.pictures import encode_distinct_frames
from hiprobe.backbones.interface import DETECT_PROMPT, Backbone
from hiprobe.backbones.shape import GridTower, Shape
from hiprobe.errors import BackboneError
from hiprobe.spec import BackboneSpec

MARKS = (
    *("<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", "<image>", "<video>"),
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
    *("<fake_token_around_image>", "<global-img>", "<end_of_utterance>"),
)
TOKENS = {
    "internvl": {"image_token_id": "<IMG_CONTEXT>"},
    "smolvlm": {"image_token_id": "<image>"},
    "llava_onevision": {"image_token_id": "<image>", "video_token_id": "<video>"},
    "qwen2_5_vl": {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    },
}
TOKENS["qwen3_vl"] = TOKENS["qwen2_5_vl"]


def words_tokenizer() -> PreTrainedTokenizerFast:
    """One token for every word, mark of punctuation and special mark."""
    tokenizer = Tokenizer(models.WordLevel(vocab={"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(list(MARKS))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
    )


def library_config(entry: CatalogueEntry, tokenizer: PreTrainedTokenizerFast) -> Any:
    """The config of transformers, with the ids of this tokenizer."""
    kind = entry.config["model_type"]
    if kind == "internvl_chat":
        return native_config(entry.config, tokenizer)
    more = {key: value for key, value in entry.config.items() if key != "model_type"}
    ids = {key: tokenizer.convert_tokens_to_ids(mark) for key, mark in TOKENS[kind].items()}
    return AutoConfig.for_model(kind, **more, **ids)


def build_model(config: Any, *, device: str, dtype: torch.dtype, cut_at_layer: int | None) -> Any:
    """The model with random weights; cut, it has neither head nor the layers above."""
    kind = model_class(config)
    if cut_at_layer is not None:
        text = config.get_text_config()
        text.num_hidden_layers = cut_at_layer
        if getattr(text, "layer_types", None):
            text.layer_types = text.layer_types[:cut_at_layer]
        kind = without_head(kind)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            return kind(config)
    finally:
        torch.set_default_dtype(before)


def random_backbone(
    entry: CatalogueEntry,
    *,
    device: str,
    dtype: torch.dtype,
    cut_at_layer: int | None = None,
    seed: int = 0,
) -> HfBackbone:
    """A backbone of a catalogue entry with random weights."""
    torch.manual_seed(seed)
    tokenizer = words_tokenizer()
    config = library_config(entry, tokenizer)
    model = build_model(config, device=device, dtype=dtype, cut_at_layer=cut_at_layer)
    for name in ("visual", "vision_tower", "vision_model"):
        tower = getattr(model.model, name, None)
        if tower is not None:
            encode_distinct_frames(tower)
    wording = Wording(tokenizer, template=None)
    images, videos, tower = {}, {}, entry.shape.tower
    if isinstance(tower, GridTower):
        images["min_pixels"] = tower.least_pixels
        if tower.least_video_pixels:  # as on the hub
            least = tower.least_video_pixels
            videos = {"min_pixels": least, "max_pixels": least * 6144}
    return HfBackbone(
        model=model,
        layer_count=entry.shape.layer_count,
        family=build_family(Parts(config, images, videos, token=wording.token)),
        wording=wording,
        name=entry.name,
        weights="random",
        prompt=DETECT_PROMPT,
    )


def random_backbone_of(
    entry: CatalogueEntry, *, device: str, cut_at_layer: int | None = None, seed: int = 0
) -> HfBackbone:
    """The same in the format that a model would be opened in on the device."""
    dtype = choose_dtype(torch.device(device))
    return random_backbone(entry, device=device, dtype=dtype, cut_at_layer=cut_at_layer, seed=seed)


@dataclass(frozen=True)
class OpenedModel:
    """A backbone that is about to be measured.

    Attributes:
        shape: for counting what it needs; None where its tower is not counted.
        is_random: built from its config, with random weights, since it is not on this disk.
        device, dtype: where and in which format it runs.
    """

    name: str
    backbone: Backbone
    shape: Shape | None
    is_random: bool
    device: str
    dtype: str


def open_or_build(name: str, *, seed: int = 0) -> OpenedModel:
    """A backbone by name or folder; one of the catalogue that is not here gets random weights.

    Raises:
        BackboneError: there is no such backbone.
        DownloadError: `lite` cannot be fetched.
    """
    spec, entry = BackboneSpec(name), find_entry(name)
    shape = stored_shapes().get(name) if entry is None else entry.shape
    try:
        backbone, is_random = spec.open(), False
    except BackboneError:
        if entry is None:
            raise
        device = "cuda" if torch.cuda.is_available() else "cpu"
        backbone, is_random = random_backbone_of(entry, device=device, seed=seed), True
    if shape is None and isinstance(backbone, HfBackbone):
        shape = measured_shape(backbone.model)
    stack = getattr(backbone, "stack", None)
    device = "cpu" if stack is None else str(next(stack.parameters()).device.type)
    # Of a folder the last part is its name: where it lies is nobody's matter.
    known = Path(name).name if Path(name).is_dir() else name
    return OpenedModel(known, backbone, shape, is_random, device, backbone.fingerprint.dtype)
