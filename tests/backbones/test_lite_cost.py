"""Parameters, tokens and operations of the lite backbone, counted and as torch has them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from hiprobe.backbones.catalogue import stored_shapes
from hiprobe.backbones.cost import count_segment, middle_layer, weight_bytes
from hiprobe.backbones.lite.lite_model import LiteBackbone
from hiprobe.backbones.lite.parts import EfficientNetLite0, Projector, load_trained

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))
import write_costs

SMALL = {
    "vocab_size": 40,
    "hidden_size": 576,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "tie_word_embeddings": True,
}


def test_parameters_are_those_of_the_parts() -> None:
    config = load_trained().projector.config
    with torch.device("meta"):
        vision, projector = EfficientNetLite0(), Projector(config)
        decoder = LlamaForCausalLM(LlamaConfig(**write_costs.SMOLLM2_135M))
    parts = (vision, projector, decoder)
    stored = stored_shapes()["lite"]
    assert stored.parameters == sum(p.numel() for m in parts for p in m.parameters())
    assert stored == write_costs.lite_shape(write_costs.SMOLLM2_135M)


@pytest.mark.parametrize("frames", [8, 3, 1])
def test_a_segments_operations_are_those_that_torch_counts(frames: int) -> None:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    backbone = LiteBackbone(
        decoder=LlamaForCausalLM(LlamaConfig(**SMALL, attn_implementation="eager")),
        layer_count=3,
        vision=EfficientNetLite0(),
        projector=Projector(load_trained().projector.config),
        tokenizer=tokenizer,
        weights="random",
        input_pixels=64,
    )
    shape = write_costs.lite_shape(SMALL, pixels=64)
    pictures = [np.full((48, 64, 3), 9 * n, np.uint8) for n in range(frames)]
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        visual = backbone.visual_tokens([pictures])
        embedded, is_visual = backbone.embedded(visual, prompt="who is there")
        backbone.decoder.model(inputs_embeds=embedded, use_cache=False)
    text = int((~is_visual).sum())
    cost = count_segment(shape, frames=frames, text_positions=text)
    assert cost.visual_tokens == int(is_visual.sum()) == 4 * frames
    assert counter.get_total_flops() == cost.flops


def test_what_a_segment_of_the_package_costs() -> None:
    shape = stored_shapes()["lite"]
    cost = count_segment(shape)
    assert (shape.layer_count, shape.width, middle_layer(shape)) == (30, 576, 19)
    assert (cost.visual_tokens, cost.positions) == (32, 53)
    assert 6e9 < cost.tower_flops < 7e9
    assert count_segment(shape, layer=19).flops < cost.flops < 3e10
    assert weight_bytes(shape, number_bytes=4) == 4 * shape.parameters
    assert weight_bytes(shape, layer=19, number_bytes=4) < 0.8 * 4 * shape.parameters
