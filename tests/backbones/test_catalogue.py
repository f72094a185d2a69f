"""The models known by name: facts that fit together, and published sizes."""

from __future__ import annotations

import re

import pytest

from hiprobe.backbones.catalogue import catalogue, find_entry
from hiprobe.backbones.cost import weight_bytes

PUBLISHED_GB = {
    # sizes of the files on the hub's pages, and of the tables of InternVL's documentation
    "internvl2.5-2b": 4.41,
    "internvl3-1b": 1.8,
    "internvl3-2b": 4.2,
    "internvl3-8b": 15.9,
    "internvl3-14b": 30.2,
    "internvl3-38b": 76.8,
    "smolvlm2-256m": 1.03,
    "smolvlm2-500m": 2.03,
}
PUBLISHED_BILLIONS = {
    # total parameters in the table of InternVL's repository
    "internvl3.5-1b": 1.1,
    "internvl3.5-2b": 2.3,
    "internvl3.5-4b": 4.7,
    "internvl3.5-8b": 8.5,
    "internvl3.5-14b": 15.1,
    "internvl3.5-38b": 38.4,
}


def test_the_models_that_users_come_for_are_there() -> None:
    names = {entry.name for entry in catalogue()}
    assert {
        f"internvl2.5-{size}" for size in ("1b", "2b", "4b", "8b", "26b", "38b", "78b")
    } <= names
    assert {"holmes-vau-2b", "qwen2.5-vl-7b", "llava-onevision-7b", "qwen3-vl-8b"} <= names
    assert {"internvl3-8b", "internvl3.5-8b", "smolvlm2-256m", "smolvlm2-2.2b"} <= names


def test_names_and_hub_ids_are_one_to_one_and_well_formed() -> None:
    entries = catalogue()
    assert len({e.name for e in entries}) == len({e.hub.lower() for e in entries}) == len(entries)
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9.-]+", entry.name)
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", entry.hub)
        assert entry.licence
        assert entry.sources


@pytest.mark.parametrize("name", ["internvl2.5-8b", "InternVL2.5-8B", "opengvlab/internvl2_5-8b"])
def test_a_model_is_found_by_name_or_hub_id(name: str) -> None:
    entry = find_entry(name)
    assert entry is not None
    assert entry.hub == "OpenGVLab/InternVL2_5-8B"


def test_what_is_not_known_is_none() -> None:
    assert find_entry("internvl2.5-9b") is None


@pytest.mark.parametrize(("name", "gigabytes"), PUBLISHED_GB.items())
def test_counted_files_are_as_large_as_the_published_ones(name: str, gigabytes: float) -> None:
    entry = find_entry(name)
    assert entry is not None
    assert entry.download_bytes / 1e9 == pytest.approx(
        gigabytes, rel=0.045 if gigabytes < 2 else 0.01
    )


@pytest.mark.parametrize(("name", "billions"), PUBLISHED_BILLIONS.items())
def test_counted_parameters_are_the_published_ones(name: str, billions: float) -> None:
    entry = find_entry(name)
    assert entry is not None
    assert entry.shape.parameters / 1e9 == pytest.approx(billions, abs=0.06)


def test_memory_falls_with_fp8_and_with_the_cut() -> None:
    entry = find_entry("internvl2.5-8b")
    assert entry is not None
    whole, cut = weight_bytes(entry.shape), weight_bytes(entry.shape, layer=20)
    assert whole == 2 * entry.shape.parameters
    assert weight_bytes(entry.shape, fp8=True) < 0.6 * whole
    layer = entry.shape.layer_parameters
    assert entry.shape.head_parameters == 92553 * 4096
    assert whole - cut == 2 * (12 * layer + entry.shape.head_parameters)
