"""Folders, formats, fingerprints: what is loaded, and what is refused."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from backbone_cases import moving_square, segment_of
from hf_models import CONFIGS, LAYERS
from safetensors.torch import load_file, save_file

from hiprobe.backbones.decoder import memory_errors
from hiprobe.backbones.hf import MODEL_TYPES, hardware
from hiprobe.backbones.hf.hardware import (
    WORTH,
    Hardware,
    apple_chip,
    choose_device,
    choose_dtype,
    macos_version,
)
from hiprobe.backbones.hf.hf_load import load_hf
from hiprobe.backbones.hf.weights import weights_digest
from hiprobe.backbones.registry import open_backbone
from hiprobe.errors import BackboneError, BackboneMemoryError

SEGMENT = moving_square(seed=1)
Folder = Callable[[str], Path]


@pytest.fixture
def copied(model_folder: Folder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder("internvl"), tmp_path / "model"))


def test_a_cut_model_holds_neither_upper_layers_nor_head(model_folder: Folder) -> None:
    whole, cut = (load_hf(model_folder("internvl"), cut_at_layer=at) for at in (None, 1))
    assert len(cut.decoder.layers) == 1
    held = {name for name, _ in cut.model.named_parameters()}
    assert not any("lm_head" in name for name in held)
    assert len(held) < len(list(whole.model.named_parameters()))


@pytest.mark.parametrize("family", CONFIGS)
def test_a_folder_is_opened_by_its_type_with_the_network_closed(
    model_folder: Folder, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    backbone = open_backbone(model_folder(family), cut_at_layer=1)
    assert backbone.layer_count == LAYERS
    assert family in MODEL_TYPES


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_frames_of_two_sizes_in_one_batch_are_as_alone(model_folder: Folder, family: str) -> None:
    backbone = load_hf(model_folder(family), dtype="float32")
    small = segment_of([frame[:16, :24].copy() for frame in SEGMENT.frames])
    together = backbone.states([SEGMENT, small, SEGMENT], layers=[LAYERS])["last"]
    alone = [backbone.states([s], layers=[LAYERS])["last"] for s in (SEGMENT, small, SEGMENT)]
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-4, atol=1e-4)
    assert not np.allclose(together[0], together[1])


def test_labels_and_template_stand_in_the_prompt(model_folder: Folder) -> None:
    backbone = load_hf(model_folder("internvl"))
    ids = backbone.prepare(SEGMENT.frames[:2], prompt="What?").ids
    image = f"<img>{'<IMG_CONTEXT>' * 4}</img>"
    assert backbone.wording.tokenizer.decode(ids) == (
        f"<|im_start|>user\nFrame1: {image}\nFrame2: {image}\nWhat?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}User: {{ m['content'] }}<end_of_utterance>\n{% endfor %}Assistant:",
        "{% for m in messages %}User:{% for c in m['content'] %}{% if c['type'] == 'image' %}"
        "<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
        "Assistant:",
    ],
)
def test_templates_of_strings_and_of_lists_keep_the_text(copied: Path, template: str) -> None:
    before = load_hf(copied).fingerprint.digest
    (copied / "chat_template.jinja").write_text(template)
    backbone = load_hf(copied)
    ids = backbone.prepare(SEGMENT.frames[:1], prompt="What's seen?").ids
    text = backbone.wording.tokenizer.decode(ids)
    assert text.startswith("User:")
    assert text.endswith("What's seen?<end_of_utterance>\nAssistant:")
    assert "{" not in text
    assert backbone.fingerprint.digest != before


def test_a_template_that_drops_the_text_is_refused(copied: Path) -> None:
    (copied / "chat_template.jinja").write_text("Assistant:")
    with pytest.raises(BackboneError, match="chat template"):
        load_hf(copied).states([SEGMENT], layers=[1])


def test_the_digest_ignores_how_files_are_split_and_sees_one_tensor(copied: Path) -> None:
    before = weights_digest(copied)
    path = copied / "model.safetensors"
    tensors = load_file(path)
    names = sorted(tensors)
    path.unlink()
    save_file({n: tensors[n] for n in names[:9]}, copied / "model-00001-of-00002.safetensors")
    save_file({n: tensors[n] for n in names[9:]}, copied / "model-00002-of-00002.safetensors")
    assert weights_digest(copied) == before
    tensors[names[-1]] += 1e-3
    save_file({n: tensors[n] for n in names[9:]}, copied / "model-00002-of-00002.safetensors")
    assert weights_digest(copied) != before


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("cut", "cut off"),
        ("empty", "no safetensors file"),
        ("gone", "lacks weights"),
        ("missing tensor", "tensors are missing"),
        ("config", "cannot be loaded"),
        ("pickle", "lacks weights"),
    ],
)
def test_damaged_folders_are_refused_by_name(copied: Path, damage: str, words: str) -> None:
    path = copied / "model.safetensors"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-1000])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "missing tensor":
        save_file(dict(list(load_file(path).items())[:-1]), path, metadata={"format": "pt"})
    elif damage == "config":
        (copied / "config.json").write_text("{")
    else:
        path.unlink()
    if damage == "pickle":
        torch.save({}, copied / "pytorch_model.bin")
    with pytest.raises(BackboneError, match=words):
        load_hf(copied)


def test_a_missing_shard_is_named(copied: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (copied / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(BackboneError, match=r"model-2\.safetensors"):
        load_hf(copied)


def test_formats_and_devices_are_named() -> None:
    cpu = choose_device("cpu")
    expected = torch.bfloat16 if hardware.bfloat16_gain() >= WORTH else torch.float32
    assert choose_dtype(cpu) is expected
    assert choose_dtype(cpu, "float16") is torch.float16
    with pytest.raises(BackboneError, match="int4"):
        choose_dtype(cpu, "int4")
    with pytest.raises(BackboneError, match="toaster"):
        choose_device("toaster")


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Nothing has been measured yet; the folder of what is kept."""
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path))
    hardware._kept_gain.cache_clear()
    yield tmp_path / "rates"
    hardware._kept_gain.cache_clear()


