"""Published checkpoints: every tensor of theirs has a place here, and every place is filled.

No weights are needed: names and shapes follow the published model code, and all is done on the
meta device. That the sums are the published numbers of parameters shows that the list is whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hf_models import write_tokenizer
from transformers import InternVLForConditionalGeneration, PreTrainedTokenizerFast

from hiprobe.backbones.hf.original import map_tensor, native_config

LAYOUTS = json.loads((Path(__file__).parent / "original_layouts.json").read_text())
MODELS = LAYOUTS["models"]


def sizes(about: dict[str, Any]) -> dict[str, int]:
    text, vision = about["llm_config"], about["vision_config"]["hidden_size"]
    width, heads = text["hidden_size"], text["num_attention_heads"]
    keys = width // heads * text["num_key_value_heads"]
    inner = text["intermediate_size"]
    return {
        "v": vision,
        "3v": 3 * vision,
        "4v": 4 * vision,
        "vi": about["vision_config"]["intermediate_size"],
        "d": width,
        "q": width,
        "kv": keys,
        "q+2kv": width + 2 * keys,
        "i": inner,
        "2i": 2 * inner,
        "words": text["vocab_size"],
    }


def about(name: str) -> dict[str, Any]:
    return {
        "model_type": "internvl_chat",
        "downsample_ratio": 0.5,
        "force_image_size": 448,
        "ps_version": "v2",
        "select_layer": -1,
        "llm_config": MODELS[name]["llm_config"],
        "vision_config": LAYOUTS["vision_config"],
    }


def original_shapes(name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the tensors in a published checkpoint."""
    made = about(name)
    known, text = sizes(made), made["llm_config"]
    parts = (
        ("vision_model.", LAYOUTS["vision"], made["vision_config"]["num_hidden_layers"]),
        ("mlp1.", LAYOUTS["connector"], 1),
        ("language_model.", LAYOUTS[text["model_type"]], text["num_hidden_layers"]),
    )
    for prefix, table, layers in parts:
        for pattern, shape in table.items():
            for layer in range(layers if ".N." in pattern else 1):
                sides = tuple(known[s] if isinstance(s, str) else s for s in shape)
                yield prefix + pattern.replace(".N.", f".{layer}."), sides


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


@pytest.mark.parametrize("name", [n for n, m in MODELS.items() if m["parameters"]])
def test_the_list_of_tensors_is_whole(name: str) -> None:
    total = sum(math.prod(shape) for _, shape in original_shapes(name))
    assert total == MODELS[name]["parameters"]


@pytest.mark.parametrize("kind", ["su", "longrope"])
def test_the_rotation_of_phi3_is_known_under_both_its_names(kind: str, tokenizer: Any) -> None:
    made = about("InternVL2-4B")
    scaling = {"type": kind, "short_factor": [1.0] * 48, "long_factor": [2.0] * 48}
    made["llm_config"] = {**made["llm_config"], "rope_scaling": scaling}
    text = native_config(made, tokenizer).text_config
    assert text.rope_parameters["rope_type"] == "longrope"
    assert text.rope_parameters["original_max_position_embeddings"] == 4096


@pytest.mark.parametrize("name", MODELS)
def test_every_tensor_has_a_place_and_every_place_a_tensor(name: str, tokenizer: Any) -> None:
    config = native_config(about(name), tokenizer)
    with torch.device("meta"):
        model = InternVLForConditionalGeneration(config)
        places = {k: tuple(v.shape) for k, v in model.state_dict().items()}
        found: dict[str, tuple[int, ...]] = {}
        for original, shape in original_shapes(name):
            made = map_tensor(original, torch.empty(shape), config)
            assert not set(made) & set(found), original
            found |= {k: tuple(v.shape) for k, v in made.items()}
    assert found == places
