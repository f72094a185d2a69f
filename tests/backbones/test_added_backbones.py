"""A package of someone else adds a backbone by an entry point, and ours need no change for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hiprobe.backbones.interface import Backbone
from hiprobe.backbones.registry import get_backbone, list_backbones, open_backbone
from hiprobe.errors import BackboneError, UsageError
from hiprobe.probe import Probe
from hiprobe.spec import BackboneSpec, spec_of

sys.path.append(str(Path(__file__).parents[1] / "zero_label"))
import answering

MODULE = '''
"""Brightness of the key frames as hidden states: no weights, no torch."""

import numpy as np

from hiprobe.fingerprint import Fingerprint

WIDTH = 4


class Brightness:
    layer_count, width = 2, WIDTH

    def __init__(self, spec):
        self.fingerprint = Fingerprint(
            model="brightness", weights="none", dtype="float32", prompt=spec.text, settings={}
        )

    def states(self, segments, *, layers, readings=("last",)):
        rows = np.zeros((len(segments), len(layers), WIDTH), np.float32)
        for row, segment in zip(rows, segments):
            means = [float(frame.mean()) / 255 for frame in segment.frames]
            for values, layer in zip(row, layers):
                values[:] = [np.mean(means), np.max(means), np.min(means), 0.1 * layer]
        return {reading: rows for reading in readings}

    def describe(self, frames, *, prompt, max_new_tokens=64, speech=None, frame_seconds=None):
        return "bright" if np.mean([f.mean() for f in frames]) > 128 else "dark"


def open_it(spec):
    return Brightness(spec)


def open_nothing(spec):
    return object()
'''


def write_package(
    folder: Path, *, name: str = "bright-backbone", entries: dict[str, str], module: str = MODULE
) -> Path:
    """A package as pip leaves it: a module, and a folder of metadata beside it."""
    about = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    about.mkdir(parents=True)
    lines = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.2"]
    lines += ["Summary: brightness as states", "License-Expression: MIT"]
    (about / "METADATA").write_text("\n".join(lines) + "\n")
    names = "".join(f"{key} = {value}\n" for key, value in entries.items())
    (about / "entry_points.txt").write_text(f"[hiprobe.backbones]\n{names}")
    (folder / f"{name.replace('-', '_')}.py").write_text(module)
    return folder


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    entries = {
        "brightness": "bright_backbone:open_it",
        "nothing": "bright_backbone:open_nothing",
        "absent": "bright_backbone_absent:open_it",
        "lite": "bright_backbone:open_it",
    }
    folder = write_package(tmp_path / "site", entries=entries)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *sys.path]))
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HIPROBE_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    return folder


def run(*words: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "hiprobe", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_it_goes_by_name_from_fit_to_detect(tmp_path: Path) -> None:
    for kind, level in (("normal", 20), ("abnormal", 220)):
        for number in range(6):
            answering.write_video(Path("clips") / kind / f"{number}.mp4", [level + number])
    answering.write_video(Path("v.mp4"), [20, 220])
    done = run("fit", "clips", "-o", "probe", "--backbone", "brightness")
    assert done.returncode == 0, done.stderr
    assert Probe.load("probe").backbone_spec().name == "brightness"
    done = run("detect", "probe", "v.mp4", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert "1 event" in done.stdout + done.stderr
    done = run("extract", "clips", "-o", "states", "--backbone", "brightness", "--layers", "1,2")
    assert done.returncode == 0, done.stderr
    done = run("doctor", "--backbone", "brightness")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 layers of width 4" in done.stdout


def test_it_is_listed_without_being_imported() -> None:
    done = run("backbones", "--json")
    assert done.returncode == 0, done.stderr
    listed = {entry["name"]: entry for entry in json.loads(done.stdout)["backbones"]}
    entry = listed["brightness"]
    assert (entry["summary"], entry["licence"], entry["place"], entry["on_disk"]) == (
        "bright-backbone 1.2: brightness as states", "MIT", "package", True
    )  # fmt: skip
    assert entry["parameters"] is None and entry["flops"] is None
    assert set(entry) == set(listed["lite"])
    assert "absent" in listed  # what cannot be imported neither breaks the list nor is hidden
    row = next(ln for ln in run("backbones").stdout.splitlines() if ln.startswith("brightness "))
    assert row.split() == ["brightness", "package", *["-"] * 6, "MIT"]


def test_it_opens_in_python_and_says_how_it_was_opened(tmp_path: Path) -> None:
    backbone = open_backbone("brightness", prompt="motion")
    assert isinstance(backbone, Backbone)
    assert spec_of(backbone) == BackboneSpec("brightness", prompt="motion")
    with pytest.raises(UsageError, match="nothing to fetch"):
        get_backbone("brightness")
    with pytest.raises(BackboneError, match="did you mean brightness"):
        open_backbone("brightnes")


def test_a_model_folder_is_opened_by_the_package_that_knows_its_type(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "mine"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "brightness"}')
    opened = open_backbone(folder)
    assert opened.fingerprint.model == "brightness"
    assert spec_of(opened) == BackboneSpec(str(folder))


def test_a_name_of_ours_stays_ours() -> None:
    info = list_backbones()[0]
    assert (info.name, info.place) == ("lite", None)
    assert [i.name for i in list_backbones()].count("lite") == 1


def test_what_a_package_does_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackboneError, match=r"bright-backbone 1\.2 cannot be loaded.*Module"):
        open_backbone("absent")
    with pytest.raises(BackboneError, match="gave a object, which is no backbone"):
        open_backbone("nothing")
    entries = {"brightness": "other_backbone:open_it"}
    other = write_package(tmp_path / "other", name="other-backbone", entries=entries)
    monkeypatch.syspath_prepend(str(other))
    with pytest.raises(BackboneError, match="both add 'brightness'"):
        list_backbones()
