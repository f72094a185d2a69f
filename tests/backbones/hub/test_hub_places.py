"""Finding models on this disk: HiProbe's folder, and the cache of the hub's client."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hub_server import HUB
from safetensors.numpy import save_file

from hiprobe.backbones.model_folders import is_complete, is_hub_id, locate, own_folder
from hiprobe.backbones.registry import get_backbone, list_backbones, open_backbone
from hiprobe.errors import BackboneError

INTERNVL = "OpenGVLab/InternVL2_5-8B"


def write_whole(folder: Path) -> Path:
    folder.mkdir(parents=True)
    save_file({"x": np.zeros(3, np.float32)}, folder / "model.safetensors")
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_text("{}")
    return folder


def hub_cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def test_nothing_is_found_in_empty_folders(cache: Path) -> None:
    assert locate(HUB) is None
    assert not any(info.on_disk for info in list_backbones() if info.hub)


def test_a_copied_folder_without_a_record_is_found(cache: Path) -> None:
    folder = write_whole(own_folder(HUB))
    found = locate(HUB)
    assert found is not None
    assert (found.folder, found.place) == (folder, "hiprobe")
    said: list[str] = []
    assert get_backbone(HUB, say=said.append) == folder  # without a network
    assert "its hashes are not checked" in said[0]
    (folder / "model.safetensors").unlink()
    assert locate(HUB) is None


def test_a_snapshot_in_the_hub_cache_is_found_and_not_fetched_again(cache: Path) -> None:
    snapshot = write_whole(hub_cache() / "models--OpenGVLab--InternVL2_5-8B/snapshots/abc")
    assert get_backbone("internvl2.5-8b") == snapshot
    listed = {info.name: info for info in list_backbones()}
    assert listed["internvl2.5-8b"].place == "hub cache"
    assert listed["internvl2.5-8b"].folder == snapshot
    assert not listed["internvl2.5-4b"].on_disk


def test_the_main_branch_goes_before_newer_snapshots_and_whole_before_cut_off(cache: Path) -> None:
    repository = hub_cache() / "models--somebody--tiny-model"
    main, newer, cut_off = (
        write_whole(repository / "snapshots" / name) for name in ("main0", "newer", "cut")
    )
    (cut_off / "model.safetensors").unlink()
    for age, folder in ((30, main), (20, newer), (10, cut_off)):
        os.utime(folder, (1e9 - age, 1e9 - age))
    found = locate(HUB)
    assert found is not None
    assert found.folder == newer  # no branch is known: the newest whole one
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("main0")
    found = locate(HUB)
    assert found is not None
    assert found.folder == main


def test_config_tokenizer_and_weights_make_a_model_complete(tmp_path: Path) -> None:
    folder = write_whole(tmp_path / "model")
    assert is_complete(folder)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        data = (folder / name).read_bytes()
        (folder / name).unlink()
        assert not is_complete(folder)
        (folder / name).write_bytes(data)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a/b", True), ("Open-GV/Intern.VL_2", True), ("a", False), ("../b", False), ("a/b/c", False)],
)
def test_hub_ids(text: str, expected: bool) -> None:
    assert is_hub_id(text) == expected


@pytest.mark.parametrize("name", ["internvl2.5-8b", "InternVL2.5-8B", INTERNVL])
def test_a_missing_model_says_how_to_get_it(cache: Path, name: str) -> None:
    with pytest.raises(BackboneError) as raised:
        open_backbone(name)
    text = str(raised.value)
    assert f"`hiprobe backbones get {name}` fetches it, about 16.2 GB" in text
    assert str(own_folder(INTERNVL)) in text
    assert "--backbone FOLDER" in text
