"""Prompt and reading are chosen inside the training folds, and kept by the probe."""

from dataclasses import replace

import numpy as np
import pytest
from probe_states import FINGERPRINT, examples

from hiprobe.errors import StatesError
from hiprobe.probe import Probe
from hiprobe.probe.fitting import KEPT_VIEW
from hiprobe.probe.selection import cross_validate
from hiprobe.probe.training_set import grouped_folds, roc_auc, training_set


def seen(view, *, prompt="What happens?", reading="last"):
    """The same clips under another prompt and reading."""
    made_by = replace(FINGERPRINT, prompt=prompt)

    def changed(states):
        return states and replace(states, fingerprint=made_by, reading=reading)

    return [replace(e, clip=changed(e.clip), segments=changed(e.segments)) for e in view]


@pytest.fixture(scope="module")
def views():
    """The second of three tells the classes apart; the clips are the same."""
    return [
        seen(examples(gap=0.0, seed=0), prompt="blind"),
        seen(examples(gap=2.0, seed=1), prompt="sharp"),
        seen(examples(gap=0.0, seed=2), prompt="sharp", reading="visual_mean"),
    ]


def test_the_informative_view_is_chosen_in_every_fold(views):
    probe = Probe(folds=4).fit_views(views)
    assert (probe.fingerprint_.prompt, probe.reading_) == ("sharp", "last")
    assert probe.layer_ == 4 and probe.cv_auc_ > 0.95
    rows = probe.view_table_
    assert [(r.prompt, r.reading, r.chosen) for r in rows] == [
        ("blind", "last", False), ("sharp", "last", True), ("sharp", "visual_mean", False),
    ]  # fmt: skip
    assert [r.folds for r in rows] == [0, 4, 0]
    assert rows[1].cv_auc > 0.95 and all(0.2 < rows[i].cv_auc < 0.8 for i in (0, 2))
    assert probe.examples()[0].segments.fingerprint.prompt == "sharp"


def test_one_view_is_the_plain_fit(views):
    one, plain = Probe(folds=4).fit_views(views[1:2]), Probe(folds=4).fit(views[1])
    np.testing.assert_array_equal(one.scorer_.weights, plain.scorer_.weights)
    assert (one.cv_auc_, one.threshold_, one.layer_) == (
        plain.cv_auc_, plain.threshold_, plain.layer_,
    )  # fmt: skip
    assert one.view_table_ == plain.view_table_ == ()


def test_the_reported_auc_pays_for_the_choice():
    """Of many views of pure noise the best looks good; held out from the choice it does not."""
    noise = [seen(examples(gap=0.0, seed=s, count=24), prompt=f"p {s}") for s in range(8)]
    probe = Probe(folds=4, mode="clip").fit_views(noise)
    best = max(r.cv_auc for r in probe.view_table_)
    assert probe.cv_auc_ < best - 0.05
    sets = [training_set(view) for view in noise]
    recipe = probe.settled()
    held_out = [cross_validate(data, recipe, compared=True) for data in sets]
    scores = np.full(24, np.nan)
    pairs = grouped_folds(sets[0].labels, sets[0].sources, folds=4, seed=0)
    for fold, (_, held) in enumerate(pairs):
        view = int(np.argmax([h.inner_aucs[fold] for h in held_out]))
        scores[held] = held_out[view].nested[held]
    assert probe.cv_auc_ == roc_auc(sets[0].labels, scores)


def test_a_probe_of_views_is_saved_whole(views, tmp_path):
    probe = Probe(folds=4).fit_views(views)
    probe.save(tmp_path / "probe")
    again = Probe.load(tmp_path / "probe")
    assert again.view_table_ == probe.view_table_
    more = seen(examples(gap=2.0, seed=9, count=6), prompt="sharp")
    assert len(again.add(more).labels_) == 46
    assert again.view_table_ == ()


def test_different_clips_are_not_compared(views):
    with pytest.raises(StatesError, match="different clips"):
        Probe().fit_views([views[0], views[1][:-1]])


def test_a_clip_that_failed_in_one_view_is_left_out_of_all(views):
    lost = views[0][0]
    none = replace(
        lost.segments,
        failed=np.ones(len(lost.segments), bool),
        values=np.zeros_like(lost.segments.values),
    )
    probe = Probe(folds=4).fit_views([[replace(lost, segments=none), *views[0][1:]], views[1]])
    assert len(probe.labels_) == len(views[0]) - 1 and lost.name not in probe.names_


def test_too_few_sources_take_the_first_view(views):
    probe = Probe().fit_views([views[0][:2], views[1][:2]])
    assert probe.cv_auc_ is None and [r.chosen for r in probe.view_table_] == [True, False]


def test_a_view_that_is_kept_when_clips_are_added_is_told(views, tmp_path):
    probe = Probe(folds=4).fit_views(views)
    assert KEPT_VIEW not in probe.warnings_
    probe.save(tmp_path / "probe")
    more = seen(examples(gap=2.0, seed=9, count=6), prompt="sharp")
    for known in (probe, Probe.load(tmp_path / "probe")):
        for _ in range(2):
            assert known.add(more).warnings_.count(KEPT_VIEW) == 1
        known.save(tmp_path / "again")
        assert Probe.load(tmp_path / "again").add(more).warnings_.count(KEPT_VIEW) == 1
    assert KEPT_VIEW not in Probe(folds=4).fit(views[1]).add(more).warnings_
