"""Weights in oneDNN's order give what plain ones give, which serve where oneDNN is missing."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from backbone_cases import segment_of, write_tiny_lite

from hiprobe.backbones.lite import lite_model, packed
from hiprobe.backbones.lite.lite_model import LiteBackbone, load_lite
from hiprobe.backbones.lite.packed import PackedLinear, PackedVision, can_pack
from hiprobe.backbones.lite.parts import EfficientNetLite0
from hiprobe.segment import Segment
from hiprobe.states import READINGS

needs_packing = pytest.mark.skipif(not can_pack(), reason="torch has no oneDNN here")


def segments(count: int) -> list[Segment]:
    frames = np.random.default_rng(0).integers(0, 256, (count, 8, 48, 64, 3), np.uint8)
    return [segment_of(list(pictures)) for pictures in frames]


@pytest.fixture(scope="module")
def plain_and_packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[LiteBackbone, LiteBackbone]:
    folder = tmp_path_factory.mktemp("lite")
    trained = write_tiny_lite(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lite_model, "can_pack", lambda: False)
        plain = load_lite(folder, trained=trained)
    return plain, load_lite(folder, trained=trained)


@needs_packing
def test_states_are_those_of_the_plain_parts(
    plain_and_packed: tuple[LiteBackbone, LiteBackbone],
) -> None:
    plain, packed_one = plain_and_packed
    assert isinstance(plain.vision, EfficientNetLite0)
    assert isinstance(packed_one.vision, PackedVision)
    assert isinstance(packed_one.stack.layers[0].mlp.up_proj, PackedLinear)
    layers = range(plain.layer_count + 1)
    want = plain.states(segments(3), layers=layers, readings=READINGS)
    found = packed_one.states(segments(3), layers=layers, readings=READINGS)
    for reading in READINGS:
        distance = np.linalg.norm(found[reading] - want[reading], axis=-1)
        assert (distance < 1e-4 * np.linalg.norm(want[reading], axis=-1)).all(), reading
    assert plain.fingerprint == packed_one.fingerprint


@needs_packing
def test_weights_come_back_in_the_usual_order(
    plain_and_packed: tuple[LiteBackbone, LiteBackbone],
) -> None:
    plain, packed_one = (backbone.decoder.state_dict() for backbone in plain_and_packed)
    assert plain.keys() == packed_one.keys()
    assert all(torch.equal(plain[name], packed_one[name]) for name in plain)


@needs_packing
def test_a_copy_reads_as_the_first_does(
    plain_and_packed: tuple[LiteBackbone, LiteBackbone],
) -> None:
    first = plain_and_packed[1]
    one, other = (b.states(segments(2), layers=[2]) for b in (first, deepcopy(first)))
    np.testing.assert_array_equal(one["last"], other["last"])


@needs_packing
@pytest.mark.parametrize("pixels", [100, 63])
def test_sides_that_do_not_halve_are_padded_alike(pixels: int) -> None:
    torch.manual_seed(0)
    net = EfficientNetLite0().eval()
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    net.fold_norms()
    pictures = torch.rand(2, 3, pixels, pixels) * 2 - 1
    with torch.inference_mode():
        want, found = net(pictures), PackedVision(net, pixels=pixels)(pictures)
    for a, b in zip(found, want, strict=True):
        assert a.shape == b.shape
        assert float((a - b).abs().max()) < 1e-4 * float(b.abs().max())


def test_a_torch_without_the_operations_reads_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_reorder'")

    monkeypatch.setattr(packed, "_matrix", missing)
    can_pack.cache_clear()
    try:
        assert not can_pack()
    finally:
        can_pack.cache_clear()


def test_a_trainable_decoder_hands_gradients_on(tmp_path: Path) -> None:
    trained = write_tiny_lite(tmp_path)
    backbone = load_lite(tmp_path, trained=trained, trainable=True)
    embedded = torch.randn(1, 4, backbone.width, requires_grad=True)
    backbone.stack(inputs_embeds=embedded).last_hidden_state.sum().backward()
    assert embedded.grad is not None and float(embedded.grad.abs().max()) > 0
