"""No command loses an option of the backbone on the way to the model."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from hiprobe.cli.app import app
from hiprobe.cli.reproduce import reproduce
from hiprobe.cli.session_options import spec_of_options
from hiprobe.errors import BackboneError
from hiprobe.probe import Probe
from hiprobe.spec import OPTIONS, BackboneSpec

sys.path.append(str(Path(__file__).parents[1] / "zero_label"))
import answering

CHOSEN = BackboneSpec(
    "some/model", "What is odd?", None, "float16", "cpu", "area", "int8", "pictures"
)
ARGUMENTS = {
    "fit": ("clips", "-o", "out"),
    "layers": ("clips", "-o", "out"),
    "extract": ("clips", "-o", "out"),
    "detect": ("probe", "v.mp4", "-o", "out"),
    "calibrate": ("probe", "v.mp4", "--false-alarms", "1/hour"),
    "zero-label": ("v.mp4", "-o", "out"),
    "demo": ("--clips", "clips", "-o", "out"),
    "reproduce": ("table4", "--data", "clips", "-o", "out"),
    "doctor": (),
    "backbones compare": ("some/model", "v.mp4"),
    "plan": ("v.mp4", "--measure"),
}
"""Words that bring each command to the point where it opens a backbone."""


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} ")
        else:
            yield before + name, command


def offered(command: click.Command) -> set[str]:
    return {o for p in command.params for o in p.opts} & set(OPTIONS.values())


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for kind, level in (("normal", 20), ("abnormal", 200)):
        for number in range(6):
            answering.write_video(Path("clips") / kind / f"{number}.mp4", [level + number])
    answering.write_video(Path("v.mp4"), [20, 220])
    return tmp_path


def test_every_command_with_such_options_is_tried_here() -> None:
    with_backbone = {name for name, c in commands(app) if offered(c) - {"--backbone"}}
    assert with_backbone == set(ARGUMENTS)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_all_that_a_command_offers_reaches_the_backbone(
    name: str, place: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in ("detect", "calibrate"):
        assert run("fit", "clips", "-o", "probe", "--backbone", tiny_model).exit_code == 0
    seen: list[BackboneSpec] = []

    def opened(spec: BackboneSpec, **_: object) -> object:
        seen.append(spec)
        raise BackboneError("seen")

    monkeypatch.setattr(BackboneSpec, "open", opened)
    monkeypatch.setattr("hiprobe.backbones.registry.backbone_folder", lambda name, **_: place)
    options = offered(dict(commands(app))[name])
    chosen = {f: getattr(CHOSEN, f) for f, option in OPTIONS.items() if option in options}
    done = run(*name.split(), *ARGUMENTS[name], *BackboneSpec(**chosen).command_words())
    assert seen, done.output
    assert {f: getattr(seen[0], f) for f in chosen} == chosen
    assert {"dtype", "device", "quantise", "resize", "frames_as"} <= set(chosen)


def test_reproduce_reads_and_names_what_was_asked_for(place: Path, tiny_model: Path) -> None:
    asked = BackboneSpec(
        str(tiny_model), "Is it odd, or not?", None, "bfloat16", "cpu", "area", None, "pictures"
    )
    words = ("--seeds", 1, "--folds", 2, "--draws", 5, "--segment-seconds", 0.123456789)
    done = run("reproduce", "table4", "--data", "clips", *asked.command_words(), *words)
    assert done.exit_code == 0, done.output
    document = json.loads(Path("hiprobe-reproduce/table4/result.json").read_text())
    made = asked.open().fingerprint
    assert (made.dtype, made.settings["resize_by"]) == ("bfloat16", "area")
    assert document["backbone"] == f"{made.model}, {made.dtype}, fingerprint {made.digest}"
    printed = shlex.split(document["command"])
    assert printed[:3] == ["hiprobe", "reproduce", "table4"]
    params = reproduce.make_context("reproduce", printed[2:]).params
    assert params["segment_seconds"] == 0.123456789
    # where the folder lies is not published
    assert spec_of_options(params) == BackboneSpec(
        tiny_model.name, "Is it odd, or not?", None, "bfloat16", "cpu", "area", None, "pictures"
    )
    assert str(tiny_model.parent) not in document["command"]


def test_a_model_of_the_hub_keeps_its_owner_in_the_printed_command(place: Path) -> None:
    from hiprobe.reproduce.request import DataSource, ReproduceRequest
    from hiprobe.reproduce.run_experiments import command_words

    data = (DataSource("a", Path("a b/c.csv"), ("no fight",)), DataSource("b", Path("d")))
    words = command_words(ReproduceRequest(data, place, BackboneSpec("owner/name")), "table4")
    params = reproduce.make_context("reproduce", words[2:]).params
    assert params["data"] == (Path("a b/c.csv"), Path("d")) and "no fight" in params["normal"]
    assert spec_of_options(params) == BackboneSpec("owner/name")
    assert shlex.split(shlex.join(words)) == words


def test_a_probe_is_read_again_as_it_was_fitted(
    place: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = BackboneSpec(str(tiny_model), dtype="float32", resize="area", frames_as="pictures")
    done = run("fit", "clips", "-o", "probe", *made.command_words(), "--prompt", "motion")
    assert done.exit_code == 0, done.output
    spec = Probe.load("probe").backbone_spec()
    assert spec.over(made) == spec and spec.open().fingerprint == Probe.load("probe").fingerprint_
    done = run("detect", "probe", "v.mp4", "-o", "out")
    assert done.exit_code == 0, done.output
