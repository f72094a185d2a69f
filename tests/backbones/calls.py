"""Calls of a backbone drawn at random, and whether two answers are the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from backbone_cases import moving_square

from hiprobe.backbones.interface import (
    Backbone,
    FirstToken,
    HeadStates,
    PromptsBackbone,
    TextsBackbone,
)
from hiprobe.errors import StatesError
from hiprobe.states import READINGS

SEGMENTS = (
    moving_square(seed=1),
    moving_square(seed=2, speed=0),
    moving_square(seed=3, frames=3),
    moving_square(seed=4, speed=7),
)
PROMPTS = ("What is seen?", "Is anything odd here?", "Where does it go then, and how fast?")
TEXTS = ("Two people walk.", "A man rides a bicycle on the walkway.", "Night.")
WORDS = (("Yes", "yes"), ("No", "no"))


@dataclass(frozen=True)
class Call:
    """One call with its arguments; `text` says which, for a failed test."""

    text: str
    run: Callable[[Any], object]


def random_calls(backbone: Backbone, *, seed: int, count: int) -> list[Call]:
    """Calls of every kind that the backbone offers, each kind once before one comes again."""
    rng = np.random.default_rng(seed)
    kinds = _kinds(backbone)
    order: list[Callable[[Backbone, np.random.Generator], Call]] = []
    while len(order) < count:
        order += [kinds[k] for k in rng.permutation(len(kinds))]
    return [make(backbone, rng) for make in order[:count]]


def _kinds(backbone: Backbone) -> list[Callable[[Backbone, np.random.Generator], Call]]:
    found = [_states, _states, _described, _refused]
    offers = {
        PromptsBackbone: _by_prompt,
        HeadStates: _heads,
        FirstToken: _first_token,
        TextsBackbone: _texts,
    }
    return found + [make for kind, make in offers.items() if isinstance(backbone, kind)]


def _some(rng: np.random.Generator, choices: Sequence[Any], most: int) -> list[Any]:
    """One or more, in any order, also the same again."""
    return [choices[i] for i in rng.integers(len(choices), size=rng.integers(1, most + 1))]


def _layers(rng: np.random.Generator, backbone: Backbone, *, least: int = 0) -> list[int]:
    return _some(rng, range(least, backbone.layer_count + 1), 3)


def _batch(rng: np.random.Generator) -> list[int]:
    return _some(rng, range(len(SEGMENTS)), 3)


def _readings(rng: np.random.Generator) -> list[Any]:
    return list(rng.permutation(READINGS)[: rng.integers(1, len(READINGS) + 1)].tolist())


def _states(backbone: Backbone, rng: np.random.Generator) -> Call:
    rows, layers, readings = _batch(rng), _layers(rng, backbone), _readings(rng)
    return Call(
        f"states({rows}, {layers}, {readings})",
        lambda b: b.states([SEGMENTS[i] for i in rows], layers=layers, readings=readings),
    )


def _by_prompt(backbone: Backbone, rng: np.random.Generator) -> Call:
    rows, layers, readings = _batch(rng), _layers(rng, backbone), _readings(rng)
    prompts = PROMPTS[: rng.integers(1, len(PROMPTS) + 1)]
    return Call(
        f"states_by_prompt({rows}, {layers}, {readings}, {len(prompts)} prompts)",
        lambda b: b.states_by_prompt(
            [SEGMENTS[i] for i in rows], prompts=prompts, layers=layers, readings=readings
        ),
    )


def _heads(backbone: Backbone, rng: np.random.Generator) -> Call:
    rows, layers = _batch(rng), _layers(rng, backbone, least=1)
    return Call(
        f"head_states({rows}, {layers})",
        lambda b: b.head_states([SEGMENTS[i] for i in rows], layers=layers, prompts=PROMPTS[:2]),
    )


def _first_token(_: Backbone, rng: np.random.Generator) -> Call:
    rows = _batch(rng)
    return Call(
        f"first_token({rows})",
        lambda b: b.first_token([SEGMENTS[i] for i in rows], prompts=PROMPTS[:2], words=WORDS),
    )


def _texts(backbone: Backbone, rng: np.random.Generator) -> Call:
    texts, layers = _some(rng, TEXTS, 3), _layers(rng, backbone)
    return Call(f"text_states({texts}, {layers})", lambda b: b.text_states(texts, layers=layers))


def _described(_: Backbone, rng: np.random.Generator) -> Call:
    row, prompt = _batch(rng)[0], _some(rng, PROMPTS, 1)[0]
    return Call(
        f"describe({row}, {prompt!r})",
        lambda b: b.describe(SEGMENTS[row].frames, prompt=prompt, max_new_tokens=4),
    )


def _refused(backbone: Backbone, rng: np.random.Generator) -> Call:
    layer = backbone.layer_count + int(rng.integers(1, 4))

    def run(asked: Backbone) -> str:
        try:
            asked.states(SEGMENTS[:1], layers=[1, layer])
        except StatesError as error:
            return str(error)
        raise AssertionError(f"layer {layer} was given")

    return Call(f"states(layers=[1, {layer}]), refused", run)


def assert_same(found: object, expected: object, told: str) -> None:
    """Equal to rounding: a state of another layer, reading or clip is further off by far."""
    assert type(found) is type(expected), told
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        assert list(found) == list(expected), told
        for key in found:
            assert_same(found[key], expected[key], f"{told}: {key}")
    elif isinstance(found, np.ndarray):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=told)
    else:
        assert found == expected, told
