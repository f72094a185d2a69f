"""The lite backbone's training, a few steps of each part: it goes on where it was stopped."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

TRAINING = Path(__file__).parents[2] / "training"
SUBJECTS = ("brown dog", "red bicycle", "small child", "green boat")
PLACES = ("grass", "street", "beach")

Script = Callable[..., None]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures with captions, laid out as Flickr8k is; two are held out by their number."""
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "images").mkdir()
    rng, lines = np.random.default_rng(0), ["image,caption"]
    for number, (subject, place) in enumerate((s, p) for s in SUBJECTS for p in PLACES):
        picture = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / "images" / f"{number:02d}.png"), picture)
        lines.append(f"{number:02d}.png,A {subject} on the {place} .")
    (folder / "captions.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Runs one of the training scripts in this process."""
    monkeypatch.syspath_prepend(str(TRAINING))
    import features
    import first
    import train

    monkeypatch.setattr(features, "PART", 4)
    monkeypatch.setattr(train, "CHECKPOINT_STEPS", 2)
    modules = {"features": features, "first": first, "train": train}

    def run(name: str, *arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        modules[name].main()

    return run


def test_from_photographs_to_weights_that_the_package_reads(
    script: Script,
    photographs: Path,
    lite_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch
    from safetensors.torch import load_file

    import train
    from hiprobe.backbones.lite.lite_model import load_lite
    from words import trained_of

    def features(what: str, clips: int) -> None:
        script("features", what, *given, "--out", tmp_path / what, "--clips", clips)

    def trained(name: str) -> None:
        batches = ("--batch", 4, "--stills-batch", 4, "--stills-share", 0.5)
        start = ("--start", tmp_path / "first", "--out", tmp_path / name)
        script("train", *material, *start, "--steps", 4, "--rank", 2, *batches)

    model = ("--model", lite_folder)
    given = (*model, "--photographs", photographs)
    clips = [tmp_path / "scenes", tmp_path / "clips"]
    material = ("--clips", *clips, "--stills", tmp_path / "stills", *model)
    features("stills", 8)
    features("clips", 4)
    features("scenes", 4)
    script("first", *material, "--out", tmp_path / "first", "--steps", 2, "--batch", 4)
    trained("whole")

    plain, taken = train.step_once, []

    def stopped_after_two(*parts: object, **named: object) -> float:
        if len(taken) == 2:
            raise KeyboardInterrupt
        taken.append(1)
        loss: float = plain(*parts, **named)
        return loss

    monkeypatch.setattr(train, "step_once", stopped_after_two)
    with pytest.raises(KeyboardInterrupt):
        trained("stopped")
    monkeypatch.setattr(train, "step_once", plain)
    trained("stopped")

    whole, gone_on = (
        load_file(tmp_path / n / "projector.safetensors") for n in ("whole", "stopped")
    )
    begun = load_file(tmp_path / "first" / "projector.safetensors")
    assert whole.keys() == gone_on.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(tensor, gone_on[name], rtol=0, atol=2e-3, msg=name)
    assert any(not torch.equal(tensor, whole[name]) for name, tensor in begun.items())
    read = load_lite(lite_folder, trained=trained_of(tmp_path / "whole"))
    assert read.fingerprint != load_lite(lite_folder).fingerprint


def test_features_of_a_part_that_is_there_are_not_made_again(
    script: Script, lite_folder: Path, tmp_path: Path
) -> None:
    script("features", "scenes", "--model", lite_folder, "--out", tmp_path, "--clips", 4)
    part = tmp_path / "part-000000.npy"
    made = part.stat().st_mtime_ns
    script("features", "scenes", "--model", lite_folder, "--out", tmp_path, "--clips", 8)
    assert part.stat().st_mtime_ns == made
    assert np.load(tmp_path / "part-000004.npy").shape == np.load(part).shape


def test_the_heads_do_no_better_than_chance_where_states_say_nothing_of_the_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(TRAINING))
    import torch

    from kind_heads import KindHeads

    torch.manual_seed(0)
    kinds = torch.arange(40) % 4
    heads = KindHeads(width=4, kinds=4)
    for head in heads.heads:  # a head that multiplies by ten reads a state that names its kind
        torch.nn.init.zeros_(head[2].bias)
        head[2].weight.data.copy_(10 * torch.eye(4))
    told = heads.eval()([torch.nn.functional.one_hot(kinds, 4).float()] * 31, kinds)
    for head in heads.heads:
        torch.nn.init.zeros_(head[2].weight)
    untold = heads([torch.randn(40, 4)] * 31, kinds)
    assert untold.item() == pytest.approx(np.log(4), abs=1e-5)
    assert told.item() < 0.1
