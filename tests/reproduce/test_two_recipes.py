"""`hiprobe reproduce committee` on states of which it is known what each reading tells."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hiprobe.errors import LabelError
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.experiment_result import Findings
from hiprobe.reproduce.experiments import two_recipes
from hiprobe.reproduce.request import DataSource

sys.path.append(str(Path(__file__).parent))
import toy_states

ALL = "All labelled clips"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    place = tmp_path_factory.mktemp("recipes")
    examples = toy_states.examples(sources=16, gap=1.4)
    # two of the decoder's readings tell nothing, so that equal weights cost much
    blind = ("prompt_mean", "visual_mean")
    manifest = toy_states.write_views(place / "clips", examples, blind=blind)
    return toy_states.bench(place / "out", DataSource("toy", manifest))


@pytest.fixture(scope="module")
def found(bench: Bench) -> Findings:
    return two_recipes.run(bench)


def test_a_view_at_chance_is_told_and_evidence_silences_it(found: Findings) -> None:
    own = {r.setting: r for r in found.rows if r.section == ALL and "AUC" in r.metric}
    assert set(own) == {s.name for s in two_recipes.SETTINGS}
    blind = own.pop(two_recipes.VISION.name)
    assert all(r.ours > 0.8 for r in own.values())
    assert 0.2 < blind.ours < 0.8
    assert own["committee"].ours > own["committee, weights before evidence"].ours + 0.1
    assert all(len(r.by_seed) == 2 and r.low is not None for r in own.values())


def test_a_gain_is_the_difference_of_two_settings(found: Findings) -> None:
    for section in {r.section for r in found.rows}:
        rows = {(r.setting, r.metric): r.ours for r in found.rows if r.section == section}
        (metric,) = {r.metric for r in found.rows if "AUC" in r.metric}
        for base, minus in two_recipes.BASES.items():
            gain = rows["committee", metric] - rows[base, metric]
            assert rows["committee", minus] == pytest.approx(gain)


def test_few_labels_take_as_many_sources_and_leave_the_others_to_be_tested(found: Findings) -> None:
    examples = toy_states.examples(sources=16, per_source=3)
    splits = two_recipes.few_labels(examples, 4)
    assert [s.seed for s in splits] == list(range(two_recipes.DRAWS))
    for split in splits:
        ((train, test),) = split.pairs
        assert sorted(examples[i].label for i in train) == [0] * 4 + [1] * 4
        used = {examples[i].source for i in train}
        assert len(used) == 8 and len(test) == 3 * (16 - 8)
        assert not used & {examples[i].source for i in test}
    assert two_recipes.few_labels(examples, 8) == []
    assert {r.section for r in found.rows} == {
        ALL,
        "2 labelled clips of each kind",
        "4 labelled clips of each kind",
    }


def test_finished_pieces_are_taken_and_equal_weights_are_another_piece(
    bench: Bench, found: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(two_recipes, "held_out", None)
    assert two_recipes.run(bench) == found
    keys = [
        two_recipes._Scoring(bench.request, s, ()).key(two_recipes.LabelSplit([], 0), "digest")
        for s in two_recipes.SETTINGS
    ]
    assert len({repr(k) for k in keys}) == len(keys)


def test_states_without_a_reading_are_refused_with_its_name(tmp_path: Path) -> None:
    manifest = toy_states.write_folder(tmp_path / "clips", toy_states.examples())
    bench = toy_states.bench(tmp_path / "out", DataSource("toy", manifest))
    with pytest.raises(LabelError, match="visual_mean"):
        two_recipes.run(bench)
