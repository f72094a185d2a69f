"""Parameters, tokens and operations of the lite backbone, counted and as torch has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from hiprobe.backbones.cost import count_segment, middle_layer, weight_bytes
from hiprobe.backbones.lite.lite_model import LiteBackbone
from hiprobe.backbones.lite.lite_shape import (
    CHANGE_CHANNELS,
    FEATURE_CHANNELS,
    INPUT_PIXELS,
    VISION_FLOPS,
    VISION_PARAMETERS,
    lite_shape,
    read_lite,
)
from hiprobe.backbones.lite.parts import INPUT_CHANNELS, EfficientNetLite0, Projector, load_trained

SMALL = {
    "vocab_size": 40,
    "hidden_size": 576,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
}


def test_parameters_are_those_of_the_parts() -> None:
    config = load_trained().projector.config
    with torch.device("meta"):
        vision, projector = EfficientNetLite0(), Projector(config)
        decoder = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=49152,
                hidden_size=576,
                intermediate_size=1536,
                num_hidden_layers=30,
                num_attention_heads=9,
                num_key_value_heads=3,
                tie_word_embeddings=True,
            )
        )
    parts = (vision, projector, decoder)
    assert lite_shape().parameters == sum(p.numel() for m in parts for p in m.parameters())
    assert CHANGE_CHANNELS == INPUT_CHANNELS - FEATURE_CHANNELS


def test_the_vision_nets_figures_are_those_that_torch_counts() -> None:
    counter = FlopCounterMode(display=False)
    with torch.device("meta"):
        network = EfficientNetLite0().eval()
        frame = torch.zeros(1, 3, INPUT_PIXELS, INPUT_PIXELS)
        with torch.inference_mode(), counter:
            network(frame)
    assert counter.get_total_flops() == VISION_FLOPS
    assert sum(p.numel() for p in network.parameters()) == VISION_PARAMETERS


@pytest.mark.parametrize("frames", [8, 3, 1])
def test_a_segments_operations_are_those_that_torch_counts(frames: int) -> None:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    config = LlamaConfig(**SMALL, tie_word_embeddings=True, attn_implementation="eager")
    backbone = LiteBackbone(
        decoder=LlamaForCausalLM(config),
        layer_count=3,
        vision=EfficientNetLite0(),
        projector=Projector(load_trained().projector.config),
        tokenizer=tokenizer,
        weights="random",
    )
    shape = read_lite({"decoder": SMALL, "vision": {"input_pixels": INPUT_PIXELS}})
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
    shape = lite_shape()
    cost = count_segment(shape)
    assert (shape.layer_count, shape.width, middle_layer(shape)) == (30, 576, 19)
    assert (cost.visual_tokens, cost.positions) == (32, 53)
    assert 6e9 < cost.tower_flops < 7e9
    assert count_segment(shape, layer=19).flops < cost.flops < 3e10
    assert weight_bytes(shape, number_bytes=4) == 4 * shape.parameters
    assert weight_bytes(shape, layer=19, number_bytes=4) < 0.8 * 4 * shape.parameters


def test_a_config_that_lacks_something_is_refused() -> None:
    with pytest.raises(KeyError, match="vision"):
        read_lite({"decoder": SMALL})
    with pytest.raises(ValueError, match="64 pixels"):
        read_lite({"decoder": SMALL, "vision": {"input_pixels": 64}})
