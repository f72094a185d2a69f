"""What every backbone keeps: layer convention, cutting, batching, fingerprint, words."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backbone_cases import BackboneCase, moving_square, segment_of
from numpy.typing import NDArray

from hiprobe.backbones.decoder import DecoderBackbone
from hiprobe.backbones.interface import DETECT_PROMPT, Backbone, FinalNorm, PromptsBackbone
from hiprobe.errors import BackboneError, StatesError
from hiprobe.probe import Probe
from hiprobe.states import (
    DECODER_READINGS,
    READINGS,
    VISION_READINGS,
    LabelledStates,
    States,
    layers_at,
)

SEGMENTS = [moving_square(seed=1), moving_square(seed=2, speed=0), moving_square(seed=3, speed=7)]


@pytest.fixture(scope="module")
def whole(case: BackboneCase) -> Backbone:
    return case.open(DETECT_PROMPT, None)


# share of a state's size that another video moves at least; rounding moves it by some 1e-6
VISIBLE = 1e-3


def largest_change(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.abs(one - other).max() / np.abs(one).max())


def all_layers(backbone: Backbone) -> range:
    return range(backbone.layer_count + 1)


def test_it_is_a_backbone(whole: Backbone) -> None:
    assert isinstance(whole, Backbone)
    assert whole.layer_count >= 1
    assert whole.width >= 1


def test_embedding_and_every_layer_can_be_read_at_every_reading(whole: Backbone) -> None:
    found = whole.states(SEGMENTS, layers=all_layers(whole), readings=READINGS)
    assert set(found) == set(READINGS)
    for reading, values in found.items():
        layers = layers_at(reading, all_layers(whole))
        width = whole.width if reading in DECODER_READINGS else values.shape[2]
        assert values.shape == (len(SEGMENTS), len(layers), width)
        assert width > 1
        assert values.dtype == np.float32
        assert np.isfinite(values).all()


def test_embedding_of_the_last_position_is_the_same_for_all_inputs(whole: Backbone) -> None:
    values = whole.states(SEGMENTS, layers=all_layers(whole))["last"]
    assert (values[:, 0] == values[0, 0]).all()
    assert largest_change(values[0, 1:], values[1, 1:]) > VISIBLE


def test_states_are_the_layers_outputs_before_the_final_norm(
    case: BackboneCase, whole: Backbone
) -> None:
    segment = SEGMENTS[0]
    expected = case.reference(whole, segment)
    found = whole.states([segment], layers=all_layers(whole), readings=READINGS)
    np.testing.assert_allclose(found["last"][0], expected[:, -1], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["prompt_mean"][0], expected.mean(axis=1), rtol=1e-4, atol=1e-4)


def test_the_final_norm_is_offered_for_the_last_layer(whole: Backbone) -> None:
    assert isinstance(whole, FinalNorm)
    last = whole.states(SEGMENTS, layers=[whole.layer_count])["last"][:, 0]
    normed = whole.final_norm(last)
    assert normed.shape == last.shape
    assert largest_change(last, normed) > VISIBLE


def test_a_cut_backbone_refuses_the_final_norm(case: BackboneCase) -> None:
    cut = case.open(DETECT_PROMPT, 1)
    assert isinstance(cut, FinalNorm)
    with pytest.raises(BackboneError, match="cut"):
        cut.final_norm(np.zeros((1, cut.width), np.float32))


def test_opened_again_it_gives_the_same_bits(case: BackboneCase, whole: Backbone) -> None:
    again = case.open(DETECT_PROMPT, None)
    assert again.fingerprint == whole.fingerprint
    found, expected = (
        b.states(SEGMENTS[:2], layers=all_layers(whole), readings=READINGS) for b in (again, whole)
    )
    for reading in READINGS:
        np.testing.assert_array_equal(found[reading], expected[reading])


def labelled_by(backbone: Backbone) -> list[LabelledStates]:
    """Six clips, every second one moving, each read as one segment at three layers."""
    clips = [moving_square(seed=n, speed=7 * (n % 2)) for n in range(10, 16)]
    depth = backbone.layer_count
    layers = tuple(sorted({1, max(1, depth // 2), depth}))
    rows = backbone.states(clips, layers=layers)["last"]
    return [
        LabelledStates(
            f"clip {n}", n % 2, f"source {n}", states_of(backbone, row[None], layers), None
        )
        for n, row in enumerate(rows)
    ]


def states_of(backbone: Backbone, values: NDArray[np.float32], layers: tuple[int, ...]) -> States:
    count = len(values)
    return States(
        values=values,
        layers=layers,
        start_seconds=np.arange(count, dtype=np.float64),
        end_seconds=np.arange(count, dtype=np.float64) + 1,
        reading="last",
        fingerprint=backbone.fingerprint,
        layer_count=backbone.layer_count,
        failed=np.zeros(count, np.bool_),
    )


def test_a_saved_probe_and_one_fitted_again_give_the_same_scores(
    case: BackboneCase, whole: Backbone, tmp_path: Path
) -> None:
    """Backbone and probe are opened from their folders, then all is fitted once more."""
    Probe(folds=2).fit(labelled_by(whole)).save(tmp_path)
    again, loaded = case.open(DETECT_PROMPT, None), Probe.load(tmp_path)
    refit = Probe(folds=2).fit(labelled_by(again))
    assert loaded.fingerprint_ == refit.fingerprint_ == again.fingerprint
    assert (loaded.layer_, loaded.threshold_) == (refit.layer_, refit.threshold_)
    for name, values in loaded.scorer_.arrays().items():
        np.testing.assert_array_equal(values, refit.scorer_.arrays()[name])
    found = []
    cut = case.open(DETECT_PROMPT, loaded.layer_)  # as detection loads it
    for backbone, probe in ((cut, loaded), (again, refit)):
        layers = (probe.layer_,)
        values = backbone.states(SEGMENTS, layers=layers)["last"]
        found.append(probe.detect(states_of(backbone, values, layers)).scores)
    np.testing.assert_array_equal(found[0], found[1])
    assert len(set(found[0].tolist())) == len(SEGMENTS)


def test_clips_of_mixed_lengths_together_are_as_alone(whole: Backbone) -> None:
    mixed = [SEGMENTS[0], moving_square(seed=5, frames=3), SEGMENTS[2]]
    together = whole.states(mixed, layers=all_layers(whole), readings=READINGS)
    for place, segment in enumerate(mixed):
        alone = whole.states([segment], layers=all_layers(whole), readings=READINGS)
        for reading in READINGS:
            np.testing.assert_allclose(
                together[reading][place], alone[reading][0], rtol=1e-4, atol=1e-4
            )


def test_visual_mean_at_the_embedding_is_the_mean_of_the_visual_tokens(
    case: BackboneCase, whole: Backbone
) -> None:
    still, moving = (case.reference(whole, s)[0] for s in (SEGMENTS[1], SEGMENTS[2]))
    # text embeddings do not depend on the frames, so what differs is what the frames gave
    visual = (still != moving).any(axis=1)
    found = whole.states([SEGMENTS[2]], layers=[0], readings=["visual_mean"])["visual_mean"]
    assert visual.sum() >= len(SEGMENTS[2].frames)
    np.testing.assert_allclose(found[0, 0], moving[visual].mean(axis=0), rtol=1e-4, atol=1e-5)


def test_the_last_visual_token_is_read_at_every_layer(case: BackboneCase, whole: Backbone) -> None:
    still, moving = (case.reference(whole, s) for s in (SEGMENTS[1], SEGMENTS[2]))
    last = int(np.flatnonzero((still[0] != moving[0]).any(axis=1))[-1])
    found = whole.states([SEGMENTS[2]], layers=all_layers(whole), readings=["last_visual"])
    np.testing.assert_allclose(found["last_visual"][0], moving[:, last], rtol=1e-4, atol=1e-5)


def test_vision_readings_alone_leave_the_decoder_out(case: BackboneCase) -> None:
    backbone = case.open(DETECT_PROMPT, None)
    beside = backbone.states(SEGMENTS, layers=[1], readings=READINGS)
    case.poison(backbone)  # a decoder that ran would give states that are refused
    alone = backbone.states(SEGMENTS, layers=[1], readings=VISION_READINGS)
    assert set(alone) == set(VISION_READINGS)
    for reading in VISION_READINGS:
        np.testing.assert_array_equal(alone[reading], beside[reading])


def test_vision_changes_are_those_of_the_pictures(whole: Backbone) -> None:
    picture, other = SEGMENTS[0].frames[0], SEGMENTS[0].frames[-1]
    still, once, often = (
        segment_of(frames)
        for frames in (
            [picture] * 8,
            [picture] * 4 + [other] * 4,
            [picture] * 2 + [other] * 2 + [picture] * 2 + [other] * 2,
        )
    )
    found = whole.states([still, once, often], layers=[1], readings=VISION_READINGS)
    mean, most = (found[r][:, 0] for r in ("vision_change_mean", "vision_change_max"))
    # equal pictures in one batch may differ by rounding
    assert np.abs(most[0]).max() < 1e-3 * np.abs(most[1]).max()
    assert largest_change(most[1], most[2]) < VISIBLE
    np.testing.assert_allclose(mean[2], 3 * mean[1], rtol=1e-2, atol=1e-3 * mean[1].max())
    assert (most[1] >= mean[1]).all()
    assert (mean >= 0).all()


def test_the_vision_mean_is_of_all_key_frames(whole: Backbone) -> None:
    picture, other = SEGMENTS[0].frames[0], SEGMENTS[0].frames[-1]
    pure = [segment_of([frame] * 4) for frame in (picture, other)]
    mixed = segment_of([picture] * 2 + [other] * 2)
    found = whole.states([*pure, mixed], layers=[1], readings=["vision_mean"])["vision_mean"]
    np.testing.assert_allclose(
        found[2, 0], found[:2, 0].mean(axis=0), rtol=1e-3, atol=1e-4 * np.abs(found).max()
    )
    assert largest_change(found[0], found[1]) > VISIBLE


def test_cut_at_any_layer_gives_the_same_bits(case: BackboneCase, whole: Backbone) -> None:
    depth = whole.layer_count
    for cut in {1, depth // 2, depth}:
        layers = range(cut + 1)
        expected = whole.states(SEGMENTS[:1], layers=all_layers(whole), readings=READINGS)
        loaded = case.open(DETECT_PROMPT, cut).states(
            SEGMENTS[:1], layers=layers, readings=READINGS
        )
        asked = whole.states(SEGMENTS[:1], layers=layers, readings=READINGS)
        for reading in READINGS:
            np.testing.assert_array_equal(loaded[reading], expected[reading][:, : cut + 1])
            np.testing.assert_array_equal(asked[reading], expected[reading][:, : cut + 1])


def test_one_layer_alone_is_that_layer(whole: Backbone) -> None:
    every = whole.states(SEGMENTS[:1], layers=all_layers(whole))["last"]
    for layer in (0, 1, whole.layer_count):
        alone = whole.states(SEGMENTS[:1], layers=[layer])["last"]
        np.testing.assert_array_equal(alone[:, 0], every[:, layer])


def test_layers_come_in_the_order_asked_for(whole: Backbone) -> None:
    every = whole.states(SEGMENTS[:2], layers=all_layers(whole), readings=READINGS)
    asked = [whole.layer_count, 0, 1, whole.layer_count]
    found = whole.states(SEGMENTS[:2], layers=asked, readings=READINGS)
    for reading in DECODER_READINGS:
        np.testing.assert_array_equal(found[reading], every[reading][:, asked])
    for reading in VISION_READINGS:
        np.testing.assert_array_equal(found[reading], every[reading])


def test_no_segments_give_no_rows(whole: Backbone) -> None:
    found = whole.states([], layers=[1, 0], readings=READINGS)
    assert {found[r].shape for r in DECODER_READINGS} == {(0, 2, whole.width)}
    assert {found[r].shape for r in VISION_READINGS} == {(0, 1, 0)}
    assert {found[r].dtype for r in READINGS} == {np.dtype(np.float32)}


def test_a_batch_is_its_segments_one_by_one(whole: Backbone) -> None:
    together = whole.states(SEGMENTS, layers=all_layers(whole))["last"]
    alone = [whole.states([s], layers=all_layers(whole))["last"] for s in SEGMENTS]
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-4, atol=1e-4)


def test_repeated_key_frames_are_read_as_equal_pictures(whole: Backbone) -> None:
    picture, other = SEGMENTS[0].frames[0], SEGMENTS[0].frames[-1]
    shared = segment_of([picture] * 4 + [other] * 4)
    copies = segment_of([picture.copy() for _ in range(4)] + [other.copy() for _ in range(4)])
    layers = [whole.layer_count]
    np.testing.assert_allclose(
        whole.states([shared], layers=layers)["last"],
        whole.states([copies], layers=layers)["last"],
        rtol=1e-4,
        atol=1e-4,
    )


def test_the_order_of_frames_matters(whole: Backbone) -> None:
    forward = SEGMENTS[2]
    backward = segment_of(list(reversed(forward.frames)))
    layers = [whole.layer_count]
    there = whole.states([forward], layers=layers)["last"]
    back = whole.states([backward], layers=layers)["last"]
    assert largest_change(there, back) > VISIBLE


PROMPTS = (DETECT_PROMPT, "What moves?", "What moves? Is it dark in here, or only late?")
"""The second one is how the third begins."""


def test_several_prompts_in_one_look_give_what_each_gives_alone(
    case: BackboneCase, whole: Backbone
) -> None:
    assert isinstance(whole, PromptsBackbone)
    mixed = [SEGMENTS[0], SEGMENTS[1], moving_square(seed=5, frames=3), SEGMENTS[2]]
    asked = {"layers": all_layers(whole), "readings": READINGS}
    found = whole.states_by_prompt(mixed, prompts=PROMPTS, **asked)
    assert tuple(found) == PROMPTS
    for prompt in PROMPTS:
        alone = case.open(prompt, None)
        assert replace(whole.fingerprint, prompt=prompt) == alone.fingerprint
        wanted = alone.states(mixed, **asked)
        for reading in DECODER_READINGS:
            np.testing.assert_allclose(
                found[prompt][reading], wanted[reading], rtol=1e-4, atol=1e-4, err_msg=reading
            )
        for reading in VISION_READINGS:
            np.testing.assert_array_equal(found[prompt][reading], wanted[reading])
    for one, other in pairwise(PROMPTS):
        for reading in ("last", "prompt_mean"):
            ends = (found[p][reading][:, -1] for p in (one, other))
            assert largest_change(*ends) > VISIBLE, reading


def test_a_prompt_alone_gives_the_same_bits_by_either_call(whole: Backbone) -> None:
    assert isinstance(whole, PromptsBackbone)
    asked = {"layers": all_layers(whole), "readings": READINGS}
    expected = whole.states(SEGMENTS, **asked)
    for prompts in ([DETECT_PROMPT], [DETECT_PROMPT] * 2):
        found = whole.states_by_prompt(SEGMENTS, prompts=prompts, **asked)[DETECT_PROMPT]
        for reading in READINGS:
            np.testing.assert_array_equal(found[reading], expected[reading])


def test_a_prompt_gives_the_same_bits_whatever_others_it_is_asked_with(whole: Backbone) -> None:
    assert isinstance(whole, PromptsBackbone)
    asked = {"layers": [whole.layer_count, 1], "readings": READINGS}
    first = whole.states_by_prompt(SEGMENTS, prompts=PROMPTS, **asked)
    for others in (PROMPTS[::-1], PROMPTS[1:], ("What is it?", *PROMPTS[2:], *PROMPTS[1:2])):
        found = whole.states_by_prompt(SEGMENTS, prompts=others, **asked)
        for prompt in set(others) & set(PROMPTS):
            for reading in READINGS:
                np.testing.assert_array_equal(found[prompt][reading], first[prompt][reading])


def test_what_stands_before_several_prompts_is_read_once(
    case: BackboneCase, whole: Backbone
) -> None:
    assert isinstance(whole, DecoderBackbone)
    lengths: list[int] = []

    def count(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        lengths.append((given[0] if given else named["hidden_states"]).shape[1])

    hook = whole.stack.layers[0].register_forward_pre_hook(count, with_kwargs=True)
    try:
        for prompt in PROMPTS:
            whole.states_by_prompt(SEGMENTS, prompts=[prompt], layers=[1])
        alone = lengths.copy()
        lengths.clear()
        whole.states_by_prompt(SEGMENTS, prompts=PROMPTS, layers=[1])
    finally:
        hook.remove()
    if not case.shares:
        assert lengths == alone
        return
    before, *behind = lengths
    assert [before + rest for rest in behind] == alone
    assert before >= len(SEGMENTS[0].frames) // 2


@pytest.mark.parametrize("frames", [1, 2])
def test_few_key_frames_are_enough(whole: Backbone, frames: int) -> None:
    segment = moving_square(seed=4, frames=frames)
    values = whole.states([segment], layers=[whole.layer_count], readings=READINGS)
    assert all(np.isfinite(v).all() for v in values.values())


def test_fingerprint_is_that_of_the_whole_model(case: BackboneCase, whole: Backbone) -> None:
    cut = case.open(DETECT_PROMPT, 1)
    assert cut.fingerprint == whole.fingerprint
    assert cut.layer_count == whole.layer_count
    assert case.open("Another question?", 1).fingerprint.digest != whole.fingerprint.digest


@pytest.mark.parametrize("beyond", [1, 100])
def test_a_layer_that_does_not_exist_is_refused(whole: Backbone, beyond: int) -> None:
    with pytest.raises(StatesError, match="layers"):
        whole.states(SEGMENTS[:1], layers=[1, whole.layer_count + beyond])


def test_a_negative_layer_is_refused(whole: Backbone) -> None:
    with pytest.raises(StatesError, match="-1"):
        whole.states(SEGMENTS[:1], layers=[-1])


def test_a_layer_above_the_cut_is_refused(case: BackboneCase) -> None:
    with pytest.raises(StatesError, match="loaded"):
        case.open(DETECT_PROMPT, 1).states(SEGMENTS[:1], layers=[2])


def test_states_that_are_not_finite_are_refused(case: BackboneCase) -> None:
    broken = case.open(DETECT_PROMPT, 1)
    case.poison(broken)
    with pytest.raises(StatesError, match="not finite"):
        broken.states(SEGMENTS[:1], layers=[1])


def test_words_are_the_same_each_time(whole: Backbone) -> None:
    frames = SEGMENTS[2].frames
    asked = ("What is seen?", "What happens?", "Describe it.")  # random weights may fall silent
    first, again = (
        [whole.describe(frames, prompt=prompt, max_new_tokens=12) for prompt in asked]
        for _ in range(2)
    )
    assert first == again
    assert any(first)


def test_reading_states_leaves_the_words_as_they_were(whole: Backbone) -> None:
    frames = SEGMENTS[0].frames
    before = whole.describe(frames, prompt="What is seen?", max_new_tokens=8)
    whole.states(SEGMENTS[:1], layers=[1])
    assert whole.describe(frames, prompt="What is seen?", max_new_tokens=8) == before


def test_a_cut_backbone_refuses_to_describe(case: BackboneCase) -> None:
    with pytest.raises(BackboneError, match="cut"):
        case.open(DETECT_PROMPT, 1).describe(SEGMENTS[0].frames, prompt="What is seen?")
