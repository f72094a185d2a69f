"""Operations of a segment, counted from shapes alone."""

from __future__ import annotations

import pytest

from hiprobe.backbones.catalogue import CatalogueEntry, catalogue, find_entry
from hiprobe.backbones.cost import count_segment, middle_layer
from hiprobe.backbones.shape import Shape, SquareTower
from hiprobe.errors import UsageError

MEASURED = [
    # name, frame, TFLOP to 20/32 of the depth, visual tokens; counted when the project began
    ("internvl2.5-8b", (448, 448), 25.7, 2048),
    ("llava-onevision-7b", (448, 448), 19.3, 1569),
    ("qwen2.5-vl-7b", (448, 448), 14.6, 1024),
    ("qwen2.5-vl-7b", (252, 336), 6.4, 432),
    ("qwen2.5-vl-3b", (252, 336), 3.9, 432),
    ("smolvlm2-256m", (448, 448), 1.8, 512),
]


def entry_of(name: str) -> CatalogueEntry:
    entry = find_entry(name)
    assert entry is not None
    return entry


@pytest.mark.parametrize(("name", "frame", "tflop", "tokens"), MEASURED)
def test_the_table_that_the_project_began_with(
    name: str, frame: tuple[int, int], tflop: float, tokens: int
) -> None:
    shape = entry_of(name).shape
    cost = count_segment(shape, layer=middle_layer(shape), frame_pixels=frame)
    assert cost.visual_tokens == tokens
    assert cost.flops / 1e12 == pytest.approx(tflop, rel=0.03)


def test_depth_and_frames_raise_the_cost() -> None:
    shape = entry_of("internvl2.5-8b").shape
    costs = [count_segment(shape, layer=layer).flops for layer in (0, 1, 20, 32)]
    assert costs == sorted(costs)
    assert count_segment(shape).flops == costs[-1]
    assert count_segment(shape, layer=0).decoder_flops == 0
    assert count_segment(shape, frames=16).visual_tokens == 4096


def test_a_larger_frame_costs_more_only_where_its_size_is_kept() -> None:
    small, large = (240, 320), (1080, 1920)
    for name, grows in (("qwen2.5-vl-7b", True), ("internvl2.5-8b", False)):
        shape = entry_of(name).shape
        costs = [count_segment(shape, frame_pixels=pixels).flops for pixels in (small, large)]
        assert (costs[1] > costs[0]) == grows


def test_what_cannot_be_counted_is_refused() -> None:
    shape = entry_of("smolvlm2-256m").shape
    with pytest.raises(UsageError, match=r"layer 31 is not within 0\.\.30"):
        count_segment(shape, layer=31)
    with pytest.raises(UsageError, match="1 or more"):
        count_segment(shape, frames=0)


def test_every_model_of_the_catalogue_can_be_counted() -> None:
    for entry in catalogue():
        cost = count_segment(entry.shape, layer=middle_layer(entry.shape))
        assert 0 < cost.visual_tokens < cost.positions < 4096
        assert 1e12 < cost.flops < 1e15


def test_a_decoder_without_layers_is_refused() -> None:
    with pytest.raises(UsageError, match="0 layers"):
        Shape(0, 8, 1, 0, 1, 1, 4, SquareTower(1, 1, 1))
