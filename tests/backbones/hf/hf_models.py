"""Tiny models of every family with random weights, as folders; tokenizers built here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForImageTextToText,
    InternVLConfig,
    LlavaOnevisionConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2VLConfig,
    Qwen3VLConfig,
    SmolVLMConfig,
)

LAYERS = 4
MARKS = (
    *("<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", "<image>", "<video>"),
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
    *("<fake_token_around_image>", "<global-img>", "<end_of_utterance>"),
)


def byte_tokenizer(*more: str) -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([*MARKS, *more])
    return tokenizer


TOKENS = byte_tokenizer()


def token(text: str) -> int:
    found = TOKENS.token_to_id(text)
    assert found is not None
    return found


def text_settings(**more: Any) -> dict[str, Any]:
    return {
        "vocab_size": TOKENS.get_vocab_size(),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "initializer_range": 0.2,
        "eos_token_id": token("<|im_end|>"),
        "bos_token_id": None,
        "pad_token_id": None,
        **more,
    }


def internvl_config(*, decoder: str = "qwen2", **more: Any) -> InternVLConfig:
    return InternVLConfig(
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "attention_bias": True,
            "image_size": [28, 28],
            "patch_size": [7, 7],
            "initializer_range": 0.2,
        },
        text_config={"model_type": decoder, **text_settings(), **more},
        image_token_id=token("<IMG_CONTEXT>"),
        image_seq_length=4,
        tie_word_embeddings=False,
    )


def _qwen_marks() -> dict[str, int]:
    return {
        "image_token_id": token("<|image_pad|>"),
        "video_token_id": token("<|video_pad|>"),
        "vision_start_token_id": token("<|vision_start|>"),
        "vision_end_token_id": token("<|vision_end|>"),
    }


def qwen2_5_vl_config() -> Qwen2_5_VLConfig:
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    return Qwen2_5_VLConfig(
        vision_config={
            "depth": 2,
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_heads": 2,
            "patch_size": 4,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 16,
            "fullatt_block_indexes": [1],
            "out_hidden_size": 32,
            "initializer_range": 0.2,
        },
        text_config=text_settings(rope_parameters=rope),
        **_qwen_marks(),
    )


def qwen2_vl_config() -> Qwen2VLConfig:
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    return Qwen2VLConfig(
        vision_config={
            "depth": 2,
            "embed_dim": 16,
            "hidden_size": 32,
            "mlp_ratio": 2,
            "num_heads": 2,
            "patch_size": 4,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "initializer_range": 0.2,
        },
        text_config=text_settings(rope_parameters=rope),
        **_qwen_marks(),
    )


def qwen3_vl_config() -> Qwen3VLConfig:
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0}
    return Qwen3VLConfig(
        vision_config={
            "depth": 3,
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_heads": 2,
            "patch_size": 4,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0, 1],
            "out_hidden_size": 32,
            "initializer_range": 0.2,
        },
        text_config=text_settings(head_dim=8, rope_parameters=rope),
        **_qwen_marks(),
    )


def llava_onevision_config() -> LlavaOnevisionConfig:
    return LlavaOnevisionConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 24,
            "patch_size": 8,
            "vision_use_head": False,
        },
        text_config={"model_type": "qwen2", **text_settings()},
        image_token_id=token("<image>"),
        video_token_id=token("<video>"),
    )


def smolvlm_config() -> SmolVLMConfig:
    return SmolVLMConfig(
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
            "initializer_range": 0.2,
        },
        text_config={"model_type": "llama", **text_settings()},
        image_token_id=token("<image>"),
        scale_factor=2,
        pad_token_id=None,
    )


QWEN_PIXELS = {"min_pixels": 16 * 16, "max_pixels": 32 * 24}
QWEN3_VIDEO = {"size": {"shortest_edge": 8 * 16 * 16, "longest_edge": 8 * 32 * 24}}
CONFIGS: dict[str, Callable[[], Any]] = {
    "internvl": internvl_config,
    "llava_onevision": llava_onevision_config,
    "qwen2_5_vl": qwen2_5_vl_config,
    "qwen3_vl": qwen3_vl_config,
    "smolvlm": smolvlm_config,
}
UNCOUNTED: dict[str, Callable[[], Any]] = {"qwen2_vl": qwen2_vl_config}
"""Families whose cost is not counted."""
PREPROCESSORS: dict[str, dict[str, Any]] = {
    "qwen2_5_vl": QWEN_PIXELS,
    "qwen2_vl": QWEN_PIXELS,
    "qwen3_vl": QWEN_PIXELS,
}


def random_model(config: Any) -> Any:
    """A model with weights large enough that frames move the states visibly."""
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.2)
            elif "lambda" in name:
                weight.fill_(1.0)
    return model


def write_tokenizer(folder: Path, *more: str) -> None:
    PreTrainedTokenizerFast(
        tokenizer_object=byte_tokenizer(*more), eos_token="<|im_end|>", pad_token="<|im_end|>"
    ).save_pretrained(folder)


def write_model(folder: Path, family: str) -> Path:
    """A model folder of a family."""
    random_model({**CONFIGS, **UNCOUNTED}[family]()).save_pretrained(folder)
    write_tokenizer(folder)
    settings = PREPROCESSORS.get(family)
    if settings:
        (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    if family == "qwen3_vl":
        (folder / "video_preprocessor_config.json").write_text(json.dumps(QWEN3_VIDEO))
    return folder
