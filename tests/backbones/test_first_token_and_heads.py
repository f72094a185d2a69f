"""What a backbone tells besides its states: first answer tokens, attention heads, its speech."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from backbone_cases import BackboneCase, library_twin, moving_square
from numpy.typing import NDArray

from hiprobe.backbones.decoder_outputs import check_head_layers, first_ids, log_probabilities
from hiprobe.backbones.hf.hf_model import HfBackbone
from hiprobe.backbones.interface import (
    DETECT_PROMPT,
    Backbone,
    FirstToken,
    HeadStates,
    Speaker,
    Speech,
    speech_of,
)
from hiprobe.backbones.lite.lite_model import LiteBackbone
from hiprobe.errors import BackboneError, StatesError, UsageError

SEGMENTS = [moving_square(seed=1), moving_square(seed=2, speed=0)]
WORDS = (("Yes", "yes"), ("No", "no"))
DESCRIBE = "Describe this video."
QUESTION = "Is anything odd here?"
QUESTIONS = (QUESTION, "Name a colour.")


@pytest.fixture(scope="module")
def whole(case: BackboneCase) -> Backbone:
    return case.open(DETECT_PROMPT, None)


@pytest.fixture(scope="module")
def library(whole: Backbone) -> Any:
    """The library's model with the backbone's weights, which has a `generate`."""
    if isinstance(whole, LiteBackbone):
        return library_twin(whole)
    assert isinstance(whole, HfBackbone)
    return whole.model


@torch.inference_mode()
def generated(library: Any, backbone: Backbone, segment: Any, prompt: str) -> tuple[Any, Any]:
    """The library's own first step: logits of the next token, and a function text -> ids."""
    common = {
        "max_new_tokens": 1,
        "do_sample": False,
        "output_logits": True,
        "return_dict_in_generate": True,
    }
    if isinstance(backbone, LiteBackbone):
        embedded, _ = backbone.embedded(backbone.visual_tokens([segment.frames]), prompt=prompt)
        mask = torch.ones(embedded.shape[:2], dtype=torch.long)
        made = library.generate(inputs_embeds=embedded, attention_mask=mask, **common)
        return made.logits[0][0], lambda text: backbone.tokenizer.encode(text).ids
    assert isinstance(backbone, HfBackbone)
    times = segment.frame_offsets_seconds
    shown = backbone.prepare(segment.frames, prompt=prompt, frame_seconds=times)
    inputs = backbone.inputs([shown])
    mask = torch.ones_like(inputs["input_ids"])
    made = library.generate(**inputs, attention_mask=mask, **common)
    return made.logits[0][0], backbone.wording.plain_ids


def test_first_token_is_that_of_generate(whole: Backbone, library: Any) -> None:
    assert isinstance(whole, FirstToken)
    found = whole.first_token(SEGMENTS, prompts=QUESTIONS, words=WORDS)
    assert found.shape == (len(QUESTIONS), len(SEGMENTS), len(WORDS))
    assert found.dtype == np.float64
    for (question, rows), (row, segment) in product(
        zip(QUESTIONS, found, strict=True), enumerate(SEGMENTS)
    ):
        logits, encode = generated(library, whole, segment, question)
        expected = torch.softmax(logits.double(), dim=-1)
        for value, spellings in zip(rows[row], WORDS, strict=True):
            tokens = {encode(s)[0] for s in spellings}
            total = sum(float(expected[t]) for t in tokens)
            assert np.exp(value) == pytest.approx(total, rel=1e-3, abs=1e-12)


def test_the_question_decides_the_first_token(whole: Backbone) -> None:
    assert isinstance(whole, FirstToken)
    one, other = whole.first_token(SEGMENTS[:1], prompts=QUESTIONS, words=WORDS)
    assert np.abs(one - other).max() > 1e-6


def test_a_cut_backbone_gives_no_first_token(case: BackboneCase) -> None:
    cut = case.open(DETECT_PROMPT, 1)
    assert isinstance(cut, FirstToken)
    with pytest.raises(BackboneError, match="cut"):
        cut.first_token(SEGMENTS[:1], prompts=QUESTIONS, words=WORDS)


