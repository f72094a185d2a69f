"""Models that are not known by name: found, read as their own processor would, or refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from backbone_cases import moving_square
from generic_models import (
    GENERIC,
    idefics3_config,
    idefics3_processor,
    paligemma_config,
    paligemma_processor,
    write_generic,
)
from hf_models import LAYERS
from transformers import AutoProcessor, BertConfig, MllamaConfig, T5Gemma2Config

from hiprobe.backbones.hf.generic import model_class, outline
from hiprobe.backbones.hf.hf_load import load_hf
from hiprobe.errors import BackboneError

SEGMENT = moving_square(seed=1)
Folder = Callable[[str], Path]
QUESTION = "What is seen?"


def small_encoder_decoder() -> T5Gemma2Config:
    config = T5Gemma2Config()
    config.decoder.num_hidden_layers = 1
    config.encoder.text_config.num_hidden_layers = 1
    return config


@pytest.fixture
def copied(model_folder: Folder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder("llava"), tmp_path / "model"))


@pytest.mark.parametrize("kind", GENERIC)
def test_inputs_are_those_of_the_models_own_processor(model_folder: Folder, kind: str) -> None:
    folder = model_folder(kind)
    backbone = load_hf(folder, dtype="float32")
    ours = backbone.inputs([backbone.prepare(SEGMENT.frames, prompt=QUESTION)])
    content = []
    for number in range(1, len(SEGMENT.frames) + 1):
        content += [{"type": "text", "text": f"Frame{number}: "}, {"type": "image"}]
        content += [{"type": "text", "text": "\n"}]
    content += [{"type": "text", "text": QUESTION}]
    processor = AutoProcessor.from_pretrained(folder, backend="pil")
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    theirs = processor(text=[text], images=[list(SEGMENT.frames)], return_tensors="pt")
    theirs.pop("attention_mask")
    assert ours["input_ids"].tolist() == theirs["input_ids"].tolist()
    assert set(ours) == set(theirs)
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor.to(ours[name].dtype)), name


@pytest.mark.parametrize("kind", GENERIC)
def test_the_fingerprint_holds_the_processors_settings(model_folder: Folder, kind: str) -> None:
    settings = load_hf(model_folder(kind)).fingerprint.settings
    assert "32" in str(settings["size"])
    assert "None" not in json.dumps(dict(settings))
    assert str(settings["processor"]).endswith("Pil")


def test_another_size_of_the_processor_is_another_fingerprint(copied: Path) -> None:
    before = load_hf(copied).fingerprint.digest
    about = json.loads((copied / "processor_config.json").read_text())
    about["image_processor"]["size"] = {"shortest_edge": 48}
    (copied / "processor_config.json").write_text(json.dumps(about))
    assert load_hf(copied).fingerprint.digest != before


def test_a_model_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    folder = write_generic(tmp_path, paligemma_config(), paligemma_processor())
    with pytest.raises(BackboneError, match="no chat template"):
        load_hf(folder)


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}USER: {{ m['content'] }}{% endfor %} ASSISTANT:",
        "{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>"
        "{% endif %}{% endfor %}{% for c in m['content'] %}{% if c['type'] == 'text' %}"
        "{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}",
    ],
)
def test_a_template_with_no_place_for_a_picture_gets_bare_placeholders(
    copied: Path, template: str
) -> None:
    (copied / "chat_template.jinja").write_text(template)
    backbone = load_hf(copied)
    ids = backbone.prepare(SEGMENT.frames[:2], prompt=QUESTION).ids
    text = backbone.wording.tokenizer.decode(ids)
    assert f"Frame1: {'<image>' * 16}\nFrame2: {'<image>' * 16}\n{QUESTION}" in text


def test_a_folder_without_a_processor_is_refused(copied: Path) -> None:
    (copied / "processor_config.json").unlink()
    with pytest.raises(BackboneError, match="processor in"):
        load_hf(copied)


def test_another_resize_is_refused_where_the_processor_is_the_models_own(copied: Path) -> None:
    with pytest.raises(BackboneError, match="own processor"):
        load_hf(copied, resize="area")


def test_a_model_of_text_alone_is_refused() -> None:
    with pytest.raises(BackboneError, match="image-text-to-text"):
        model_class(BertConfig())


def test_a_decoder_that_looks_at_pictures_from_the_side_is_refused() -> None:
    config = MllamaConfig()
    config.text_config.num_hidden_layers = 4
    config.vision_config.num_hidden_layers = config.vision_config.num_global_layers = 1
    with pytest.raises(BackboneError, match="layer by layer"):
        outline(config)


def test_an_encoder_and_decoder_is_refused() -> None:
    with pytest.raises(BackboneError, match=r"layer by layer|image-text"):
        outline(small_encoder_decoder())


def test_tokens_of_frames_are_told_from_text(model_folder: Folder) -> None:
    backbone = load_hf(model_folder("llava"), dtype="float32")
    ids = backbone.inputs([backbone.prepare(SEGMENT.frames, prompt=QUESTION)])["input_ids"]
    assert int(backbone.family.is_visual(ids).sum()) == len(SEGMENT.frames) * 16
    found = backbone.states([SEGMENT], layers=[LAYERS], readings=["last", "visual_mean"])
    assert not np.allclose(found["last"], found["visual_mean"])


def test_idefics3_is_read_as_its_own_processor_does_without_splitting(tmp_path: Path) -> None:
    folder = write_generic(tmp_path, idefics3_config(), idefics3_processor())
    backbone = load_hf(folder, dtype="float32")
    ours = backbone.prepare(SEGMENT.frames, prompt=QUESTION)
    processor = AutoProcessor.from_pretrained(folder, backend="pil")
    frames = len(SEGMENT.frames)
    theirs = processor(
        text=["<image>" * frames],
        images=[list(SEGMENT.frames)],
        return_tensors="pt",
        do_image_splitting=False,
    )
    torch.testing.assert_close(ours.tensors["pixel_values"], theirs["pixel_values"])
    text = backbone.wording.tokenizer.decode(ours.ids)
    blocks = backbone.wording.tokenizer.decode(theirs["input_ids"][0]).split("<global-img>")
    picture = "<global-img>" + blocks[1].partition("<fake_token_around_image>")[0]
    assert text.count(picture) == frames
    assert np.isfinite(backbone.states([SEGMENT], layers=[LAYERS])["last"]).all()
