"""Several prompts over the same pictures ask the vision tower once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backbone_cases import moving_square
from hf_models import CONFIGS

from hiprobe.backbones.hf.hf_load import load_hf
from hiprobe.backbones.hf.hf_model import vision_once
from hiprobe.states import READINGS, VISION_READINGS


class Counting:
    """Counts the calls of a module."""

    def __init__(self, module: Any) -> None:
        self.calls = 0
        module.register_forward_pre_hook(self._count)

    def _count(self, *_: object) -> None:
        self.calls += 1


def tower(model: Any) -> Any:
    names = ("vision_tower", "vision_model", "visual")
    return next(getattr(model, name) for name in names if hasattr(model, name))


@pytest.mark.parametrize("family", CONFIGS)
def test_three_prompts_look_once(family: str, model_folder: Callable[[str], Path]) -> None:
    backbone = load_hf(model_folder(family), dtype="float32")
    counted = Counting(tower(backbone.model.model))
    segments = [moving_square(seed=1)]
    backbone.states(segments, layers=[1])
    once, counted.calls = counted.calls, 0
    assert once >= 1
    prompts = ("What is it?", "Is it moving?", "Where does it go then?")
    backbone.states_by_prompt(segments, prompts=prompts, layers=[1], readings=READINGS)
    assert counted.calls == once
    counted.calls = 0
    backbone.states(segments, layers=[1], readings=VISION_READINGS)
    assert counted.calls == once
    counted.calls = 0
    backbone.states(segments, layers=[1])
    assert counted.calls == once, "the block leaves nothing behind"


def test_a_block_within_another_leaves_that_one_as_it_was(
    model_folder: Callable[[str], Path],
) -> None:
    backbone = load_hf(model_folder("internvl"), dtype="float32")
    counted = Counting(tower(backbone.model.model))
    segments = [moving_square(seed=1)]
    backbone.states(segments, layers=[1])
    once, counted.calls = counted.calls, 0
    with backbone.looked_at_once():
        for _ in range(3):
            backbone.states(segments, layers=[1])
    assert counted.calls == once
    backbone.states(segments, layers=[1])
    assert counted.calls == 2 * once


def test_an_error_in_the_block_leaves_the_model_as_it_was() -> None:
    class Model:
        def get_image_features(self, value: int) -> int:
            return value

    model = Model()
    with pytest.raises(RuntimeError), vision_once(model):
        assert (model.get_image_features(1), model.get_image_features(2)) == (1, 1)
        raise RuntimeError
    assert model.get_image_features(2) == 2
