"""A family of models in a file of another package, found by its entry point."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from backbone_cases import moving_square
from safetensors.torch import save_file

from hiprobe.backbones.hf.families import is_known, register_family
from hiprobe.backbones.registry import open_backbone
from hiprobe.errors import BackboneError

MODULE = '''
"""A family of its own name in InternVL's form, whose frames stand in the prompt without labels."""

from dataclasses import replace

from transformers import AutoConfig, AutoModelForImageTextToText, InternVLConfig
from transformers import InternVLForConditionalGeneration

from hiprobe.backbones.hf.families import build_family


class OddConfig(InternVLConfig):
    model_type = "oddvl"


class OddModel(InternVLForConditionalGeneration):
    config_class = OddConfig


AutoConfig.register("oddvl", OddConfig)
AutoModelForImageTextToText.register(OddConfig, OddModel)


def plain(parts):
    values = parts.config.to_dict()
    config = InternVLConfig(**{k: v for k, v in values.items() if k != "model_type"})
    family = build_family(replace(parts, config=config))

    def read(frames, offsets):
        pictures = family.read(frames, offsets)
        return replace(pictures, lead=pictures.lead.replace("Frame", ""))

    return replace(family, read=read, settings={**family.settings, "odd": True})


WAYS = {"pictures": plain}
'''


@pytest.fixture
def odd_folder(
    tmp_path: Path, model_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A model folder of the added family; the package is installed, as far as Python can tell."""
    about = tmp_path / "site" / "oddvl-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: oddvl\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[hiprobe.families]\noddvl = hiprobe_oddvl:WAYS\n")
    (tmp_path / "site" / "hiprobe_oddvl.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    folder, source = tmp_path / "model", model_folder("internvl")
    folder.mkdir()
    for path in source.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    tensors = open_backbone(source, dtype="float32").model.state_dict()  # type: ignore[attr-defined]
    save_file({k: v.clone() for k, v in tensors.items()}, folder / "model.safetensors")
    config = json.loads((source / "config.json").read_text())
    config |= {"model_type": "oddvl", "architectures": ["OddModel"]}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_family_of_another_package_is_read_by_its_own_way(
    odd_folder: Path, model_folder: Callable[[str], Path]
) -> None:
    odd = open_backbone(odd_folder, dtype="float32")
    known = open_backbone(model_folder("internvl"), dtype="float32")
    made = odd.fingerprint
    assert (made.model, made.settings["odd"], made.settings["frames_as"]) == (
        "oddvl", True, "pictures"
    )  # fmt: skip
    states, usual = (b.states([moving_square(seed=1)], layers=[2])["last"] for b in (odd, known))
    assert states.shape == usual.shape and np.abs(states - usual).max() > 1e-4
    with pytest.raises(BackboneError, match="does not read frames as 'video'"):
        open_backbone(odd_folder, frames_as="video")


def test_a_family_without_a_known_way_is_refused() -> None:
    with pytest.raises(BackboneError, match="no mapping of video or pictures"):
        register_family("strange", {"film": lambda parts: None})  # type: ignore[dict-item,return-value]
    assert not is_known("strange")
