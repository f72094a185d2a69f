"""The low-rank update of the lite backbone's LLM, and the features its projector reads."""

from __future__ import annotations

import copy

import pytest
import torch
from backbone_cases import random_adapter
from transformers import LlamaConfig, LlamaForCausalLM

from hiprobe.backbones.lite.parts import (
    ADAPTED,
    FEATURE_CHANNELS,
    FINE_CHANNELS,
    INPUT_CHANNELS,
    Projector,
    ProjectorConfig,
    change_features,
    load_trained,
    merge_adapter,
)
from hiprobe.errors import BackboneError


@pytest.fixture
def decoder() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=32,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=1,
        )
    )


def merge_all(decoder: LlamaForCausalLM, update: dict[str, torch.Tensor]) -> None:
    for number, layer in enumerate(decoder.model.layers):
        merge_adapter(layer, update, number=number)


def test_each_adapted_weight_moves_by_its_product_and_no_other(decoder: LlamaForCausalLM) -> None:
    before = copy.deepcopy(decoder.state_dict())
    update = random_adapter(decoder, rank=2)
    merge_all(decoder, update)
    for name, tensor in decoder.state_dict().items():
        stem = name.removeprefix("model.").removesuffix(".weight")
        expected = before[name]
        if f"{stem}.a" in update:
            expected = expected + update[f"{stem}.b"] @ update[f"{stem}.a"]
        torch.testing.assert_close(tensor, expected)
    assert sum(f"layers.0.{n}.a" in update for n in ADAPTED) == len(ADAPTED)


def test_a_cut_decoder_takes_its_part(decoder: LlamaForCausalLM) -> None:
    update = random_adapter(decoder, rank=2)
    whole = copy.deepcopy(decoder)
    decoder.model.layers = decoder.model.layers[:2]
    merge_all(decoder, update)
    merge_all(whole, update)
    mine, theirs = (d.model.layers[1].mlp.down_proj.weight for d in (decoder, whole))
    assert torch.equal(mine, theirs)


def test_a_missing_or_misshapen_update_is_refused(decoder: LlamaForCausalLM) -> None:
    update = random_adapter(decoder, rank=2)
    name = "layers.1.mlp.up_proj.a"
    with pytest.raises(BackboneError, match="up_proj"):
        merge_all(decoder, {k: v for k, v in update.items() if k != name})
    with pytest.raises(BackboneError, match="shape"):
        merge_all(decoder, update | {name: torch.zeros(2, 3)})


def test_the_package_carries_an_update_for_every_layer() -> None:
    trained = load_trained()
    if not trained.adapter:
        pytest.skip("the projector that comes with the package has no update of the LLM")
    assert {k.split(".", 2)[2] for k in trained.adapter} == {
        f"{name}.{half}" for name in ADAPTED for half in "ab"
    }
    assert len({k.split(".")[1] for k in trained.adapter}) == 30


def maps(frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.rand(1, frames, FEATURE_CHANNELS, 7, 7), torch.rand(
        1, frames, FINE_CHANNELS, 14, 14
    )


def test_features_hold_what_is_seen_and_what_changed() -> None:
    coarse, fine = maps(3)
    found = change_features(coarse, fine, grid=2)
    assert found.shape == (1, 3, 4, INPUT_CHANNELS)
    change = (coarse[0, 2] - coarse[0, 1]).abs()
    last_cell = found[0, 2, 3]
    at = FEATURE_CHANNELS
    torch.testing.assert_close(last_cell[:at], coarse[0, 2, :, 3:, 3:].mean((1, 2)))
    torch.testing.assert_close(last_cell[at : 2 * at], change[:, 3:, 3:].mean((1, 2)))
    torch.testing.assert_close(last_cell[2 * at : 3 * at], change[:, 3:, 3:].amax((1, 2)))
    slow = (fine[0, 2] - fine[0, 1]).abs()[:, 7:, 7:]
    torch.testing.assert_close(last_cell[3 * at : 3 * at + FINE_CHANNELS], slow.mean((1, 2)))
    torch.testing.assert_close(last_cell[3 * at + FINE_CHANNELS :], slow.amax((1, 2)))


def test_the_first_frame_takes_the_change_that_follows_and_a_lone_one_has_none() -> None:
    found = change_features(*maps(2), grid=2)[0, :, :, FEATURE_CHANNELS:]
    torch.testing.assert_close(found[0], found[1])
    assert not change_features(*maps(1), grid=2)[0, :, :, FEATURE_CHANNELS:].any()


def test_tokens_are_of_the_middle_picture_and_of_each_change() -> None:
    torch.manual_seed(2)
    projector = Projector(ProjectorConfig(hidden=8, width=6))
    features = torch.rand(1, 5, 4, INPUT_CHANNELS)
    with torch.inference_mode():
        tokens = projector(features)
        other = features.clone()
        other[:, [0, 1, 3, 4], :, :FEATURE_CHANNELS] += 1  # pictures that are not the middle one
        other[:, 0, :, FEATURE_CHANNELS:] += 1  # the first frame has no change of its own
        assert tokens.shape == (1, 5 * 4, 6)
        torch.testing.assert_close(projector(other), tokens)
        other[:, 4, 3, FEATURE_CHANNELS:] += 1
        moved = (projector(other) != tokens).any(dim=2)[0]
    assert moved.tolist() == [False] * 19 + [True]
