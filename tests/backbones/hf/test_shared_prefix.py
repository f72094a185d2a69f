"""Prompts that cannot share what stands before them are read as each alone, to the last bit."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backbone_cases import BackboneCase, moving_square
from hf_models import internvl_config, random_model, write_tokenizer
from torch import Tensor

from hiprobe.backbones.decoder import DecoderBackbone
from hiprobe.backbones.hf.hf_load import load_hf
from hiprobe.backbones.hf.hf_model import HfBackbone
from hiprobe.backbones.lite.lite_model import LiteBackbone
from hiprobe.backbones.shared_prefix import Keeping, NotSharedError, SharedPrefix, shared_length
from hiprobe.states import DECODER_READINGS

Folder = Callable[[str], Path]
SEGMENTS = [moving_square(seed=1), moving_square(seed=2, speed=0)]
PROMPTS = ("What moves?", "Is it dark in here?", "Who comes?")
ASKED: dict[str, Any] = {"layers": [4, 0, 2], "readings": DECODER_READINGS}


def internvl(folder: Path, **text: Any) -> HfBackbone:
    random_model(internvl_config(**text)).save_pretrained(folder)
    write_tokenizer(folder)
    return load_hf(folder, dtype="float32")


def lengths_of(backbone: DecoderBackbone, prompts: tuple[str, ...] = PROMPTS) -> list[int]:
    """Positions of each pass of the decoder that several prompts take."""
    found: list[int] = []

    def count(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        found.append((given[0] if given else named["hidden_states"]).shape[1])

    hook = backbone.stack.layers[0].register_forward_pre_hook(count, with_kwargs=True)
    try:
        backbone.states_by_prompt(SEGMENTS, prompts=prompts, **ASKED)
    finally:
        hook.remove()
    return found


def assert_read_one_by_one(backbone: DecoderBackbone) -> None:
    together = backbone.states_by_prompt(SEGMENTS, prompts=PROMPTS, **ASKED)
    for prompt in PROMPTS:
        alone = backbone.states_by_prompt(SEGMENTS, prompts=[prompt], **ASKED)[prompt]
        for reading in DECODER_READINGS:
            np.testing.assert_array_equal(together[prompt][reading], alone[reading])


@pytest.mark.parametrize("decoder", ["mistral", "qwen2"])
def test_a_window_over_the_positions_is_not_shared(decoder: str, tmp_path: Path) -> None:
    window = {"sliding_window": 40}
    if decoder == "qwen2":  # in its upper layers
        window |= {"use_sliding_window": True, "max_window_layers": 2}
    backbone = internvl(tmp_path, decoder=decoder, **window)
    assert backbone.keeping() is None
    assert_read_one_by_one(backbone)


def test_positions_that_turn_otherwise_in_long_prompts_are_not_shared(tmp_path: Path) -> None:
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    backbone = internvl(tmp_path, rope_parameters=rope, max_position_embeddings=150)
    short, long = "What?", "Is it dark in here, or is it only late in the evening?"
    prefix, *behind = lengths_of(backbone, (short, "Who?"))
    assert len(behind) == 2 and prefix + max(behind) <= 150, "short prompts share"
    found = backbone.states_by_prompt(SEGMENTS, prompts=[short, long], **ASKED)
    for prompt in (short, long):
        alone = backbone.states_by_prompt(SEGMENTS, prompts=[prompt], **ASKED)[prompt]
        for reading in DECODER_READINGS:
            np.testing.assert_allclose(found[prompt][reading], alone[reading], rtol=1e-4, atol=1e-4)
    prefix, first, tried, whole = lengths_of(backbone, (short, long))
    assert prefix + tried == whole > 150 > prefix + first


def test_a_decoder_that_keeps_nothing_is_not_shared(
    model_folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = load_hf(model_folder("internvl"), dtype="float32")
    empty = Keeping({"use_cache": False}, lambda: [0, 0, 0, 0], lambda _: None)
    monkeypatch.setattr(backbone, "keeping", lambda: empty)
    assert_read_one_by_one(backbone)


class AskedFirst(LiteBackbone):
    """The prompt stands before the pictures."""

    def embed(self, looks: Any, *, prompt: str) -> tuple[dict[str, Tensor], Tensor]:
        visual = torch.cat([look.tokens for look in looks])
        words = self.decoder.get_input_embeddings()(torch.tensor(self.plain_ids(prompt)))
        is_visual = torch.arange(len(words) + visual.shape[1]) >= len(words)
        embedded = torch.cat([words.expand(len(visual), -1, -1), visual, visual[:, :1]], dim=1)
        is_visual = torch.cat([is_visual, torch.tensor([False])])
        return {"inputs_embeds": embedded}, is_visual.expand(embedded.shape[:2])


def test_a_prompt_before_the_pictures_is_not_shared(tiny_case: BackboneCase) -> None:
    backbone = tiny_case.fresh()
    assert isinstance(backbone, LiteBackbone)
    assert len(lengths_of(backbone)) == len(PROMPTS) + 1
    backbone.__class__ = AskedFirst
    assert len(lengths_of(backbone)) == len(PROMPTS)
    assert_read_one_by_one(backbone)


def test_only_what_is_the_same_up_to_the_last_picture_is_shared() -> None:
    visual = torch.tensor([[False, True, True, False, False]])
    ids, other = torch.tensor([[7, 1, 1, 8, 9]]), torch.tensor([[7, 1, 1, 8, 9, 9]])
    assert shared_length({"input_ids": ids}, {"input_ids": other}, visual) == 3
    assert shared_length({"input_ids": ids}, {"input_ids": other + 1}, visual) == 0
    assert shared_length({"input_ids": ids}, {"input_ids": other[:, :3]}, visual) == 0
    assert shared_length({"input_ids": ids}, {"input_ids": other}, visual & False) == 0
    assert shared_length({"inputs_embeds": ids}, {"inputs_embeds": other}, visual) == 3


class Decoder(torch.nn.Module):
    """Keeps its input, and notes what it is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Identity()])
        self.called: list[dict[str, Any]] = []
        self.kept = 0

    def forward(self, **named: Any) -> None:
        self.called.append(named)
        self.kept += named["inputs_embeds"].shape[1]

    def keeping(self) -> Keeping:
        def forget(positions: int) -> None:
            self.kept -= positions

        return Keeping({"use_cache": True}, lambda: [self.kept], forget)


