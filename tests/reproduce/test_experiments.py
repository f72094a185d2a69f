"""Every experiment that runs on labelled clips, on states whose informative layer is known."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hiprobe.probe.training_set import TrainingSet, training_set
from hiprobe.reproduce import scored
from hiprobe.reproduce import video_folds as folds
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.experiment_result import Findings, ResultRow
from hiprobe.reproduce.experiments import fig6, label_budget, table4
from hiprobe.reproduce.experiments.layer_figures import fig2, fig3, fig4, neighbours_alike
from hiprobe.reproduce.experiments.tables_3_5 import table3, table5
from hiprobe.reproduce.held_out import Variant, fit_variant
from hiprobe.reproduce.request import DataSource
from hiprobe.states import LabelledStates

sys.path.append(str(Path(__file__).parent))
import toy_states


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    place = tmp_path_factory.mktemp("toy")
    one = toy_states.write_folder(place / "one", toy_states.examples())
    other = toy_states.write_folder(place / "other", toy_states.examples(seed=9, prefix="o"))
    data = DataSource("one", one), DataSource("other", other)
    return toy_states.bench(place / "out", *data)


def row(
    found: Findings, setting: str, metric: str, *, data: str = "one", section: str = ""
) -> ResultRow:
    (one,) = [
        r
        for r in found.rows
        if (r.setting, r.metric, r.data) == (setting, metric, data)
        and (not section or r.section == section)
    ]
    return one


@pytest.mark.parametrize(("rule", "layer"), [("dlsp", 3), ("cv", 3), ("last", 4), ("middle", 2)])
def test_each_rule_reads_its_layer(bench: Bench, rule: str, layer: int) -> None:
    examples = toy_states.examples()
    fit = fit_variant(examples, Variant("v", layer=rule), request=bench.request, seed=0)  # type: ignore[arg-type]
    assert fit.layer == layer
    assert fit.held_out is None and fit.moments() == fit.training


def test_the_threshold_comes_from_clips_that_were_held_out(bench: Bench) -> None:
    examples = toy_states.examples(gap=0.0)
    fit = fit_variant(examples, Variant("v", thresholds=True), request=bench.request, seed=0)
    assert fit.held_out is not None
    assert fit.moments() == fit.held_out != fit.training
    assert fit.moments().threshold(2.0) == pytest.approx(
        fit.held_out.mean + 2 * fit.held_out.deviation
    )


def test_every_clip_is_held_out_once_and_no_source_is_on_both_sides(bench: Bench) -> None:
    tests = list(folds.tests_of(bench, bench.request.data[0], seed=1))
    held = [e.name for t in tests for e in t.held]
    assert len(tests) == 3
    assert sorted(held) == sorted(f"{e.name}.safetensors" for e in toy_states.examples())
    assert not any(t.videos for t in tests)
    assert "clips only" in tests[0].protocol


def test_table_4_finds_the_layer_and_says_what_was_chosen_on_test_data(bench: Bench) -> None:
    found = table4.run(bench)
    metric = "highest-segment AUC"
    dlsp, last = row(found, "DLSP layer", metric), row(found, "last layer", metric)
    assert dlsp.ours > 0.95 > last.ours
    assert dlsp.paper[0].value == 0.8672 and last.paper[0].value == 0.8321
    assert dlsp.low is not None and dlsp.low <= dlsp.ours
    assert len(dlsp.by_seed) == 2 and dlsp.seeds == (0, 1)
    assert row(found, "oracle layer", metric).ours >= dlsp.ours
    assert row(found, "oracle layer", "layer, median").ours == toy_states.BEST
    assert last.ours < row(found, "layer at random", metric).ours + 0.2 < 1.0
    gap = row(found, "minus last layer", metric, section="DLSP layer minus another")
    assert gap.ours == pytest.approx(dlsp.ours - last.ours)
    assert "last layer, after the final norm" not in {r.setting for r in found.rows}
    assert {r.section for r in found.rows} >= {"Layer", "Scorer", "Threshold", "Sweep of kappa"}
    assert [f.name for f in found.figures] == ["kappa-one", "kappa-other"]


def test_the_threshold_moves_what_comes_after_it_only(bench: Bench) -> None:
    found = table4.run(bench)
    name = "highest-segment AUC"
    own = [r for r in found.rows if r.section == "Sweep of kappa" and r.data == "one"]
    continuous = {r.ours for r in own if r.metric == f"{name}, continuous"}
    binary = {r.ours for r in own if r.metric == f"{name}, binary"}
    assert len(continuous) == 1 and len(binary) > 2
    alarms = [r.ours for r in own if r.metric == "normal clips above T"]
    assert alarms == sorted(alarms, reverse=True)


def test_no_variant_is_timed_for_what_all_share(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]

    def slow(examples: Sequence[LabelledStates]) -> TrainingSet:
        clock[0] += 100.0
        return training_set(examples)

    monkeypatch.setattr(scored, "training_set", slow)
    monkeypatch.setattr(scored, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    data, variants = bench.request.data[0], [Variant("a"), Variant("b", scorer="svm")]
    found = scored.score_variants(bench, data, variants, seed=77)
    assert clock[0] and {t.seconds for own in found.values() for t in own} == {0.0}


def test_table_3_has_all_pairs_and_says_what_was_fitted(bench: Bench) -> None:
    found = table3(bench)
    pairs = {(r.setting, r.data) for r in found.rows}
    assert pairs == {
        ("fitted on one, other folds", "one"),
        ("fitted on other", "one"),
        ("fitted on other, other folds", "other"),
        ("fitted on one", "other"),
    }
    moved = row(found, "fitted on other", "highest-segment AUC")
    assert moved.ours > 0.95
    assert moved.paper[0].value == 0.8135
    assert "fitted on all of other" in moved.protocol


def test_table_5_refuses_to_vary_what_extracted_states_have_fixed(bench: Bench) -> None:
    found = table5(bench)
    assert not found.rows and not found.figures
    assert "one: left out" in found.notes[-2]


def test_figures_2_and_3_peak_where_the_classes_part(bench: Bench) -> None:
    saliency = fig2(bench)
    kl = [r.ours for r in saliency.rows if r.data == "one" and r.metric == "KL divergence"]
    assert int(np.argmax(kl)) + 1 == toy_states.BEST
    assert any("one: l* = 3 of 4" in n for n in saliency.notes)
    peaks = [r for r in fig3(bench).rows if r.data == "one"]
    best = max(peaks, key=lambda r: r.ours)
    assert best.setting == "3 (paper: 2)"
    assert best.low is not None and best.high is not None and best.low > 0.1


def test_figure_4_shows_first_chosen_and_last(bench: Bench) -> None:
    found = fig4(bench)
    own = [r for r in found.rows if r.data == "one" and r.metric == "neighbours alike"]
    assert [r.setting for r in own] == [
        "layer 1 (paper: 0)",
        "layer 3 (paper: 2)",
        "layer 4 (paper: 3)",
    ]
    assert own[1].ours > 0.9 > own[2].ours


def test_neighbours_of_the_same_source_do_not_count() -> None:
    vectors = np.array([[0.0], [0.1], [5.0], [5.1]])
    labels, sources = np.array([0, 0, 1, 1]), ("a", "a", "b", "b")
    assert neighbours_alike(vectors, labels, sources) == 0.0


def test_figure_6_says_that_states_alone_have_no_video(bench: Bench) -> None:
    found = fig6.run(bench)
    assert not found.figures
    assert "one: no untrimmed video" in found.notes[-2]


def test_more_labels_help_and_the_spread_narrows(bench: Bench) -> None:
    found = label_budget.run(replace(bench, request=bench.request))
    own = [r for r in found.rows if r.data == "one"]
    assert [r.setting for r in own] == ["1", "2", "4", "all"]
    assert own[0].ours < own[-1].ours
    assert own[-1].ours > 0.95
    first, last = own[0], own[-1]
    assert first.low is not None and first.high is not None
    assert last.low is not None and last.high is not None
    assert last.high - last.low < first.high - first.low


def test_a_budget_takes_other_sources_first() -> None:
    examples = toy_states.examples(sources=8, per_source=3)
    drawn = label_budget.draw_clips(examples, per_class=4, rng=np.random.default_rng(0))
    assert len(drawn) == 8
    assert len({e.source for e in drawn}) == 8
    everything = label_budget.draw_clips(examples, per_class=99, rng=np.random.default_rng(0))
    assert {e.name for e in everything} == {e.name for e in examples}


def test_a_finished_experiment_computes_nothing_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = table3(bench)
    monkeypatch.setattr("hiprobe.reproduce.scored.fit_set", None)
    assert table3(bench) == before
