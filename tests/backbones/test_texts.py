"""A decoder that reads a description: the same states as the whole model gives, text by text."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from backbone_cases import TINY_LAYERS, TINY_WIDTH, write_tiny_lite

from hiprobe.backbones.interface import TextsBackbone
from hiprobe.backbones.lite.lite_model import load_lite, prompt_ends
from hiprobe.errors import StatesError

TEXTS = ("Two people walk.", "A man rides a bicycle on the walkway.")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("tiny")
    return load_lite(folder, trained=write_tiny_lite(folder))


def test_states_are_those_of_the_whole_decoder(backbone) -> None:
    found = backbone.text_states(TEXTS, layers=(0, 2, TINY_LAYERS))
    assert isinstance(backbone, TextsBackbone)
    assert found["last"].shape == (2, 3, TINY_WIDTH)
    caught = []
    layers = backbone.decoder.model.layers
    hook = layers[1].register_forward_hook(
        lambda _, given, made: caught.append(made[0] if isinstance(made, tuple) else made)
    )
    before, after = prompt_ends(backbone.prompt)
    text = f"{before}{TEXTS[1]}{after}"
    ids = backbone.tokenizer.encode(text, add_special_tokens=False).ids
    with torch.inference_mode():
        backbone.decoder(input_ids=torch.tensor([ids]))
    hook.remove()
    hidden = caught[0].reshape(len(ids), TINY_WIDTH).numpy()
    np.testing.assert_allclose(found["last"][1, 1], hidden[-1], atol=1e-5)
    start = len(backbone.tokenizer.encode(before, add_special_tokens=False).ids)
    stop = start + len(backbone.tokenizer.encode(TEXTS[1], add_special_tokens=False).ids)
    np.testing.assert_allclose(found["text_mean"][1, 1], hidden[start:stop].mean(0), atol=1e-5)


def test_a_text_does_not_depend_on_the_texts_beside_it(backbone) -> None:
    texts = [" ".join(TEXTS[:1] * n) for n in (5, 1, 3, 2, 4, 7)] + [TEXTS[1]]
    together = backbone.text_states(texts, layers=(1, 3))
    for place, text in enumerate(texts):
        alone = backbone.text_states([text], layers=(1, 3))
        for reading in ("last", "text_mean"):
            own = alone[reading][0]
            # float32 rounds by 6e-8 of a value, some ten times in a row; another text moves more
            size = np.abs(own).max()
            np.testing.assert_allclose(together[reading][place], own, rtol=0, atol=2e-5 * size)


def test_an_empty_text_or_a_foreign_layer_is_refused(backbone) -> None:
    with pytest.raises(StatesError, match="empty"):
        backbone.text_states(("A street.", ""), layers=(1,))
    with pytest.raises(StatesError, match="not within"):
        backbone.text_states(TEXTS, layers=(TINY_LAYERS + 1,))
