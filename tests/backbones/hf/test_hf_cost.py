"""Parameters and operations counted from shapes, against the models and torch's own counter."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hf_models import CONFIGS, random_model
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForImageTextToText, InternVLForConditionalGeneration

from hiprobe.backbones.catalogue import CatalogueEntry, catalogue, find_entry, stored_shapes
from hiprobe.backbones.cost import count_segment
from hiprobe.backbones.hf.families import build_family
from hiprobe.backbones.hf.family import Parts
from hiprobe.backbones.hf.measured import measured_shape
from hiprobe.backbones.shape import Shape

sys.path.append(str(Path(__file__).resolve().parents[3] / "scripts"))
import write_costs

ONE_OF_EACH = (
    *("internvl2.5-2b", "internvl2.5-26b", "internvl3-1b", "internvl3.5-1b", "smolvlm2-256m"),
    *("qwen2.5-vl-3b", "qwen3-vl-2b", "qwen3-vl-8b", "llava-onevision-7b", "smolvlm2-2.2b"),
)


def entry_of(name: str) -> CatalogueEntry:
    entry = find_entry(name)
    assert entry is not None
    return entry


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_parameters_are_those_of_the_model(name: str) -> None:
    entry = entry_of(name)
    config = write_costs.library_config(entry.config)
    is_original = entry.config["model_type"] == "internvl_chat"
    kind = InternVLForConditionalGeneration if is_original else AutoModelForImageTextToText
    build = kind if is_original else kind.from_config
    with torch.device("meta"):
        model = build(config)
    assert sum(p.numel() for p in model.parameters()) == entry.shape.parameters


def test_what_is_stored_is_what_the_script_measures() -> None:
    measured = write_costs.measured_shapes()
    assert measured == stored_shapes()
    assert list(measured) == ["lite", *(entry.name for entry in catalogue())]


WAYS = [*((kind, None) for kind in CONFIGS), ("qwen2_5_vl", "pictures"), ("qwen3_vl", "pictures")]
"""Families and the way in which frames are shown; None for the default one."""


def family_and_shape(kind: str, way: str | None, frame: tuple[int, int]) -> tuple[Any, Shape, Any]:
    config = CONFIGS[kind]()
    settings = {"min_pixels": 64, "max_pixels": 448 * 448 * 3} if kind.startswith("qwen") else {}
    family = build_family(Parts(config, settings, settings, lambda i: f"<{i}>"), frames_as=way)
    shape = write_costs.shape_of_config(config, least_pixels=64, least_video_pixels=64)
    frames = [np.full((*frame, 3), n, np.uint8) for n in range(3)]
    return family, shape, family.read(frames, (0.0, 0.1, 0.2))


@pytest.mark.parametrize("frame", [(24, 40), (33, 50), (700, 500)])
@pytest.mark.parametrize(("kind", "way"), WAYS)
def test_visual_tokens_are_those_of_the_prompt(
    kind: str, way: str | None, frame: tuple[int, int]
) -> None:
    family, shape, pictures = family_and_shape(kind, way, frame)
    cost = count_segment(shape, frames=3, frame_pixels=frame, frames_as=way or "video")
    assert pictures.lead.count(f"<{family.visual_token}>") == cost.visual_tokens


@pytest.mark.parametrize("frame", [(24, 40), (33, 50)])
@pytest.mark.parametrize(("kind", "way"), WAYS)
def test_operations_are_those_that_torch_counts(
    kind: str, way: str | None, frame: tuple[int, int]
) -> None:
    family, shape, pictures = family_and_shape(kind, way, frame)
    config = CONFIGS[kind]()
    config._attn_implementation = "eager"  # so that torch sees attention as plain products
    model = random_model(config)
    model.set_attn_implementation("eager")
    frames_as = way or "video"
    count = count_segment(
        shape, frames=3, frame_pixels=frame, text_positions=5, frames_as=frames_as
    )
    ids = torch.tensor([_ids(pictures.lead, family.visual_token, length=count.positions)])
    inputs = {"input_ids": ids, **pictures.tensors}
    if family.token_types:
        inputs[family.token_types] = (ids == family.visual_token).int() * family.token_type
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        model.model(**inputs, use_cache=False)
    assert counter.get_total_flops() == count.flops


def _ids(lead: str, visual: int, *, length: int) -> list[int]:
    """The visual tokens of a prompt, one other token wherever they are interrupted, and more."""
    runs = re.findall(rf"(?:<{visual}>)+", lead)
    ids = [1]
    for run in runs:
        ids += [*[visual] * run.count(f"<{visual}>"), 1]
    assert len(ids) <= length
    return ids + [1] * (length - len(ids))


def test_a_family_whose_tower_is_not_known_is_not_counted() -> None:
    config = CONFIGS["internvl"]()
    model = random_model(config)
    assert measured_shape(model) is not None
    config.model_type = "another"
    assert measured_shape(model) is None
