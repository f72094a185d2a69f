"""Model folders of every family, written once for a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from backbone_cases import BackboneCase
from generic_models import GENERIC, write_generic
from hf_models import CONFIGS, write_model
from numpy.typing import NDArray

from hiprobe.backbones.hf.hf_load import load_hf
from hiprobe.backbones.hf.hf_model import HfBackbone, Prepared
from hiprobe.backbones.interface import DETECT_PROMPT, Backbone
from hiprobe.segment import Segment


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family."""
    written: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family in GENERIC and family not in written:
            config, processor = (make() for make in GENERIC[family])
            written[family] = write_generic(tmp_path_factory.mktemp(family), config, processor)
        elif family not in written:
            written[family] = write_model(tmp_path_factory.mktemp(family), family)
        return written[family]

    return folder


BOTH_WAYS = ("qwen2_5_vl", "qwen3_vl", "smolvlm")
"""Families that read frames as a video, unless they are told to read them as pictures."""
CASES = [*CONFIGS, "qwen2_vl", *GENERIC, *(f"{family} pictures" for family in BOTH_WAYS)]


@pytest.fixture(scope="session", params=CASES)
def case(request: pytest.FixtureRequest, model_folder: Callable[[str], Path]) -> BackboneCase:
    """Each family in turn, in each of its ways, for the conformance suite."""
    family, _, way = request.param.partition(" ")
    # half of the layers of gemma3 look back over a window only
    return hf_case(model_folder(family), frames_as=way or None, shares=family != "gemma3")


def hf_case(folder: Path, *, frames_as: str | None = None, shares: bool = True) -> BackboneCase:
    def open_hf(prompt: str = DETECT_PROMPT, cut_at_layer: int | None = None) -> Backbone:
        return load_hf(
            folder,
            prompt=prompt,
            cut_at_layer=cut_at_layer,
            dtype="float32",
            frames_as=frames_as,
        )

    return BackboneCase(open=open_hf, reference=library_states, poison=_poison, shares=shares)


def prepared(backbone: HfBackbone, segment: Segment) -> Prepared:
    """A segment under the backbone's own prompt, with its times."""
    return backbone.prepare(
        segment.frames, prompt=backbone.prompt, frame_seconds=segment.frame_offsets_seconds
    )


@torch.inference_mode()
def library_states(backbone: Backbone, segment: Segment) -> NDArray[np.float32]:
    """The library's own hidden states of `generate`, the last without its norm."""
    assert isinstance(backbone, HfBackbone)
    inputs = backbone.inputs([prepared(backbone, segment)])
    taken: list[torch.Tensor] = []
    hook = backbone.decoder.norm.register_forward_pre_hook(lambda _, given: taken.append(given[0]))
    try:
        made = backbone.model.generate(
            **inputs,
            attention_mask=torch.ones_like(inputs["input_ids"]),
            max_new_tokens=1,
            do_sample=False,
            output_hidden_states=True,
            return_dict_in_generate=True,
        )
    finally:
        hook.remove()
    states = [*made.hidden_states[0][:-1], taken[0]]
    return np.stack([state[0].float().numpy() for state in states])


def _poison(backbone: Backbone) -> None:
    assert isinstance(backbone, HfBackbone)
    with torch.no_grad():
        backbone.decoder.layers[0].mlp.down_proj.weight[0, 0] = float("nan")