GIVEN: dict[str, Any] = {
    "inputs_embeds": torch.arange(10.0).reshape(1, 5, 2),
    "position_ids": torch.arange(15).reshape(3, 1, 5),
    "visual_pos_masks": torch.tensor([[False, True, True, False, False]]),
    "deepstack_visual_embeds": [torch.ones(2, 2)],
    "attention_mask": None,
    "use_cache": False,
}


def test_each_argument_is_parted_where_the_positions_are() -> None:
    decoder = Decoder()
    shared = SharedPrefix(decoder, decoder.keeping(), length=3)
    with shared.alone():
        decoder(**GIVEN)
    for _ in range(2):
        with shared.looked_back_at():
            decoder(**GIVEN)
        assert decoder.kept == 3
    first, *rest = decoder.called
    assert torch.equal(first["inputs_embeds"], GIVEN["inputs_embeds"][:, :3])
    assert torch.equal(first["position_ids"], GIVEN["position_ids"][..., :3])
    assert first["deepstack_visual_embeds"] is GIVEN["deepstack_visual_embeds"]
    for named in rest:
        assert torch.equal(named["inputs_embeds"], GIVEN["inputs_embeds"][:, 3:])
        assert torch.equal(named["position_ids"], GIVEN["position_ids"][..., 3:])
        assert named["visual_pos_masks"] is named["deepstack_visual_embeds"] is None
    assert all(named["use_cache"] is True for named in decoder.called)
    assert "forward" not in vars(decoder)


@pytest.mark.parametrize(
    "unknown",
    [
        {"attention_mask": torch.ones(1, 5)},
        {"attention_mask": {"full_attention": None}},
        {"sorts": torch.ones(1, 5)},
        {"inputs_embeds": None},
    ],
)
def test_a_decoder_that_takes_something_unknown_is_not_shared(unknown: dict[str, Any]) -> None:
    decoder = Decoder()
    shared = SharedPrefix(decoder, decoder.keeping(), length=3)
    with pytest.raises(NotSharedError), shared.alone():
        decoder(**GIVEN | unknown)
    assert not decoder.called
    assert "forward" not in vars(decoder)


@pytest.mark.parametrize(
    "other",
    [
        {"inputs_embeds": GIVEN["inputs_embeds"] + 1},
        {"position_ids": GIVEN["position_ids"] + 1},
        {"position_ids": None},
        {"visual_pos_masks": torch.tensor([[False, True, True, False, True]])},
    ],
)
def test_a_prompt_that_begins_otherwise_is_not_shared(other: dict[str, Any]) -> None:
    decoder = Decoder()
    shared = SharedPrefix(decoder, decoder.keeping(), length=3)
    with shared.alone():
        decoder(**GIVEN)
    with pytest.raises(NotSharedError), shared.looked_back_at():
        decoder(**GIVEN | other)
    assert len(decoder.called) == 1


def test_keys_and_values_are_dropped_after_the_batch(model_folder: Folder) -> None:
    backbone = load_hf(model_folder("internvl"), dtype="float32")
    caches: list[weakref.ref[Any]] = []
    plain = backbone.keeping

    def noted() -> Any:
        assert not any(cache() for cache in caches), "that of the batch before"
        keeping = plain()
        assert keeping is not None
        caches.append(weakref.ref(keeping.arguments["past_key_values"]))
        return keeping

    backbone.keeping = noted  # type: ignore[method-assign]
    mixed = [SEGMENTS[0], moving_square(seed=3, frames=3), SEGMENTS[1]]
    backbone.states_by_prompt(mixed, prompts=PROMPTS, **ASKED)
    assert len(caches) == len(mixed)
    assert not any(cache() for cache in caches)
