"""The benchmark's random models: every family of the catalogue, scaled down, runs as measured."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hiprobe.backbones.catalogue import CatalogueEntry, find_entry
from hiprobe.backbones.cost import count_segment
from hiprobe.backbones.hf import random_model
from hiprobe.backbones.hf.random_model import random_backbone
from hiprobe.backbones.shape import GridTower
from hiprobe.backbones.usual_ways import LibraryModel, check_equal, positions_of
from hiprobe.bench.large import measure_large
from hiprobe.errors import BackboneError, StatesError
from hiprobe.pipeline.measured_rate import noise_segments

sys.path.append(str(Path(__file__).resolve().parents[3] / "scripts"))
import write_costs

NAMES = (
    *("internvl2.5-8b", "internvl3.5-8b", "smolvlm2-256m"),
    *("qwen2.5-vl-7b", "qwen3-vl-8b", "llava-onevision-7b"),
)
SMALL_DECODER = {
    "hidden_size": 256,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 300,
}
SMALL_TOWER = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_heads": 4,
    "depth": 2,
    "fullatt_block_indexes": [1],
    "deepstack_visual_indexes": [0, 1],
    "out_hidden_size": 256,
}


def small(name: str) -> CatalogueEntry:
    """An entry of the catalogue with fewer and narrower layers and small pictures."""
    entry = find_entry(name)
    assert entry is not None
    config: dict[str, Any] = dict(entry.config)
    for key, sizes in (
        ("vision_config", SMALL_TOWER),
        ("text_config", SMALL_DECODER),
        ("llm_config", SMALL_DECODER),
    ):
        if key in config:
            part = config[key]
            config[key] = {**part, **{k: v for k, v in sizes.items() if k in part}}
    config["vision_config"] = _small_pictures(config["vision_config"])
    if "force_image_size" in config:
        config["force_image_size"] //= 4
    tower = entry.shape.tower
    least = tower.least_pixels if isinstance(tower, GridTower) else None
    shape = write_costs.shape_of_config(write_costs.library_config(config), least_pixels=least)
    return replace(entry, config=config, shape=shape)


def _small_pictures(vision: dict[str, Any]) -> dict[str, Any]:
    """A quarter of the edge, where the size is fixed."""
    size = vision.get("image_size")
    if size is None:
        return vision
    return {**vision, "image_size": [s // 4 for s in size] if isinstance(size, list) else size // 4}


@pytest.mark.parametrize("name", NAMES)
def test_a_random_model_takes_the_tokens_that_are_counted(name: str) -> None:
    entry = small(name)
    backbone = random_backbone(entry, device="cpu", dtype=torch.float32)
    (segment,) = noise_segments(1, seed=1, frame_pixels=(60, 80))
    prepared = backbone.prepare(
        segment.frames, prompt=backbone.prompt, frame_seconds=segment.frame_offsets_seconds
    )
    visual = int(backbone.family.is_visual(torch.tensor([prepared.ids])).sum())
    counted = count_segment(entry.shape, frame_pixels=(60, 80)).visual_tokens
    assert visual in (counted, counted - 1)  # LLaVA-OneVision's line break shows nothing
    # one block for a video has no frame labels; SmolVLM2's frames each have a time of five tokens
    assert 10 < prepared.length - visual < 130
    assert positions_of(backbone, segment) == prepared.length
    states = backbone.states([segment], layers=[1, 3])["last"]
    assert states.shape == (1, 2, 256)
    assert np.isfinite(states).all()
    cut = random_backbone(entry, device="cpu", dtype=torch.float32, cut_at_layer=1)
    assert cut.states([segment], layers=[1])["last"].shape == (1, 1, 256)
    assert cut.layer_count == 3


@pytest.mark.parametrize("name", NAMES)
def test_the_usual_ways_give_the_same_states(name: str) -> None:
    backbone = random_backbone(small(name), device="cpu", dtype=torch.float32)
    (segment,) = noise_segments(1, seed=1, frame_pixels=(60, 80))
    assert check_equal(LibraryModel(backbone), segment) < 1e-4


def test_other_states_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = random_backbone(small("smolvlm2-256m"), device="cpu", dtype=torch.float32)
    (segment,) = noise_segments(1, seed=1, frame_pixels=(60, 80))
    library, plain = LibraryModel(backbone), backbone.states
    monkeypatch.setattr(
        backbone, "states", lambda *a, **k: {"last": plain(*a, **k)["last"] + np.float32(0.1)}
    )
    with pytest.raises(StatesError, match="differ between HiProbe and the library"):
        check_equal(library, segment)


def test_a_model_that_is_not_here_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path))
    monkeypatch.setattr(random_model, "find_entry", lambda name: small("smolvlm2-256m"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    found = random_model.open_or_build("smolvlm2-256m")
    assert found.is_random and found.shape is not None
    assert found.backbone.layer_count == 3
    monkeypatch.setattr(random_model, "find_entry", lambda name: None)
    with pytest.raises(BackboneError, match="neither a known name nor a folder"):
        random_model.open_or_build("smolvlm2-265m")


def test_large_models_are_measured_whole_and_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hiprobe.bench.large.find_entry", small)
    rows = list(
        measure_large(
            device="cpu",
            product_flops=1e12,
            turns=1,
            say=lambda _: None,
            names=("qwen2.5-vl-7b",),
            batches=(1, 2),
        )
    )
    assert [(row.layer, row.batch) for row in rows] == [(2, 1), (2, 2), (3, 1), (3, 2)]
    assert all(0 < r.share_of_floor < 1 and r.segments_a_second > 0 for r in rows)
    assert [r.batch_distance is None for r in rows] == [True, False, True, False]
    assert all(r.cut_distance is None for r in rows[:2])
    assert rows[3].cut_distance == 0.0 and rows[3].batch_distance < 1e-4
