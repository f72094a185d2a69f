"""Equal frames are encoded once, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backbone_cases import moving_square, segment_of
from generic_models import GENERIC
from hf_models import CONFIGS, LAYERS
from torch import Tensor

from hiprobe.backbones.hf.hf_load import load_hf
from hiprobe.backbones.hf.pictures import distinct_frames, encode_distinct_frames
from hiprobe.states import READINGS

Folder = Callable[[str], Path]
ONE, TWO = moving_square(seed=1).frames[0], moving_square(seed=2).frames[-1]
STILL = segment_of([ONE, ONE, ONE, TWO, ONE, ONE, TWO, ONE])
COPIES = segment_of([frame.copy() for frame in STILL.frames])
MOVING = moving_square(seed=3, speed=7)
TOWERS = {"smolvlm": "vision_model", "qwen2_5_vl": "visual", "qwen3_vl": "visual"}


def counted(tower: Any) -> list[int]:
    """Frames that the tower's first layer sees, call by call."""
    seen: list[int] = []
    embed = getattr(tower, "patch_embed", None) or getattr(tower, "embeddings", None)
    embed = embed or tower.vision_model.embeddings

    def watch(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        tensor = next(v for v in (*given, *named.values()) if isinstance(v, Tensor))
        seen.append(len(tensor))

    embed.register_forward_pre_hook(watch, with_kwargs=True)
    return seen


@pytest.mark.parametrize("family", [*CONFIGS, *GENERIC])
def test_two_pictures_shown_eight_times_are_encoded_as_often_as_they_differ(
    model_folder: Folder, family: str
) -> None:
    # of Qwen's videos two frames are encoded together: (1, 1), (1, 2), (1, 1), (2, 1)
    still, moving = (3, 4) if family.startswith("qwen") else (2, 8)
    backbone = load_hf(model_folder(family), dtype="float32")
    tower = getattr(backbone.model.model, TOWERS.get(family, "vision_tower"))
    seen = counted(tower)
    layers = range(LAYERS + 1)
    found = backbone.states([STILL], layers=layers, readings=READINGS)
    assert len(seen) == still
    copies = backbone.states([COPIES], layers=layers, readings=READINGS)
    assert len(seen) == 2 * still
    together = backbone.states([STILL, MOVING, COPIES], layers=layers, readings=READINGS)
    assert len(seen) == 3 * still + moving
    for reading in READINGS:
        np.testing.assert_array_equal(copies[reading], found[reading])
        same, other = together[reading][0], together[reading][2]
        # what the tower gave is the same to the last bit; rows of one matrix product need not be
        np.testing.assert_array_equal(same[0], other[0])
        np.testing.assert_allclose(same, other, rtol=1e-5, atol=1e-5 * np.abs(other).max())


@pytest.mark.parametrize("family", [*CONFIGS, *GENERIC])
def test_each_frame_by_itself_is_what_all_of_them_together_give(
    model_folder: Folder, family: str
) -> None:
    backbone = load_hf(model_folder(family), dtype="float32")
    tower = getattr(backbone.model.model, TOWERS.get(family, "vision_tower"))
    once = backbone.states([STILL, MOVING], layers=range(LAYERS + 1))["last"]
    tower.forward = tower.forward.__wrapped__
    plain = backbone.states([STILL, MOVING], layers=range(LAYERS + 1))["last"]
    np.testing.assert_allclose(once, plain, rtol=1e-4, atol=1e-4)


def test_equal_means_equal_in_every_value() -> None:
    one = torch.arange(12.0).reshape(3, 2, 2)
    swapped = one.flip(0)  # the same sum, another picture
    chosen, places = distinct_frames([one, swapped, one.clone(), swapped, one + 1])
    assert chosen == [0, 1, 4]
    assert places == [0, 1, 0, 1, 2]


class Tower(torch.nn.Module):
    """Returns what the library's towers may return, in forms that no family uses today."""

    def forward(self, pixels: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        assert mask is None or len(mask) == len(pixels)
        return pixels.flatten(1), {"none": None, "sums": (pixels.sum((1, 2, 3)),)}


@pytest.mark.parametrize("masked", [True, False])
def test_nested_outputs_come_back_in_the_order_of_the_frames(masked: bool) -> None:
    tower, frames = Tower(), torch.randn(3, 3, 2, 2)[[0, 1, 1, 2, 0]]
    given = {"mask": torch.ones(5, 2)} if masked else {}
    expected = tower(frames, **given)
    encode_distinct_frames(tower)
    found = tower(frames, **given)
    assert torch.equal(found[0], expected[0])
    assert found[1]["none"] is None
    assert torch.equal(found[1]["sums"][0], expected[1]["sums"][0])


def test_calls_of_another_form_go_through_as_they_are() -> None:
    tower = Tower()
    mask = torch.ones(2, 1)
    encode_distinct_frames(tower)
    pixels = torch.randn(2, 3, 2, 2)
    assert torch.equal(tower(pixels, mask)[0], pixels.flatten(1))
