"""Draws: by seed, stratified, the same wherever the files lie."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from hiprobe.datasets.ground_truth import training_videos
from hiprobe.datasets.manifest import Manifest, ManifestRow
from hiprobe.datasets.transfer import draw_subset
from hiprobe.errors import LabelError, UsageError


@pytest.fixture(scope="module")
def ucf() -> Manifest:
    rows = [
        ManifestRow(Path(name), name, classes[0], int(classes != ("normal",)), "train")
        for name, classes in training_videos("ucf-crime").items()
    ]
    return Manifest("ucf-crime", (*rows, ManifestRow(Path("t.mp4"), "t", "abuse", 1, "test")))


def test_one_percent_of_ucf_crime(ucf: Manifest) -> None:
    drawn = draw_subset(ucf, fraction=0.01, seed=0)
    assert Counter(r.label for r in drawn.rows) == {0: 8, 1: 8}
    classes = Counter(r.class_name for r in drawn.rows if r.label)
    # shares of 8 among 810: robbery 1.4, roadaccidents 1.3, all others below 1
    assert classes["robbery"] >= 1 and classes["roadaccidents"] >= 1 and max(classes.values()) == 1
    assert {r.split for r in drawn.rows} == {"train"}
    assert drawn.note == "1 % of train, seed 0, stratified by class"


def test_the_seed_decides_and_not_the_order_or_place(ucf: Manifest) -> None:
    names = {r.name for r in draw_subset(ucf, fraction=0.01, seed=3).rows}
    moved = replace(
        ucf, rows=tuple(replace(r, video=Path("/d") / r.video) for r in reversed(ucf.rows))
    )
    assert {r.name for r in draw_subset(moved, fraction=0.01, seed=3).rows} == names
    assert {r.name for r in draw_subset(ucf, fraction=0.01, seed=4).rows} != names


@pytest.mark.parametrize("fraction", [0.02, 0.1, 0.37, 1.0])
def test_classes_keep_their_shares(ucf: Manifest, fraction: float) -> None:
    whole = Counter(r.class_name for r in ucf.rows if r.split == "train")
    drawn = Counter(r.class_name for r in draw_subset(ucf, fraction=fraction, seed=1).rows)
    assert sum(drawn.values()) == round(fraction * 1610)
    assert all(abs(drawn[k] - fraction * n) < 1 + 1e-9 for k, n in whole.items())


def test_both_kinds_are_always_there() -> None:
    rows = [ManifestRow(Path(f"{i}"), f"{i:03d}", "normal", 0) for i in range(300)]
    rare = ManifestRow(Path("x"), "x", "fight+riot", 1)
    drawn = draw_subset(Manifest("m", (*rows, rare)), fraction=0.001, seed=0)
    assert sorted(r.label for r in drawn.rows) == [0, 1]


def test_what_cannot_be_drawn(ucf: Manifest) -> None:
    with pytest.raises(UsageError, match="fraction is 0"):
        draw_subset(ucf, fraction=0, seed=0)
    with pytest.raises(LabelError, match="split test: 0 normal and 1 anomalous"):
        draw_subset(ucf, fraction=0.5, seed=0, split="test")
    only_test = Manifest("m", (ManifestRow(Path("t"), "t", "x", 1, "test"),))
    with pytest.raises(LabelError, match="no train; say which"):
        draw_subset(only_test, fraction=0.5, seed=0)
