"""Original InternVL checkpoints (InternVLChatModel) as the native classes, by mapping weights.

Layout and fused projections follow the published model code: InternLM2's `wqkv` holds, for each
group of heads that share a key, the queries, then the key, then the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor
from transformers import AutoConfig, InternVLConfig, InternVLVisionConfig

from hiprobe.backbones.hf.original_tokenizer import CONTEXT_TOKEN
from hiprobe.backbones.hf.weights import weight_files
from hiprobe.errors import BackboneError

ORIGINAL_TYPE = "internvl_chat"
_DECODERS = {"internlm2": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "phi3": "phi3"}
"""Decoders of the original checkpoints, and the native ones that they are."""

_VISION = {
    "embeddings.class_embedding": "embeddings.cls_token",
    "embeddings.position_embedding": "embeddings.position_embeddings",
    "embeddings.patch_embedding.": "embeddings.patch_embeddings.projection.",
    "encoder.layers.": "encoder.layer.",
    ".ls1": ".lambda_1",
    ".ls2": ".lambda_2",
    ".norm1.": ".layernorm_before.",
    ".norm2.": ".layernorm_after.",
    ".attn.proj.": ".attention.projection_layer.",
    ".attn.": ".attention.",
}
_HEADS = ("language_model.output.weight", "language_model.lm_head.weight")
_CONNECTOR = {"mlp1.0.": "layer_norm.", "mlp1.1.": "linear_1.", "mlp1.3.": "linear_2."}
_INTERNLM2 = {
    "tok_embeddings.": "embed_tokens.",
    ".attention.wo.": ".self_attn.o_proj.",
    ".attention.": ".self_attn.",
    ".feed_forward.w1.": ".mlp.gate_proj.",
    ".feed_forward.w2.": ".mlp.down_proj.",
    ".feed_forward.w3.": ".mlp.up_proj.",
    ".attention_norm.": ".input_layernorm.",
    ".ffn_norm.": ".post_attention_layernorm.",
}


def native_config(about: Mapping[str, Any], tokenizer: Any) -> InternVLConfig:
    """The native config of an original one (the parsed config.json).

    Raises:
        BackboneError: the decoder or another trait has no native counterpart.
    """
    decoder = dict(about["llm_config"])
    kind = str(decoder.pop("model_type", "internlm2"))
    if kind not in _DECODERS:
        raise BackboneError(
            f"the decoder {kind!r} of this checkpoint is not known here; these are: "
            f"{', '.join(_DECODERS)}"
        )
    if about.get("ps_version", "v2") != "v2":
        raise BackboneError(
            f"pixel shuffle {about['ps_version']!r} of this checkpoint has no native counterpart; "
            "use a later InternVL"
        )
    text = AutoConfig.for_model(_DECODERS[kind], **_plain(decoder))
    return InternVLConfig(
        vision_config=_vision_config(about),
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids(CONTEXT_TOKEN),
        downsample_ratio=about.get("downsample_ratio", 0.5),
        vision_feature_layer=about.get("select_layer", -1),
        tie_word_embeddings=bool(decoder.get("tie_word_embeddings", False)),
    )


def _plain(decoder: Mapping[str, Any]) -> dict[str, Any]:
    dropped = ("architectures", "auto_map", "_name_or_path", "attn_implementation", "torch_dtype")
    kept = {k: v for k, v in decoder.items() if k not in dropped}
    if "bias" in kept:  # InternLM2's name for it
        kept["attention_bias"] = kept.pop("bias")
    scaling = kept.get("rope_scaling")
    if scaling and scaling.get("type") == "su":  # Phi-3's first name for it
        kept["rope_scaling"] = {**scaling, "type": "longrope"}
    return kept


def _vision_config(about: Mapping[str, Any]) -> InternVLVisionConfig:
    vision = about["vision_config"]
    return InternVLVisionConfig(
        hidden_size=vision["hidden_size"],
        num_hidden_layers=vision["num_hidden_layers"],
        num_attention_heads=vision["num_attention_heads"],
        intermediate_size=vision["intermediate_size"],
        attention_bias=vision.get("qkv_bias", True),
        use_qk_norm=vision.get("qk_normalization", False),
        norm_type=vision.get("norm_type", "layer_norm"),
        layer_norm_eps=vision.get("layer_norm_eps", 1e-6),
        hidden_act=vision.get("hidden_act", "gelu"),
        image_size=about.get("force_image_size") or vision["image_size"],
        patch_size=vision["patch_size"],
        use_absolute_position_embeddings=True,
        use_mean_pooling=True,  # no norm after the encoder
    )


def read_original(folder: Path, config: InternVLConfig, *, head: bool = True) -> dict[str, Tensor]:
    """The tensors of an original checkpoint under native names, up to the config's depth.

    Nothing else is read from disk; without `head`, the language-model head is left out too.

    Raises:
        BackboneError: a tensor of the checkpoint has no place in the native model.
    """
    found: dict[str, Tensor] = {}
    for path in weight_files(folder):
        with safe_open(path, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (not a mapping)
                too_deep = _layer_of(name) >= config.text_config.num_hidden_layers
                if not too_deep and (head or name not in _HEADS):
                    found.update(map_tensor(name, tensors.get_tensor(name), config))
    return found


def _layer_of(name: str) -> int:
    match = re.match(r"language_model\.model\.layers\.(\d+)\.", name)
    return int(match[1]) if match else -1


def map_tensor(name: str, tensor: Tensor, config: InternVLConfig) -> dict[str, Tensor]:
    """One original tensor as one or, where it is fused, three native ones.

    Raises:
        BackboneError: the name is not one of the original layout.
    """
    if name.startswith("vision_model."):
        return dict(_vision(name.removeprefix("vision_model."), tensor))
    if name.startswith("mlp1."):
        return {f"model.multi_modal_projector.{_rename(name, _CONNECTOR)}": tensor}
    if name in _HEADS:
        return {"lm_head.weight": tensor}
    if name.startswith("language_model.model."):
        return dict(_decoder(name.removeprefix("language_model.model."), tensor, config))
    raise BackboneError(
        f"the tensor {name} has no place in the native InternVL; the checkpoint is of another model"
    )


def _vision(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    place = f"model.vision_tower.{_rename(name, _VISION)}"
    if ".qkv." not in place:
        yield place, tensor
        return
    for part, piece in zip(("q_proj", "k_proj", "v_proj"), tensor.chunk(3), strict=True):
        yield place.replace(".qkv.", f".{part}."), piece.contiguous()


def _decoder(name: str, tensor: Tensor, config: InternVLConfig) -> Iterator[tuple[str, Tensor]]:
    place = f"model.language_model.{_rename(name, _INTERNLM2)}"
    if ".wqkv." not in place:
        yield place, tensor
        return
    text = config.text_config
    groups, width = text.num_key_value_heads, text.hidden_size // text.num_attention_heads
    heads = tensor.reshape(groups, -1, width, *tensor.shape[1:])  # [groups, queries + 2, width, ..]
    parts = {"q_proj": heads[:, :-2], "k_proj": heads[:, -2], "v_proj": heads[:, -1]}
    for part, piece in parts.items():
        flat = piece.reshape(-1, *tensor.shape[1:]).contiguous()
        yield place.replace(".wqkv.", f".{part}."), flat


def _rename(name: str, table: Mapping[str, str]) -> str:
    for old, new in table.items():
        name = name.replace(old, new)
    return name