def test_the_gain_of_bfloat16_is_measured_once_and_kept(
    anew: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = iter((1.7, 0.4))
    monkeypatch.setattr(hardware, "_measured_gain", lambda: next(measured))
    for _ in range(2):
        hardware._kept_gain.cache_clear()  # as another process of this machine would find it
        assert [hardware._kept_gain(anew / "a.json") for _ in range(2)] == [1.7, 1.7]
    (anew / "a.json").write_text('{"gain": "much"}')
    hardware._kept_gain.cache_clear()
    assert hardware._kept_gain(anew / "a.json") == 0.4


def test_a_gain_that_cannot_be_kept_is_measured_all_the_same(anew: Path) -> None:
    anew.write_text("a file where the folder belongs")
    assert hardware._kept_gain(anew / "a.json") >= 0.0


def test_the_gain_is_how_many_times_as_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {torch.float32: 1.0, torch.bfloat16: 0.5}
    threads = torch.get_num_threads()
    monkeypatch.setattr(hardware, "_product_seconds", taken.__getitem__)
    assert hardware._measured_gain() == 2.0
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("device", "has", "native"),
    [
        ("mps", Hardware(macos=14, apple_chip=3), True),
        ("mps", Hardware(macos=26, apple_chip=5), True),
        ("mps", Hardware(macos=13, apple_chip=3), False),
        ("mps", Hardware(macos=15, apple_chip=2), False),
        ("mps", Hardware(macos=15), False),
        ("mps", Hardware(macos=13, cpu_gain=2.0, cuda_bfloat16=True), False),
        ("cuda", Hardware(cuda_bfloat16=True), True),
        ("cuda", Hardware(cpu_gain=2.0), False),
        ("cpu", Hardware(cpu_gain=2.0), True),
        ("cpu", Hardware(cpu_gain=1.1), False),
        ("cpu", Hardware(macos=14, apple_chip=4), False),
        ("xpu", Hardware(cuda_bfloat16=True, cpu_gain=2.0), False),
    ],
)
def test_the_format_follows_the_hardware(device: str, has: Hardware, native: bool) -> None:
    chosen = choose_dtype(torch.device(device), hardware=has)
    assert chosen is (torch.bfloat16 if native else torch.float32)
    assert choose_dtype(torch.device(device), "bfloat16", hardware=has) is torch.bfloat16


@pytest.mark.parametrize(
    ("release", "major"), [("14.5", 14), ("26.0.1", 26), ("13", 13), ("", 0), ("unknown", 0)]
)
def test_macos_versions(release: str, major: int) -> None:
    assert macos_version(release) == major


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("Apple M1", 1),
        ("Apple M3 Pro", 3),
        ("Apple M10 Max", 10),
        ("Intel(R) Xeon(R) W-2140B CPU", 0),
        ("", 0),
    ],
)
def test_apple_chips(name: str, number: int) -> None:
    assert apple_chip(name) == number


def test_this_machine_is_looked_at() -> None:
    found = Hardware.here("cpu")
    assert found.cpu_gain == hardware.bfloat16_gain() >= 0.0
    assert Hardware.here("mps").cpu_gain == 0.0
    assert (found.macos > 0) == (sys.platform == "darwin")


def test_memory_that_runs_out_is_one_error() -> None:
    with pytest.raises(BackboneMemoryError, match="smaller"), memory_errors():
        torch.empty(2**60, dtype=torch.uint8)
    with pytest.raises(BackboneMemoryError), memory_errors():
        raise torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(RuntimeError, match="shapes"), memory_errors():
        raise RuntimeError("shapes do not fit")
