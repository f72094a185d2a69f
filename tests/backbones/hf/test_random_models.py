"""The benchmark's random models: every family of the catalogue, scaled down, runs as measured."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from hiprobe.backbones.catalogue import CatalogueEntry, find_entry
from hiprobe.backbones.cost import count_segment
from hiprobe.backbones.shape import GridTower

sys.path.append(str(Path(__file__).resolve().parents[3] / "scripts"))
import write_costs

BENCHMARKS = str(Path(__file__).resolve().parents[3] / "benchmarks")
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


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import measure
    import random_model

    yield random_model, measure
    for name in ("measure", "random_model"):
        sys.modules.pop(name, None)


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
def test_a_random_model_takes_the_tokens_that_are_counted(
    benchmarks: tuple[ModuleType, ModuleType], name: str
) -> None:
    random_model, _ = benchmarks
    entry = small(name)
    backbone = random_model.random_backbone(entry, device="cpu", dtype=torch.float32)
    segment = random_model.random_segment(height=60, width=80, seed=1)
    prepared = backbone.prepare(
        segment.frames, prompt=backbone.prompt, frame_seconds=segment.frame_offsets_seconds
    )
    visual = int(backbone.family.is_visual(torch.tensor([prepared.ids])).sum())
    counted = count_segment(entry.shape, frame_pixels=(60, 80)).visual_tokens
    assert visual in (counted, counted - 1)  # LLaVA-OneVision's line break shows nothing
    # one block for a video has no frame labels; SmolVLM2's frames each have a time of five tokens
    assert 10 < prepared.length - visual < 130
    states = backbone.states([segment], layers=[1, 3])["last"]
    assert states.shape == (1, 2, 256)
    assert np.isfinite(states).all()
    cut = random_model.random_backbone(entry, device="cpu", dtype=torch.float32, cut_at_layer=1)
    assert cut.states([segment], layers=[1])["last"].shape == (1, 1, 256)
    assert cut.layer_count == 3


def test_the_ways_on_a_cpu_are_timed_in_turn(
    benchmarks: tuple[ModuleType, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, measure = benchmarks
    monkeypatch.setattr(measure, "entry_of", lambda name: small(name))
    said: list[str] = []
    rows = list(measure.cpu_rows(repeats=1, seed=0, say=said.append))
    assert len(rows) == 8
    assert all(len(row["seconds"]) == 1 and min(row["seconds"]) > 0 for row in rows)
    assert {row["dtype"] for row in rows} == {"float32", "bfloat16"}
    assert measure.gemm_tflops(size=64, device="cpu", dtype=torch.float32, repeats=2) > 0


def test_large_models_are_measured_whole_and_cut(
    benchmarks: tuple[ModuleType, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, measure = benchmarks
    monkeypatch.setattr(measure, "entry_of", lambda name: small(name))
    monkeypatch.setattr(measure, "GPU_MODELS", ("qwen2.5-vl-7b",))
    rows = list(
        measure.large_rows(
            device="cpu", batches=(1, 2), repeats=1, seed=0, peak_tflops=1.0, say=lambda _: None
        )
    )
    assert len(rows) == 2 * 2  # depths, batches
    assert {row["layer"] for row in rows} == {2, 3}
    assert all(0 < row["fraction"] < 1 and row["segments_a_second"] > 0 for row in rows)
