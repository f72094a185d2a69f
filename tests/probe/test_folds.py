"""Folds and AUC against scikit-learn and by properties, and the mode that is chosen on them."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from hiprobe.probe.selection import best_mode
from hiprobe.probe.training_set import grouped_folds, roc_auc, training_set
from hiprobe.states import States

sys.path.append(str(Path(__file__).parent))
import probe_states

clips = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12)), min_size=1, max_size=60)


@given(clips, st.integers(2, 9), st.integers(0, 99))
def test_folds_never_split_a_source_and_keep_both_classes(pairs, folds, seed):
    labels = np.array([y for y, _ in pairs])
    sources = [f"s{s}" for _, s in pairs]
    held_out = []
    for train, held in grouped_folds(labels, sources, folds=folds, seed=seed):
        assert not {sources[i] for i in train} & {sources[i] for i in held}
        assert set(labels[train]) == {0, 1}
        assert len(train) + len(held) == len(labels)
        held_out += held.tolist()
    assert len(held_out) == len(set(held_out))
    if held_out and len(set(sources)) == len(sources):
        assert sorted(held_out) == list(range(len(labels)))


def test_folds_are_balanced_and_do_not_depend_on_the_order_of_the_clips():
    labels = np.arange(80) % 2
    sources = [f"s{i:02}" for i in range(80)]
    pairs = grouped_folds(labels, sources, folds=8, seed=1)
    assert len(pairs) == 8
    assert all(len(held) == 10 and labels[held].sum() == 5 for _, held in pairs)
    order = np.random.default_rng(0).permutation(80)
    mixed = grouped_folds(labels[order], [sources[i] for i in order], folds=8, seed=1)
    assert {frozenset(h.tolist()) for _, h in pairs} == {
        frozenset(order[h].tolist()) for _, h in mixed
    }
    assert any(
        set(a[1]) != set(b[1])
        for a, b in zip(pairs, grouped_folds(labels, sources, folds=8, seed=2), strict=True)
    )


def test_one_source_in_a_class_gives_no_folds():
    assert grouped_folds(np.array([0, 0, 1, 1]), ["a", "b", "c", "c"], folds=8, seed=0) == []


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9)), min_size=2, max_size=50))
def test_area_equals_scikit_learn(pairs):
    labels = np.array([y for y, _ in pairs])
    scores = np.array([s / 10 for _, s in pairs])
    if len(set(labels)) < 2:
        assert np.isnan(roc_auc(labels, scores))
    else:
        assert roc_auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


def test_area_leaves_out_clips_without_a_score():
    assert roc_auc(np.array([0, 1, 1]), np.array([0.2, 0.9, np.nan])) == 1


@pytest.mark.parametrize(("seconds", "usual"), [(0.5, "clip"), (4.0, "mil")])
def test_long_clips_are_taken_to_be_abnormal_in_part(seconds: float, usual: str) -> None:
    def stretched(states: States) -> States:
        every = seconds / len(states)
        start = np.arange(len(states)) * every
        return replace(states, start_seconds=start, end_seconds=start + every)

    clips = [
        replace(e, segments=stretched(e.segments))
        for e in probe_states.examples(count=12, gap=0.0)
        if e.segments is not None
    ]
    data = training_set(clips)
    assert data.typical_seconds == pytest.approx(seconds)
    assert data.usual_mode == usual
    level = {mode: np.linspace(0, 1, len(data)) for mode in data.modes}
    assert best_mode(data.labels, level, usual=data.usual_mode) == usual
    unknown = {mode: np.full(len(data), np.nan) for mode in data.modes}
    assert best_mode(data.labels, unknown, usual=data.usual_mode) == usual
    assert best_mode(data.labels, {"segment": level["segment"]}, usual="mil") == "segment"
