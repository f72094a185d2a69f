"""The lite backbone's own decoder gives what the library's Llama gives for the same weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LogitsProcessorList,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from hiprobe.backbones.lite.lite_model import load_lite
from hiprobe.backbones.lite.small_llama import DecoderShape, SmallLlama
from hiprobe.backbones.usual_ways import EQUAL

CONFIG: dict[str, Any] = {
    "vocab_size": 90,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": True,
    "eos_token_id": 2,
    "pad_token_id": 2,
}


def pair(config: dict[str, Any]) -> tuple[SmallLlama, LlamaForCausalLM]:
    torch.manual_seed(0)
    library = LlamaForCausalLM(LlamaConfig(**config)).eval()
    own = SmallLlama(DecoderShape.of_config(config)).eval()
    own.load_state_dict(library.state_dict())
    return own, library


@torch.inference_mode()
def assert_equal_states(own: Any, library: Any, embedded: torch.Tensor) -> None:
    want = library.model(inputs_embeds=embedded, output_hidden_states=True, use_cache=False)
    found = own.model(inputs_embeds=embedded, output_hidden_states=True)
    assert len(found.hidden_states) == len(want.hidden_states)
    for layer, (a, b) in enumerate(zip(found.hidden_states, want.hidden_states, strict=True)):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=f"layer {layer}")


def test_states_and_logits_are_the_librarys() -> None:
    own, library = pair(CONFIG)
    assert_equal_states(own, library, torch.randn(2, 17, 48))
    ids = torch.randint(90, (2, 11))
    with torch.inference_mode():
        found = own(input_ids=ids, logits_to_keep=2).logits
        want = library(input_ids=ids, logits_to_keep=2).logits
    torch.testing.assert_close(found, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("first", [1, 6, 16])
def test_positions_read_in_parts_are_those_read_at_once(first: int) -> None:
    own, _ = pair(CONFIG)
    embedded = torch.randn(2, 17, 48)
    with torch.inference_mode():
        want = own.model(inputs_embeds=embedded).last_hidden_state
        past: list[Any] = []
        parts = [own.model(inputs_embeds=embedded[:, :first], past=past)]
        parts.append(own.model(inputs_embeds=embedded[:, first:], past=past))
    found = torch.cat([part.last_hidden_state for part in parts], dim=1)
    torch.testing.assert_close(found, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("penalty", "length"), [(1.0, 0), (9.0, 0), (1.0, 2), (1.1, 3), (1.0, 1)])
def test_words_are_those_the_library_chooses(penalty: float, length: int) -> None:
    """With keys and values kept, and repeats kept away by the library's own rules."""
    own, library = pair(CONFIG)
    rules = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(penalty)])
    if length:
        rules.append(NoRepeatNGramLogitsProcessor(length))
    heeded = False
    for seed in range(4):
        torch.manual_seed(seed)
        given: dict[str, Any] = {
            "inputs_embeds": torch.randn(1, 9, 48),
            "attention_mask": torch.ones(1, 9, dtype=torch.long),
            "max_new_tokens": 24,
            "do_sample": False,
            "eos_token_id": 2,
        }
        want = library.generate(**given, pad_token_id=2, logits_processor=rules).tolist()
        found = own.generate(**given, repetition_penalty=penalty, no_repeat_tokens=length)
        assert found.tolist() == want
        heeded |= want != own.generate(**given).tolist()
    assert heeded == ((penalty, length) != (1.0, 0))


@pytest.mark.parametrize(
    "change", [{"hidden_act": "gelu"}, {"attention_bias": True}, {"mlp_bias": True}]
)
def test_another_kind_of_decoder_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="asks for a decoder"):
        DecoderShape.of_config(CONFIG | change)


def test_padding_and_several_prompts_are_refused() -> None:
    own, _ = pair(CONFIG)
    for rows, mask in ((2, torch.ones(2, 3)), (1, torch.tensor([[0.0, 1.0, 1.0]]))):
        with pytest.raises(ValueError, match="without padding"):
            own.generate(
                inputs_embeds=torch.randn(rows, 3, 48),
                attention_mask=mask,
                max_new_tokens=1,
                eos_token_id=2,
            )


@pytest.mark.lite
def test_the_real_weights_give_the_librarys_states(lite_folder: Path) -> None:
    backbone = load_lite(lite_folder)
    config = json.loads((lite_folder / "config.json").read_text())["decoder"]
    library = LlamaForCausalLM(LlamaConfig(**config)).eval()
    library.load_state_dict(backbone.decoder.state_dict())
    torch.manual_seed(0)
    embedded = torch.randn(2, 103, 576) * 0.136
    with torch.inference_mode():
        want = library.model(inputs_embeds=embedded, output_hidden_states=True, use_cache=False)
        found = backbone.decoder.model(inputs_embeds=embedded, output_hidden_states=True)
    assert len(found.hidden_states) == len(want.hidden_states)
    for a, b in zip(found.hidden_states, want.hidden_states, strict=True):
        # by length: a few numbers of a state are a thousand times as large as the others
        distance = (a - b).norm(dim=-1) / b.norm(dim=-1)
        assert float(distance.max()) < EQUAL["float32"]


@pytest.mark.lite
def test_opening_it_does_not_import_the_library(lite_folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from hiprobe.backbones.lite.lite_model import load_lite\n"
        "load_lite(Path(sys.argv[1])); print('transformers' in sys.modules)\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", code, str(lite_folder)], capture_output=True, text=True, check=True
    )
    assert made.stdout.strip() == "False"