def test_heads_are_what_the_output_projection_takes_in_generate(
    whole: Backbone, library: Any
) -> None:
    assert isinstance(whole, HeadStates)
    layers = range(1, whole.layer_count + 1)
    caught: list[NDArray[np.float32]] = []
    decoder = library.model if isinstance(whole, LiteBackbone) else whole.decoder
    hooks = [
        layer.self_attn.o_proj.register_forward_pre_hook(
            lambda _, given: caught.append(given[0][0, -1].float().numpy().copy())
        )
        for layer in decoder.layers
    ]
    try:
        generated(library, whole, SEGMENTS[0], QUESTION)
    finally:
        for hook in hooks:
            hook.remove()
    found = whole.head_states(SEGMENTS[:1], layers=layers, prompts=QUESTIONS[::-1])
    shape = (2, 1, whole.layer_count, whole.head_count, whole.head_width)
    assert found.shape == shape and found.dtype == np.float32
    expected = np.stack(caught).reshape(shape[1:])
    np.testing.assert_allclose(found[1], expected, rtol=1e-4, atol=1e-5)


def test_heads_of_a_cut_backbone_are_those_of_the_whole(case: BackboneCase) -> None:
    whole, cut = case.open(DETECT_PROMPT, None), case.open(DETECT_PROMPT, 2)
    assert isinstance(whole, HeadStates) and isinstance(cut, HeadStates)
    np.testing.assert_array_equal(
        cut.head_states(SEGMENTS, layers=[2, 1], prompts=QUESTIONS),
        whole.head_states(SEGMENTS, layers=[2, 1], prompts=QUESTIONS),
    )


def test_heads_of_a_batch_are_those_one_by_one(whole: Backbone) -> None:
    assert isinstance(whole, HeadStates)
    together = whole.head_states(SEGMENTS, layers=[1], prompts=QUESTIONS)
    one_by_one = [whole.head_states([s], layers=[1], prompts=QUESTIONS) for s in SEGMENTS]
    alone = np.concatenate(one_by_one, axis=1)
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_reading_heads_leaves_the_states_as_they_were(whole: Backbone) -> None:
    assert isinstance(whole, HeadStates)
    before = whole.states(SEGMENTS[:1], layers=[whole.layer_count])["last"]
    whole.head_states(SEGMENTS[:1], layers=[1], prompts=QUESTIONS)
    np.testing.assert_array_equal(
        whole.states(SEGMENTS[:1], layers=[whole.layer_count])["last"], before
    )


def test_heads_of_a_broken_model_are_refused(case: BackboneCase) -> None:
    broken = case.open(DETECT_PROMPT, None)
    case.poison(broken)
    assert isinstance(broken, HeadStates)
    with pytest.raises(StatesError, match="not finite"):
        broken.head_states(SEGMENTS[:1], layers=[2], prompts=QUESTIONS)


@pytest.mark.parametrize("layers", [[], [0], [1, 3]])
def test_heads_of_a_layer_that_is_not_there_are_refused(layers: list[int]) -> None:
    with pytest.raises(StatesError, match=r"1\.\.2"):
        check_head_layers(layers, available=2)


def test_settings_of_speech_reach_the_words(whole: Backbone) -> None:
    frames = SEGMENTS[1].frames
    prompt = "What does this picture show?"  # lite answers in two sentences, so a token comes twice
    free = whole.describe(frames, prompt=prompt, max_new_tokens=40, speech=Speech())
    kept = whole.describe(
        frames,
        prompt=prompt,
        max_new_tokens=40,
        speech=Speech(repetition_penalty=50.0, no_repeat_tokens=1),
    )
    assert free != kept
    assert isinstance(whole, Speaker)
    own = whole.describe(frames, prompt=prompt, max_new_tokens=40)
    assert own == whole.describe(frames, prompt=prompt, max_new_tokens=40, speech=speech_of(whole))


def test_small_models_are_asked_for_plain_words(whole: Backbone) -> None:
    assert not speech_of(whole).structured


@pytest.mark.parametrize("penalty, run", [(0.5, 0), (float("nan"), 0), (1.0, -1)])
def test_speech_that_cannot_be_is_refused(penalty: float, run: int) -> None:
    with pytest.raises(UsageError, match="penalty"):
        Speech(repetition_penalty=penalty, no_repeat_tokens=run)


def test_a_shared_first_token_counts_once() -> None:
    ids = first_ids([("Yes", "Yeah"), ("No",)], encode=lambda w: [ord(w[0])])
    assert ids == ((ord("Y"),), (ord("N"),))
    logits = torch.zeros(2, 100)
    np.testing.assert_allclose(np.exp(log_probabilities(logits, ids)), 0.01, rtol=1e-9)


@pytest.mark.parametrize("words", [[("Yes",), ("Yeah",)], [("",), ("No",)], [(), ("No",)]])
def test_words_that_cannot_be_told_apart_are_refused(words: list[tuple[str, ...]]) -> None:
    with pytest.raises(BackboneError):
        first_ids(words, encode=lambda w: [ord(c) for c in w[:1]])
