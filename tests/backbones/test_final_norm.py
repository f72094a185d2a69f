"""States of the last layer behind the final norm, against the formula of the norm."""

from __future__ import annotations

from pathlib import Path

import backbone_cases
import numpy as np
import pytest
import torch

from hiprobe.backbones.interface import FinalNorm
from hiprobe.backbones.lite.lite_model import load_lite
from hiprobe.errors import BackboneError


def test_the_lite_backbone_offers_its_norm(tmp_path: Path) -> None:
    trained = backbone_cases.write_tiny_lite(tmp_path)
    backbone = load_lite(tmp_path, trained=trained)
    assert isinstance(backbone, FinalNorm)
    norm = backbone.decoder.model.norm
    weight = np.linspace(0.5, 2.0, backbone.width, dtype=np.float32)
    norm.weight.data = torch.from_numpy(weight)
    segments = [backbone_cases.moving_square(seed=s) for s in (1, 2)]
    states = backbone.states(segments, layers=[backbone.layer_count])["last"][:, 0]
    x = states.astype(np.float64)
    scale = np.sqrt(np.square(x).mean(axis=1, keepdims=True) + norm.variance_epsilon)
    expected = x / scale * weight
    found = backbone.final_norm(states)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_cut_decoder_has_no_final_norm_to_offer(tmp_path: Path) -> None:
    trained = backbone_cases.write_tiny_lite(tmp_path)
    backbone = load_lite(tmp_path, trained=trained, cut_at_layer=1)
    with pytest.raises(BackboneError, match="cut"):
        backbone.final_norm(np.zeros((1, backbone.width), np.float32))
