"""BackboneSpec: one value from the command line to the model, and back to words."""

from __future__ import annotations

import pickle
import shlex
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from hiprobe.backbones.registry import open_backbone
from hiprobe.baselines.attention_heads import HeadsView
from hiprobe.cli import options
from hiprobe.cli.session_options import SessionOptions
from hiprobe.errors import UsageError
from hiprobe.prompts import PRESETS
from hiprobe.spec import CHOICES, OPTIONS, BackboneSpec, spec_of

NAMES = ("lite", "owner/name", "/models/with space", "/models/$HOME `x`", "./-o", "Modell-ü")
PROMPTS = (
    *PRESETS,
    "Is it 'odd' or \"not\"?",
    "Cost: $5; rm -rf *",
    "`ls` \\ what?",
    "zwei\nZeilen ist das",
)


def any_spec(rng: np.random.Generator) -> BackboneSpec:
    """Each field by chance left open, so that words are left out too."""
    values = {"name": NAMES, "prompt": PROMPTS, "device": ("cpu", "cuda:1"), **CHOICES}
    return BackboneSpec(**{
        name: str(rng.choice(np.array(own, dtype=object))) if rng.random() < 0.6 else None
        for name, own in values.items()
    })  # fmt: skip


def parsed(words: list[str]) -> BackboneSpec:
    """What a command that reads videos makes of some words."""
    seen: list[SessionOptions] = []

    @click.command()
    @options.how_to_read()
    def read(how: SessionOptions) -> None:
        seen.append(how)

    done = CliRunner().invoke(read, words)
    assert done.exit_code == 0, done.output
    return seen[0].backbone


def test_its_words_read_again_give_an_equal_spec() -> None:
    rng = np.random.default_rng(0)
    for spec in (any_spec(rng) for _ in range(100)):
        assert parsed(spec.command_words()) == spec
        assert parsed(shlex.split(str(spec))) == spec


def test_what_is_not_chosen_is_left_out() -> None:
    assert BackboneSpec().command_words() == []
    spec = BackboneSpec("lite", prompt="motion", frames_as="video")
    assert spec.command_words() == [
        "--backbone", "lite", "--prompt", "motion", "--frames-as", "video"
    ]  # fmt: skip


def test_every_field_but_the_layer_has_an_option() -> None:
    assert {f.name for f in fields(BackboneSpec)} - set(OPTIONS) == {"cut_at_layer"}


def test_it_is_frozen_compared_and_pickled() -> None:
    rng = np.random.default_rng(1)
    for spec in (any_spec(rng) for _ in range(20)):
        assert pickle.loads(pickle.dumps(spec)) == spec
        assert len({spec, replace(spec)}) == 1
    with pytest.raises(FrozenInstanceError):
        spec.name = "lite"  # type: ignore[misc]


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_out_of_its_names_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} 'x' is unknown; choose one of"):
        BackboneSpec(**{name: "x"})  # type: ignore[arg-type]


def test_a_negative_layer_is_refused() -> None:
    with pytest.raises(UsageError, match="layer -1"):
        BackboneSpec(cut_at_layer=-1)


def test_what_is_open_is_taken_from_another() -> None:
    known = BackboneSpec("a/b", dtype="float16", device="cuda", quantise="int8")
    chosen = BackboneSpec(dtype="float32", frames_as="pictures")
    assert chosen.over(known) == BackboneSpec(
        "a/b", dtype="float32", device="cuda", quantise="int8", frames_as="pictures"
    )


def test_an_opened_backbone_says_how_it_was_opened_wherever_one_stands(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_model.parent)
    opened = BackboneSpec(tiny_model.name, dtype="float32", resize="area").open()
    assert spec_of(opened) == BackboneSpec(str(tiny_model), dtype="float32", resize="area")
    assert spec_of(HeadsView(opened)) == spec_of(opened)
    monkeypatch.chdir(tmp_path)
    again = spec_of(opened).open()  # type: ignore[union-attr]
    assert again.fingerprint == opened.fingerprint


def test_a_folder_is_not_taken_for_a_name(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lite").symlink_to(tiny_model)
    monkeypatch.chdir(tmp_path)
    opened = open_backbone(Path("lite"))
    assert opened.fingerprint.model != "lite"
    assert spec_of(opened) == BackboneSpec(str(tmp_path / "lite"))


def test_it_loads_nothing_heavy_before_it_opens() -> None:
    code = "import hiprobe.spec, hiprobe.provenance, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "av"} & set(done.stdout.split())
