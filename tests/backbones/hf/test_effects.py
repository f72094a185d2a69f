"""Cheaper ways of running a backbone: what they change, and that it is measured."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from backbone_cases import moving_square
from hf_models import CONFIGS, LAYERS

from hiprobe.backbones.comparison import effect_between, states_effect, timed_states
from hiprobe.backbones.hf import pictures
from hiprobe.backbones.hf.hf_load import load_hf
from hiprobe.backbones.registry import open_backbone
from hiprobe.errors import BackboneError, StatesError, UsageError
from hiprobe.spec import BackboneSpec

SEGMENTS = [moving_square(seed=1), moving_square(seed=3, speed=7)]
ALL = tuple(range(1, LAYERS + 1))
Folder = Callable[[str], Path]
needs_torchao = pytest.mark.skipif(
    importlib.util.find_spec("torchao") is None,
    reason="torchao is not installed: pip install 'hiprobe[quantised]'",
)


def float32(folder: Path) -> BackboneSpec:
    return BackboneSpec.of_folder(folder, dtype="float32", device="cpu")


def test_the_same_backbone_twice_differs_in_nothing(model_folder: Folder) -> None:
    backbone = load_hf(model_folder("internvl"), dtype="float32")
    read = timed_states(backbone, SEGMENTS, layers=ALL)
    effect = effect_between(read, read, score=lambda r: r.values[:, -1].sum(1))
    assert effect.relative == (0.0,) * LAYERS
    assert effect.cosine == pytest.approx((1.0,) * LAYERS)
    assert effect.score_change == 0.0


def test_an_effect_is_the_distance_over_the_length(model_folder: Folder) -> None:
    exact, short = (load_hf(model_folder("qwen2_5_vl"), dtype=d) for d in ("float32", "bfloat16"))
    reads = (timed_states(b, SEGMENTS, layers=ALL) for b in (exact, short))
    effect = effect_between(*reads, score=lambda r: r.values[:, -1, 0])
    # one by one, as the effect reads them: in bfloat16 a batch may round otherwise
    one, other = (
        np.concatenate([b.states([s], layers=ALL)["last"] for s in SEGMENTS])
        for b in (exact, short)
    )
    by_hand = np.linalg.norm(one - other, axis=2) / np.linalg.norm(one, axis=2)
    np.testing.assert_allclose(effect.relative, by_hand.mean(axis=0), rtol=1e-5)
    assert effect.score_change == pytest.approx(np.abs(one - other)[:, -1, 0].max(), rel=1e-5)


def test_nothing_to_compare_is_refused(model_folder: Folder) -> None:
    backbone = load_hf(model_folder("internvl"))
    with pytest.raises(StatesError, match="0 segments"):
        timed_states(backbone, [], layers=[1])


@pytest.mark.parametrize("family", CONFIGS)
def test_the_faster_resize_is_another_fingerprint_and_other_states(
    model_folder: Folder, family: str
) -> None:
    trained, area = (load_hf(model_folder(family), resize=r) for r in (None, "area"))
    assert "resize_by" not in trained.fingerprint.settings
    assert area.fingerprint.settings["resize_by"] == "area"
    usual = float32(model_folder(family))
    effect = states_effect(usual, replace(usual, resize="area"), SEGMENTS, layers=[1, LAYERS])
    assert all(0 < value < 0.5 for value in effect.relative)


def test_area_is_the_mean_of_what_a_pixel_covers() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    scale = pictures.read_scale({}, defaults=pictures.HALVES, resize_by="area")
    made = scale.resize(frame, height=16, width=24).astype(int)
    expected = frame.reshape(16, 4, 24, 4, 3).mean(axis=(1, 3))
    assert np.abs(made - expected).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("options", [{"dtype": "int4"}, {"resize": "nearest"}, {"quantise": "x"}])
def test_unknown_names_are_refused_before_anything_is_read(options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="choose one of"):
        open_backbone("no/such-model", **options)


def test_a_probe_is_used_in_the_format_it_was_fitted_in(model_folder: Folder) -> None:
    made = load_hf(model_folder("internvl"), dtype="bfloat16", resize="area").fingerprint
    like = BackboneSpec().like(made)
    assert (like.dtype, like.resize, like.quantise) == ("bfloat16", "area", None)
    assert BackboneSpec(dtype="float32").like(made).dtype == "float32"
    again = open_backbone(model_folder("internvl"), dtype=like.dtype, resize=like.resize)
    assert again.fingerprint == made


@pytest.mark.skipif(importlib.util.find_spec("torchao") is not None, reason="torchao is here")
def test_without_torchao_its_formats_say_what_to_install(model_folder: Folder) -> None:
    with pytest.raises(BackboneError, match=r"hiprobe\[quantised\]"):
        load_hf(model_folder("internvl"), quantise="int8")


@needs_torchao
@pytest.mark.parametrize(("quantise", "most"), [("int8", 0.1), ("fp8", 0.4)])
@pytest.mark.parametrize("family", CONFIGS)
def test_one_byte_weights_give_near_states_under_their_own_fingerprint(
    model_folder: Folder, family: str, quantise: str, most: float
) -> None:
    usual = float32(model_folder(family))
    effect = states_effect(usual, replace(usual, quantise=quantise), SEGMENTS, layers=ALL)
    assert all(0 < value < most for value in effect.relative)
    backbone = load_hf(model_folder(family), dtype="float32", quantise=quantise)
    assert backbone.fingerprint.settings["quantise"] == quantise
    weight = backbone.decoder.layers[0].mlp.down_proj.weight
    assert weight.qdata.element_size() == 1


@needs_torchao
def test_a_cut_model_in_one_byte_is_the_uncut_one(model_folder: Folder) -> None:
    folder = model_folder("internvl")
    whole, cut = (
        load_hf(folder, dtype="float32", quantise="int8", cut_at_layer=at) for at in (None, 2)
    )
    assert whole.fingerprint == cut.fingerprint
    found, expected = (b.states(SEGMENTS, layers=[1, 2])["last"] for b in (cut, whole))
    np.testing.assert_array_equal(found, expected)
