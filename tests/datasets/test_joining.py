"""Sources are held apart, and cuts between normal clips are as frequent as cuts at events."""

from itertools import pairwise
from pathlib import Path

import pytest

from hiprobe.datasets.clips import LabelledClip
from hiprobe.datasets.joining import hold_out, joining_order
from hiprobe.errors import LabelError


def clips(normal: int, anomalous: int, *, per_source: int = 1) -> list[LabelledClip]:
    labels = [0] * normal + [1] * anomalous
    return [
        LabelledClip(Path(f"{i}.mp4"), v, str(v), f"{v}-{i // per_source}", None, None, f"{i}.mp4")
        for i, v in enumerate(labels)
    ]


@pytest.mark.parametrize("counts", [(2, 2), (4, 2), (12, 12), (77, 116)])
def test_sources_are_never_on_both_sides(counts: tuple[int, int]) -> None:
    split = hold_out(clips(*counts, per_source=2 if min(counts) > 3 else 1), seed=3)
    assert not {c.source for c in split.fit} & {c.source for c in split.held_out}
    assert {c.label for c in split.fit} == {c.label for c in split.held_out} == {0, 1}


def test_most_clips_stay_for_fitting() -> None:
    every = clips(40, 40)
    split = hold_out(every, seed=0)
    assert len(split.fit) + len(split.held_out) == len(every)
    assert len(split.fit) >= 0.6 * len(every)


def test_one_source_for_each_class_is_too_few() -> None:
    with pytest.raises(LabelError, match="at least two"):
        hold_out(clips(4, 4, per_source=4), seed=0)


@pytest.mark.parametrize("counts", [(19, 6), (13, 6), (60, 60), (4, 9)])
def test_normal_cuts_are_as_frequent_as_cuts_at_events(counts: tuple[int, int]) -> None:
    order = joining_order(clips(*counts), seed=1)
    labels = [c.label for c in order]
    pairs = list(pairwise(labels))
    assert labels[0] == labels[-1] == 0
    assert pairs.count((0, 0)) == pairs.count((0, 1)) + pairs.count((1, 0))
    assert len(set(order)) == len(order)


def test_the_seed_decides_and_nothing_else() -> None:
    every = clips(30, 30)
    assert hold_out(every, seed=5) == hold_out(list(every), seed=5)
    assert hold_out(every, seed=5) != hold_out(every, seed=6)
