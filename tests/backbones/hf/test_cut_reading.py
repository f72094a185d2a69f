"""A cut load fetches neither the layers above the cut nor the head from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers.modeling_utils
from backbone_cases import moving_square
from generic_models import GENERIC
from hf_models import CONFIGS, LAYERS
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from test_original import write_pair

import hiprobe.backbones.hf.original
from hiprobe.backbones.hf.hf_load import load_hf
from hiprobe.backbones.hf.weights import above, check_complete
from hiprobe.errors import BackboneError

SEGMENT = moving_square(seed=1)
CUT = 2
Folder = Callable[[str], Path]


class Recorder:
    """The real reader of a file; notes the name of each tensor whose bytes are taken."""

    def __init__(self, taken: set[str], *args: Any, **named: Any) -> None:
        self._file, self._taken = safe_open(*args, **named), taken

    def __enter__(self) -> Recorder:
        self._file.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._file.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def get_tensor(self, name: str) -> Any:
        self._taken.add(name)
        return self._file.get_tensor(name)

    def get_slice(self, name: str) -> Any:
        return Slice(self._file.get_slice(name), name, self._taken)


class Slice:
    """A tensor that is not read yet."""

    def __init__(self, real: Any, name: str, taken: set[str]) -> None:
        self._real, self._name, self._taken = real, name, taken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __getitem__(self, part: Any) -> Any:
        self._taken.add(self._name)
        return self._real[part]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    names: set[str] = set()
    for module in (transformers.modeling_utils, hiprobe.backbones.hf.original):
        monkeypatch.setattr(module, "safe_open", lambda *a, **n: Recorder(names, *a, **n))
    yield names


def on_disk(folder: Path) -> set[str]:
    return {name for path in folder.glob("*.safetensors") for name in load_file(path)}


@pytest.mark.parametrize("family", [*CONFIGS, *GENERIC])
def test_what_lies_above_the_cut_is_not_read(
    model_folder: Folder, family: str, taken: set[str]
) -> None:
    folder = model_folder(family)
    dropped = set(above(on_disk(folder), depth=CUT))
    layers = {name.split(".layers.")[1].split(".")[0] for name in dropped if ".layers." in name}
    assert layers == {str(n) for n in range(CUT, LAYERS)}
    load_hf(folder, dtype="float32", cut_at_layer=CUT)
    assert taken == on_disk(folder) - dropped
    taken.clear()
    load_hf(folder, dtype="float32")
    assert taken == on_disk(folder)


@pytest.mark.parametrize("family", ["internvl", "smolvlm", "gemma3"])
def test_cut_at_the_last_layer_only_the_head_is_left_out(
    model_folder: Folder, family: str, taken: set[str]
) -> None:
    folder = model_folder(family)
    cut = load_hf(folder, dtype="float32", cut_at_layer=LAYERS)
    heads = {name for name in on_disk(folder) if "lm_head" in name}
    assert taken == on_disk(folder) - heads
    whole = load_hf(folder, dtype="float32")
    found, expected = (b.states([SEGMENT], layers=[LAYERS])["last"] for b in (cut, whole))
    np.testing.assert_array_equal(found, expected)
    assert cut.fingerprint == whole.fingerprint
    with pytest.raises(BackboneError, match="load it whole"):
        cut.describe(SEGMENT.frames, prompt="What is seen?")


@pytest.mark.parametrize("decoder", ["internlm2", "qwen2"])
def test_nor_is_it_of_an_original_checkpoint(tmp_path: Path, decoder: str, taken: set[str]) -> None:
    _, original = write_pair(tmp_path, decoder)
    cut = load_hf(original, dtype="float32", cut_at_layer=CUT)
    dropped = set(above(on_disk(original), depth=CUT))
    assert any("output" in name or "lm_head" in name for name in dropped)
    assert taken == on_disk(original) - dropped
    assert np.isfinite(cut.states([SEGMENT], layers=[CUT])["last"]).all()


@pytest.mark.parametrize("cut", [None, CUT])
@pytest.mark.parametrize(
    "name", ["model.language_model.layers.0.extra.weight", "model.something.weight", "adapter.bias"]
)
def test_a_tensor_without_a_place_is_refused_of_native_models_too(
    model_folder: Folder, tmp_path: Path, name: str, cut: int | None
) -> None:
    for path in model_folder("internvl").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    save_file({**tensors, name: next(iter(tensors.values())).clone()}, path, {"format": "pt"})
    with pytest.raises(BackboneError, match=name.replace(".", r"\.")):
        load_hf(tmp_path, cut_at_layer=cut)


def test_tables_that_older_versions_saved_are_no_loss(tmp_path: Path) -> None:
    old = "model.language_model.layers.0.self_attn.rotary_emb.inv_freq"
    check_complete(tmp_path, {"missing_keys": set(), "unexpected_keys": {old}}, depth=None)


@pytest.mark.parametrize(
    ("name", "is_above"),
    [
        ("model.language_model.layers.2.mlp.up_proj.weight", True),
        ("model.language_model.layers.1.mlp.up_proj.weight", False),
        ("language_model.model.layers.11.input_layernorm.weight", True),
        ("model.layers.2.self_attn.q_proj.weight", True),
        ("model.text_model.layers.3.mlp.up_proj.weight", True),
        ("model.vision_tower.encoder.layers.7.mlp.fc1.weight", False),
        ("model.visual.blocks.7.mlp.fc1.weight", False),
        ("model.vision_model.encoder.layers.9.fc1.bias", False),
        ("lm_head.weight", True),
        ("language_model.output.weight", True),
        ("model.language_model.embed_tokens.weight", False),
        ("model.language_model.norm.weight", False),
    ],
)
def test_names_above_a_cut_are_those_of_the_decoder(name: str, is_above: bool) -> None:
    assert list(above([name], depth=2)) == ([name] if is_above else [])
