"""Original InternVL checkpoints: written here from a native model, read back bit for bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backbone_cases import moving_square
from hf_models import LAYERS, byte_tokenizer, internvl_config, random_model, write_tokenizer
from piece_file import SPACE, piece_file
from safetensors.torch import load_file, save_file
from torch import Tensor

from hiprobe.backbones.hf.hf_load import load_hf
from hiprobe.errors import BackboneError
from hiprobe.states import READINGS

SEGMENT = moving_square(seed=1)
VISION = {
    "embeddings.cls_token": "embeddings.class_embedding",
    "embeddings.position_embeddings": "embeddings.position_embedding",
    "embeddings.patch_embeddings.projection": "embeddings.patch_embedding",
    "encoder.layer.": "encoder.layers.",
    "lambda_1": "ls1",
    "lambda_2": "ls2",
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "attention.projection_layer": "attn.proj",
    "attention.qkv": "attn.qkv",
}
INTERNLM2 = {
    "embed_tokens": "tok_embeddings",
    "self_attn.o_proj": "attention.wo",
    "self_attn.wqkv": "attention.wqkv",
    "mlp.gate_proj": "feed_forward.w1",
    "mlp.down_proj": "feed_forward.w2",
    "mlp.up_proj": "feed_forward.w3",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm",
}
PHI3_MARKS = ("<|user|>", "<|assistant|>", "<|end|>")
PHI3 = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{{ '<|assistant|>\\n' }}"  # the template engine drops a line break at the very end
)
CONNECTOR = {"layer_norm": "mlp1.0", "linear_1": "mlp1.1", "linear_2": "mlp1.3"}


def renamed(name: str, table: dict[str, str]) -> str:
    for old, new in table.items():
        name = name.replace(old, new)
    return name


def fused(state: dict[str, Tensor], join: Any, to: str) -> dict[str, Tensor]:
    """Query, key and value of each layer as one tensor."""
    made = dict(state)
    for name in state:
        if ".q_proj." in name:
            parts = [made.pop(name.replace("q_proj", f"{p}_proj")) for p in "qkv"]
            made[name.replace("q_proj", to)] = join(*parts)
    return made


def grouped(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """InternLM2: for each key head its queries, the key, the value, one head after another."""
    width = 8
    heads = [list(t.split(width)) for t in (query, key, value)]
    rows: list[Tensor] = []
    for group in range(len(heads[1])):
        share = len(heads[0]) // len(heads[1])
        rows += heads[0][group * share : (group + 1) * share]
        rows += [heads[1][group], heads[2][group]]
    return torch.cat(rows)


def original_tensors(model: Any, decoder: str) -> Iterator[tuple[str, Tensor]]:
    state = model.state_dict()
    vision = {k: v for k, v in state.items() if "vision_tower" in k}
    for name, tensor in fused(vision, lambda *qkv: torch.cat(qkv), "qkv").items():
        yield "vision_model." + renamed(name.removeprefix("model.vision_tower."), VISION), tensor
    for name, tensor in state.items():
        if "multi_modal_projector" in name:
            yield renamed(name.removeprefix("model.multi_modal_projector."), CONNECTOR), tensor
    text = {k: v for k, v in state.items() if "language_model" in k}
    is_internlm2 = decoder == "internlm2"
    if is_internlm2:
        text = fused(text, grouped, "wqkv")
    for name, tensor in text.items():
        kept = name.removeprefix("model.language_model.")
        yield f"language_model.model.{renamed(kept, INTERNLM2 if is_internlm2 else {})}", tensor
    head = "output" if is_internlm2 else "lm_head"
    yield f"language_model.{head}.weight", state["lm_head.weight"]


def original_about(config: Any, decoder: str) -> dict[str, Any]:
    vision = config.vision_config
    text = config.text_config.to_dict()
    text.pop("layer_types", None)
    rope = text.pop("rope_parameters")
    text |= {"model_type": decoder, "rope_theta": rope["rope_theta"], "rope_scaling": None}
    if decoder == "internlm2":
        text |= {"bias": False, "auto_map": {"AutoConfig": "configuration_internlm2.InternLM2"}}
    return {
        "model_type": "internvl_chat",
        "architectures": ["InternVLChatModel"],
        "auto_map": {"AutoModel": "modeling_internvl_chat.InternVLChatModel"},
        "force_image_size": 28,
        "downsample_ratio": 0.5,
        "select_layer": -1,
        "ps_version": "v2",
        "template": "phi3-chat" if decoder == "phi3" else "internvl2_5",
        "llm_config": text,
        "vision_config": {
            "hidden_size": vision.hidden_size,
            "intermediate_size": vision.intermediate_size,
            "num_hidden_layers": vision.num_hidden_layers,
            "num_attention_heads": vision.num_attention_heads,
            "image_size": 28,
            "patch_size": 7,
            "qkv_bias": True,
            "qk_normalization": False,
            "norm_type": "layer_norm",
        },
    }


def write_pair(folder: Path, decoder: str, *more: str) -> tuple[Path, Path]:
    """The same weights in the native and in the original layout."""
    marks = (*more, *(PHI3_MARKS if decoder == "phi3" else ()))
    words = byte_tokenizer(*marks)
    native_decoder = "llama" if decoder == "internlm2" else decoder
    config = internvl_config(decoder=native_decoder, vocab_size=words.get_vocab_size())
    model = random_model(config)
    native, original = folder / "native", folder / "original"
    model.save_pretrained(native)
    write_tokenizer(native, *marks)
    original.mkdir()
    tensors = {k: v.clone().contiguous() for k, v in original_tensors(model, decoder)}
    half = len(tensors) // 2
    for number, names in enumerate((list(tensors)[:half], list(tensors)[half:]), start=1):
        save_file(
            {n: tensors[n] for n in names}, original / f"model-{number:05}-of-00002.safetensors"
        )
    (original / "config.json").write_text(json.dumps(original_about(config, decoder)))
    words.save(str(original / "tokenizer.json"))
    if decoder == "phi3":  # it speaks in a form of its own
        (native / "chat_template.jinja").write_text(PHI3)
        config = json.loads((native / "generation_config.json").read_text())
        config["eos_token_id"] = words.token_to_id("<|end|>")
        (native / "generation_config.json").write_text(json.dumps(config))
    return native, original


@pytest.fixture(scope="module", params=["internlm2", "qwen2", "qwen3", "phi3"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return write_pair(tmp_path_factory.mktemp(request.param), request.param)


def test_original_and_native_give_the_same_bits(pair: tuple[Path, Path]) -> None:
    native, original = (load_hf(folder, dtype="float32") for folder in pair)
    layers = range(LAYERS + 1)
    expected = native.states([SEGMENT], layers=layers, readings=READINGS)
    found = original.states([SEGMENT], layers=layers, readings=READINGS)
    for reading in READINGS:
        np.testing.assert_array_equal(found[reading], expected[reading])
    words = {
        b.describe(SEGMENT.frames, prompt="What is seen?", max_new_tokens=8)
        for b in (native, original)
    }
    assert len(words) == 1


def test_a_folder_with_a_sentencepiece_file_is_read_and_speaks(tmp_path: Path) -> None:
    """The layout of InternVL2.5-2B and -8B: no tokenizer.json, tokens added in a list."""
    _, original = write_pair(tmp_path, "internlm2", *(f"<{n}>" for n in range(100)))
    (original / "tokenizer.json").unlink()
    letters = [SPACE, *(chr(c) for c in range(33, 127)), "\n"]
    (original / "tokenizer.model").write_bytes(piece_file(letters, dummy_prefix=False))
    first = 3 + 256 + len(letters)
    marks = ("<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>")
    added = {mark: first + place for place, mark in enumerate(marks)}
    (original / "added_tokens.json").write_text(json.dumps(added))
    backbone = load_hf(original, dtype="float32")
    ids = backbone.prepare(SEGMENT.frames[:2], prompt="What?").ids
    context = added["<IMG_CONTEXT>"]
    assert backbone.family.visual_token == context
    assert ids.count(context) == 2 * 4
    assert ids[:2] == (1, added["<|im_start|>"])
    assert backbone.model.generation_config.eos_token_id == added["<|im_end|>"]
    states = backbone.states([SEGMENT], layers=[LAYERS], readings=READINGS)
    assert all(np.isfinite(values).all() for values in states.values())
    said = backbone.describe(SEGMENT.frames, prompt="What?", max_new_tokens=8)
    assert said == backbone.describe(SEGMENT.frames, prompt="What?", max_new_tokens=8)


def test_an_original_is_cut_while_it_is_read(pair: tuple[Path, Path]) -> None:
    whole, cut = (load_hf(pair[1], dtype="float32", cut_at_layer=at) for at in (None, 2))
    assert len(cut.decoder.layers) == 2
    assert cut.fingerprint == whole.fingerprint
    np.testing.assert_array_equal(
        cut.states([SEGMENT], layers=[1, 2])["last"], whole.states([SEGMENT], layers=[1, 2])["last"]
    )


@pytest.mark.parametrize(
    "name", ["vision_model.encoder.layers.1.ls2", "mlp1.1.bias", "language_model.model.norm.weight"]
)
def test_a_missing_tensor_is_named(tmp_path: Path, name: str) -> None:
    _, original = write_pair(tmp_path, "internlm2")
    for path in original.glob("*.safetensors"):
        kept = {k: v for k, v in load_file(path).items() if k != name}
        save_file(kept, path)
    with pytest.raises(BackboneError, match="tensors are missing"):
        load_hf(original, dtype="float32")


@pytest.mark.parametrize(
    "name", ["language_model.model.layers.0.extra.weight", "mlp1.7.bias", "something.else"]
)
def test_a_tensor_without_a_place_is_named(tmp_path: Path, name: str) -> None:
    _, original = write_pair(tmp_path, "internlm2")
    save_file({name: torch.zeros(3)}, original / "more.safetensors")
    with pytest.raises(BackboneError, match="no place"):
        load_hf(original, dtype="float32")


def test_a_decoder_that_is_not_known_is_named(tmp_path: Path) -> None:
    _, original = write_pair(tmp_path, "qwen2")
    about = json.loads((original / "config.json").read_text())
    about["llm_config"]["model_type"] = "mystery"
    (original / "config.json").write_text(json.dumps(about))
    with pytest.raises(BackboneError, match="mystery"):
        load_hf(original, dtype="float32")
