"""How a backbone is opened, from options of the command line down to the fingerprint."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

sys.path.append(str(Path(__file__).parents[2] / "pipeline"))
from pipeline_parts import write_video

from hiprobe.backbones.registry import open_backbone
from hiprobe.cli.app import app
from hiprobe.pipeline.reading import ExtractionSettings
from hiprobe.pipeline.source import ReadPlan, open_source

Folder = Callable[[str], Path]


def extract(folder: Path, tmp_path: Path, *options: str) -> Result:
    video = write_video(tmp_path / "v.mp4", frames=48)
    asked = ["extract", str(video), "-o", str(tmp_path / "out"), "--layers", "2", "--no-cache"]
    return CliRunner().invoke(app, [*asked, "--backbone", str(folder), *options])


def test_options_reach_the_states_and_their_fingerprint(
    model_folder: Folder, tmp_path: Path
) -> None:
    folder = model_folder("smolvlm")
    options = {"dtype": "bfloat16", "resize": "area", "frames_as": "pictures"}
    asked = [p for name, value in options.items() for p in (f"--{name.replace('_', '-')}", value)]
    done = extract(folder, tmp_path, *asked, "--device", "cpu")
    assert done.exit_code == 0, done.output
    made = next((tmp_path / "out").rglob("*.safetensors"))
    backbone = open_backbone(folder, **options)
    plan = ReadPlan(backbone, ExtractionSettings(layers=(2,)))
    (found,) = open_source(made).states(plan)
    states = found.states["last"]
    assert states.fingerprint == backbone.fingerprint
    assert states.fingerprint.dtype == "bfloat16"
    assert states.fingerprint.settings["resize_by"] == "area"
    assert states.fingerprint.settings["frames_as"] == "pictures"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dtype", "int4"], "int4"),
        (["--quantise", "int2"], "int2"),
        (["--device", "toaster"], "toaster"),
        (["--resize", "nearest"], "nearest"),
        (["--frames-as", "film"], "film"),
        (["--frames-as", "pictures"], "reads them as video"),
    ],
)
def test_unknown_names_are_refused(
    model_folder: Folder, tmp_path: Path, options: list[str], words: str
) -> None:
    done = extract(model_folder("internvl"), tmp_path, *options)
    assert done.exit_code != 0
    assert words in done.output
    assert "Traceback" not in done.output
