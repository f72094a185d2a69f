"""What a call gives does not depend on the calls before it, nor on those of another thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from backbone_cases import BackboneCase
from calls import SEGMENTS, Call, assert_same, random_calls

from hiprobe.backbones.interface import Backbone, HeadStates, TextsBackbone
from hiprobe.errors import UsageError

CALLS = 9
"""Every kind of call once, some twice."""


def read_one_after_the_other(backbone: Backbone, calls: list[Call]) -> list[object]:
    return [call.run(backbone) for call in calls]


def depths(backbone: Backbone) -> tuple[int, int, int]:
    return 1, backbone.layer_count // 2, backbone.layer_count


def test_a_deeper_layer_can_be_read_after_a_shallower_one(case: BackboneCase) -> None:
    used = case.fresh()
    for layer in (0, *depths(used), 1, used.layer_count):
        expected = case.fresh().states(SEGMENTS[:1], layers=[layer])
        found = used.states(SEGMENTS[:1], layers=[layer])
        assert_same(dict(found), dict(expected), f"layer {layer}")


def test_texts_and_heads_can_be_read_deeper_than_before(case: BackboneCase) -> None:
    used = case.fresh()
    for layer in depths(used):
        fresh = case.fresh()
        if isinstance(used, TextsBackbone) and isinstance(fresh, TextsBackbone):
            texts = ["Two people walk."]
            expected = fresh.text_states(texts, layers=[layer])
            assert_same(used.text_states(texts, layers=[layer]), expected, f"texts, {layer}")
        assert isinstance(used, HeadStates) and isinstance(fresh, HeadStates)
        asked: dict[str, Any] = {"layers": [layer], "prompts": ["What is seen?"]}
        expected_heads = fresh.head_states(SEGMENTS[:1], **asked)
        assert_same(used.head_states(SEGMENTS[:1], **asked), expected_heads, f"heads, {layer}")


@pytest.mark.parametrize("seed", [0, 1])
def test_any_order_of_calls_gives_what_fresh_objects_give(case: BackboneCase, seed: int) -> None:
    used = case.fresh()
    done: list[str] = []
    for call in random_calls(used, seed=seed, count=CALLS):
        done.append(call.text)
        assert_same(call.run(used), call.run(case.fresh()), " -> ".join(done))


def test_two_threads_on_one_object_get_what_each_gets_alone(case: BackboneCase) -> None:
    used = case.fresh()
    drawn = [random_calls(used, seed=seed, count=CALLS) for seed in (2, 3)]
    expected = [read_one_after_the_other(case.fresh(), calls) for calls in drawn]
    together = Barrier(len(drawn))

    def work(calls: list[Call]) -> list[object]:
        together.wait(timeout=60)
        return read_one_after_the_other(used, calls)

    with ThreadPoolExecutor(len(drawn)) as threads:
        found = list(threads.map(work, drawn))
    for calls, own, wanted in zip(drawn, found, expected, strict=True):
        for call, one, other in zip(calls, own, wanted, strict=True):
            assert_same(one, other, call.text)


@pytest.mark.parametrize("layers", [1, np.int64(1), "1", [1.0], [True], None, [[1]]])
def test_layers_that_are_no_list_of_numbers_are_refused(case: BackboneCase, layers: Any) -> None:
    backbone = case.cut()
    with pytest.raises(UsageError, match=r"layers=\[1\]|as layers=\[20\]"):
        backbone.states(SEGMENTS[:1], layers=layers)
    assert isinstance(backbone, HeadStates)
    with pytest.raises(UsageError, match="layers"):
        backbone.head_states(SEGMENTS[:1], layers=layers, prompts=["What is seen?"])
    if isinstance(backbone, TextsBackbone):
        with pytest.raises(UsageError, match="layers"):
            backbone.text_states(["Two people walk."], layers=layers)


def test_layers_may_come_as_any_row_of_numbers(case: BackboneCase) -> None:
    backbone = case.cut()
    expected = backbone.states(SEGMENTS[:1], layers=[1, 0])
    for layers in (np.array([1, 0]), iter([1, 0]), {1: "", 0: ""}, range(1, -1, -1)):
        found = backbone.states(SEGMENTS[:1], layers=layers)  # type: ignore[arg-type]
        assert_same(dict(found), dict(expected), repr(layers))


@pytest.mark.parametrize("readings", ["last", ["lst"], ["last", "Last"]])
def test_readings_that_are_unknown_or_no_list_are_refused(
    case: BackboneCase, readings: Any
) -> None:
    with pytest.raises(UsageError, match=r"\['last'\]|choose of last"):
        case.cut().states(SEGMENTS[:1], layers=[1], readings=readings)
