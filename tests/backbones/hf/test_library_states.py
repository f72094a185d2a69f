"""States against the library's own: `generate` with all hidden states, in every number format."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backbone_cases import moving_square, segment_of
from generic_models import GENERIC
from hf_models import CONFIGS, LAYERS
from numpy.typing import NDArray

from hiprobe.backbones.hf.hf_load import load_hf
from hiprobe.backbones.hf.hf_model import HfBackbone

SEGMENT = moving_square(seed=1)
FAMILIES = [*CONFIGS, *GENERIC]
Folder = Callable[[str], Path]


@torch.inference_mode()
def generated(backbone: HfBackbone) -> list[NDArray[np.float32]]:
    """What the library calls the hidden states of the first step, at the last position."""
    shown = backbone.prepare(
        SEGMENT.frames, prompt=backbone.prompt, frame_seconds=SEGMENT.frame_offsets_seconds
    )
    inputs = backbone.inputs([shown])
    made: Any = backbone.model.generate(
        **inputs,
        attention_mask=torch.ones_like(inputs["input_ids"]),
        max_new_tokens=1,
        do_sample=False,
        output_hidden_states=True,
        return_dict_in_generate=True,
    )
    return [state[0, -1].float().numpy() for state in made.hidden_states[0]]


@pytest.mark.parametrize("family", FAMILIES)
def test_all_but_the_last_are_the_librarys_and_the_last_is_with_its_norm(
    model_folder: Folder, family: str
) -> None:
    backbone = load_hf(model_folder(family), dtype="float32")
    theirs = generated(backbone)
    assert len(theirs) == LAYERS + 1
    ours = backbone.states([SEGMENT], layers=range(LAYERS + 1))["last"][0]
    np.testing.assert_allclose(ours[:-1], theirs[:-1], rtol=1e-5, atol=1e-5)
    normed = backbone.final_norm(ours[-1:])[0]
    np.testing.assert_allclose(normed, theirs[-1], rtol=1e-4, atol=1e-4)
    assert not np.allclose(ours[-1], theirs[-1], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("family", FAMILIES)
def test_cut_is_uncut_in_bfloat16_too(model_folder: Folder, family: str) -> None:
    whole = load_hf(model_folder(family), dtype="bfloat16")
    cut = load_hf(model_folder(family), dtype="bfloat16", cut_at_layer=LAYERS - 1)
    layers = range(LAYERS)
    expected = whole.states([SEGMENT], layers=layers)["last"]
    np.testing.assert_array_equal(cut.states([SEGMENT], layers=layers)["last"], expected)
    assert whole.fingerprint == cut.fingerprint
    assert whole.fingerprint.dtype == "bfloat16"


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_is_near_float32(model_folder: Folder, family: str) -> None:
    exact, short = (load_hf(model_folder(family), dtype=d) for d in ("float32", "bfloat16"))
    assert exact.fingerprint.digest != short.fingerprint.digest
    one, other = (b.states([SEGMENT], layers=[LAYERS])["last"][0, 0] for b in (exact, short))
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    assert cosine > 0.98


@pytest.mark.parametrize("family", FAMILIES)
def test_the_tokenizers_padding_side_changes_nothing(
    model_folder: Folder, family: str, tmp_path: Path
) -> None:
    found = []
    few = segment_of(SEGMENT.frames[:3])
    for side in ("left", "right"):
        folder = Path(shutil.copytree(model_folder(family), tmp_path / side))
        about = json.loads((folder / "tokenizer_config.json").read_text())
        (folder / "tokenizer_config.json").write_text(json.dumps({**about, "padding_side": side}))
        backbone = load_hf(folder, dtype="float32")
        assert backbone.wording.tokenizer.padding_side == side
        found.append(backbone.states([SEGMENT, few], layers=[1, LAYERS])["last"])
    np.testing.assert_array_equal(found[0], found[1])
