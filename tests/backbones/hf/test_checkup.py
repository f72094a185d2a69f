"""`doctor --backbone`: a sound model passes, a model that is not sound is told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from hiprobe.backbones.checkup import check_backbone, drawn_frames
from hiprobe.backbones.hf.hf_load import load_hf
from hiprobe.cli.app import app


def test_the_drawn_frames_hold_both_colours_and_a_motion() -> None:
    frames = drawn_frames()
    assert len(frames) == 8
    for frame in frames:
        pixels = frame.reshape(-1, 3)
        assert ((pixels[:, 0] > 200) & (pixels[:, 1] < 50)).sum() > 3000
        assert ((pixels[:, 2] > 200) & (pixels[:, 0] < 50)).sum() > 3000
    assert not np.array_equal(frames[0], frames[1])


@pytest.mark.parametrize("family", ["internvl", "qwen3_vl"])
def test_a_sound_model_is_reported_line_by_line(
    model_folder: Callable[[str], Path], family: str
) -> None:
    folder = model_folder(family)
    backbone = load_hf(folder, dtype="float32")
    found = {f.name: f for f in check_backbone(backbone, folder=folder)}
    assert list(found) == [
        *("weights", "states", "picture", "caption"),
        *("a segment to layer 2", "a segment to the last layer", "memory"),
    ]
    assert found["weights"].level == "ok"
    assert "billion parameters in float32" in found["weights"].text
    assert "4 layers of width 32, all finite" in found["states"].text
    assert found["picture"].level == "ok"
    assert found["caption"].level == "note"  # random weights name no colour
    assert "TFLOP/s" in found["a segment to layer 2"].text


def test_a_model_that_does_not_see_is_told(
    model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "blind"
    shutil.copytree(model_folder("internvl"), folder)
    tensors = load_file(folder / "model.safetensors")
    for name, tensor in tensors.items():
        if "multi_modal_projector.linear_2" in name:
            tensor.zero_()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    backbone = load_hf(folder, dtype="float32")
    found = {f.name: f for f in check_backbone(backbone, folder=folder)}
    assert found["picture"].level == "missing"
    assert "does not see the frames" in found["picture"].remedy


def test_the_command_ends_with_what_is_wrong(
    model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "incomplete"
    shutil.copytree(model_folder("internvl"), folder)
    tensors = load_file(folder / "model.safetensors")
    del tensors[sorted(tensors)[0]]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    result = CliRunner().invoke(app, ["doctor", "--backbone", str(folder)])
    assert result.exit_code == 8
    assert "1 tensors are missing" in result.output
    result = CliRunner().invoke(app, ["doctor", "--backbone", str(model_folder("internvl"))])
    assert result.exit_code == 0
    assert "none is missing" in result.output
    assert "caption: a red disc" in result.output
    in_bfloat16 = ["doctor", "--backbone", str(model_folder("internvl")), "--dtype", "bfloat16"]
    assert "parameters in bfloat16" in CliRunner().invoke(app, in_bfloat16).output
    result = CliRunner().invoke(app, ["doctor", "--dtype", "bfloat16"])
    assert result.exit_code == 2
    assert "go with --backbone" in result.output
