"""Tiny models that HiProbe does not know by name, with their own processors, as folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hf_models import byte_tokenizer, random_model, text_settings, token
from transformers import (
    CLIPImageProcessorPil,
    Gemma3Config,
    Gemma3ImageProcessorPil,
    Gemma3Processor,
    Idefics3Config,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlavaConfig,
    LlavaProcessor,
    PaliGemmaConfig,
    PaliGemmaProcessor,
    PreTrainedTokenizerFast,
    SiglipImageProcessorPil,
)

EDGE = {"height": 32, "width": 32}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def llava_config() -> LlavaConfig:
    return LlavaConfig(
        vision_config={"model_type": "clip_vision_model", "projection_dim": 16, **VISION},
        text_config={"model_type": "llama", **text_settings()},
        image_token_id=token("<image>"),
        image_seq_length=16,
    )


def gemma3_config() -> Gemma3Config:
    return Gemma3Config(
        vision_config={"model_type": "siglip_vision_model", "vision_use_head": False, **VISION},
        text_config={"head_dim": 8, "sliding_window": 64, **text_settings()},
        mm_tokens_per_image=4,
        image_token_id=token("<image>"),
        boi_token_index=token("<img>"),
        eoi_token_index=token("</img>"),
    )


def paligemma_config() -> PaliGemmaConfig:
    return PaliGemmaConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            "projection_dim": 32,
            "vision_use_head": False,
            **VISION,
        },
        text_config={"model_type": "gemma", "head_dim": 8, **text_settings()},
        image_token_id=token("<image>"),
        projection_dim=32,
        hidden_size=32,
    )


def tokenizer(**more: str) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=byte_tokenizer(),
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        extra_special_tokens=more,
    )


def llava_processor() -> LlavaProcessor:
    return LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=EDGE),
        tokenizer(image_token="<image>"),
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE.replace("<image>", "<|vision_start|><image><|vision_end|>"),
    )


def gemma3_processor() -> Gemma3Processor:
    marks = {"image_token": "<image>", "boi_token": "<img>", "eoi_token": "</img>"}
    return Gemma3Processor(
        Gemma3ImageProcessorPil(size=EDGE),
        tokenizer(**marks),
        image_seq_length=4,
        chat_template=TEMPLATE.replace("<image>", "<img>"),  # as its author's template does
    )


def paligemma_processor() -> PaliGemmaProcessor:
    return PaliGemmaProcessor(SiglipImageProcessorPil(size=EDGE), tokenizer(image_token="<image>"))


def idefics3_config() -> Idefics3Config:
    return Idefics3Config(
        vision_config=VISION,
        text_config={"model_type": "llama", **text_settings()},
        image_token_id=token("<image>"),
        scale_factor=2,
        pad_token_id=None,
    )


def idefics3_processor() -> Idefics3Processor:
    edge = {"longest_edge": 32}
    images = Idefics3ImageProcessorPil(size=edge, max_image_size=edge, do_image_splitting=False)
    template = TEMPLATE.replace("{{ m['role'] }}", "user")
    return Idefics3Processor(images, tokenizer(), image_seq_len=4, chat_template=template)


GENERIC: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "llava": (llava_config, llava_processor),
    "gemma3": (gemma3_config, gemma3_processor),
}
"""Config and processor of models that are read without code of their own."""


def write_generic(folder: Path, config: Any, processor: Any) -> Path:
    """A model folder as its author would save it."""
    random_model(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
