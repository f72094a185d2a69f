"""Options: the settings move what they should, and the rules are compared fairly."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from hiprobe.paper import KEY_FRAMES
from hiprobe.probe.training_set import roc_auc, training_set
from hiprobe.reproduce.clip_states import Bench, Extraction
from hiprobe.reproduce.experiments import open_choices as option_frames
from hiprobe.reproduce.experiments import open_choices as options
from hiprobe.reproduce.frame_probe import FrameTest, TestVideo, VideoPart
from hiprobe.reproduce.held_out import Moments, Variant, assemble, folds_of, held_out
from hiprobe.reproduce.layer_choices import ORACLE, chosen_layers, every_layer
from hiprobe.reproduce.request import DataSource, FinishedPieces, ReproduceRequest
from hiprobe.reproduce.scored import ScoredTest, VideoScores, states_digest

sys.path.append(str(Path(__file__).parents[1] / "probe"))
import probe_states


def _no_backbone():
    raise AssertionError("nothing is to be read")


def _bench(tmp_path: Path, examples, **settings) -> Bench:
    """A bench whose extraction gives made-up states; nothing is decoded."""
    data = DataSource("made-up", tmp_path)
    request = ReproduceRequest(data=(data,), out=tmp_path, folds=4, draws=40, **settings)
    extraction = Extraction(request, _no_backbone)
    extraction._clips["made-up"] = ()
    for reading in request.readings:
        extraction._examples["made-up", KEY_FRAMES, reading] = tuple(examples)
    return Bench(request=request, extraction=extraction, finished=FinishedPieces(tmp_path / "kept"),
                 say=lambda line: None)  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory):
    examples = probe_states.examples(count=32, gap=1.2, layers=5, informative=3)
    bench = _bench(tmp_path_factory.mktemp("options"), examples, seeds=(0, 1))
    return options.run(bench)


def _value(found, section: str, setting: str, metric: str) -> float:
    rows = [r for r in found.rows if (r.section, r.setting, r.metric) == (section, setting, metric)]
    assert len(rows) == 1, (section, setting, metric)
    return rows[0].ours


def test_every_option_has_both_aucs_and_both_means(found) -> None:
    sections = {r.section for r in found.rows}
    assert {"Penalty", "Standardisation", "Entropy bins", "Smoothing", "kappa",
            "What the scorer is fitted on", "Choice of the layer", "Reading position",
            "Scores that T comes from"} == sections  # fmt: skip
    penalty = [r for r in found.rows if r.section == "Penalty"]
    assert len({r.setting for r in penalty}) == 8
    assert all(len(r.by_seed) == 2 and r.defined for r in penalty)


def test_a_weaker_penalty_spreads_the_highest_scores(found) -> None:
    metric = "highest score, anomalous clips"
    weak = _value(found, "Penalty", "none (equation 8 as written)", metric)
    strong = _value(found, "Penalty", "C = 0.001", metric)
    assert weak > strong + 0.2
    assert abs(strong - 0.5) < 0.1


def test_a_higher_kappa_flags_fewer_clips(found) -> None:
    settings = ("kappa = -1", "kappa = 0.2 (default)", "kappa = 2")
    for metric in ("anomalous clips found", "normal clips flagged"):
        shares = [_value(found, "kappa", s, metric) for s in settings]
        assert shares == sorted(shares, reverse=True)
    assert _value(found, "kappa", "kappa = -1", "normal clips flagged") > 0.2


def test_smoothing_lowers_the_highest_segment(found) -> None:
    metric = "highest score, normal clips"
    sharp = _value(found, "Smoothing", "sigma = 0 segments", metric)
    broad = _value(found, "Smoothing", "sigma = 2 segments", metric)
    assert broad < sharp


def test_no_fixed_layer_beats_the_oracle_and_the_inner_choice_finds_the_layer(found) -> None:
    rules = {r.setting: r.ours for r in found.rows
             if r.section == "Choice of the layer" and r.metric == "clip AUC"}  # fmt: skip
    fixed = ("last", "middle", "random layer")
    assert all(rules[ORACLE] >= rules[r] for r in fixed) and rules[ORACLE] > rules["last"]
    assert rules["best by inner cross-validation"] > rules["random layer"]
    difference = _value(found, "Choice of the layer", "last", "minus DLSP, clip AUC")
    assert difference == pytest.approx(rules["last"] - rules["DLSP"])


def test_what_is_finished_is_not_computed_again(tmp_path: Path, monkeypatch) -> None:
    bench = _bench(tmp_path, probe_states.examples(count=16, layers=3, informative=2), seeds=(0,))
    first = options.run(bench)

    def fail(*args, **settings):
        raise AssertionError("fitted again")

    monkeypatch.setattr(options, "held_out", fail)
    monkeypatch.setattr("hiprobe.reproduce.layer_choices.held_out", fail)
    assert options.run(bench).rows == first.rows


def test_held_out_scores_come_from_other_sources(tmp_path: Path) -> None:
    # labels at random: a clip that were fitted on would score high, held out it cannot
    examples = probe_states.examples(count=40, gap=0.0, width=60)
    data = training_set(examples)
    request = _bench(tmp_path, examples).request
    pairs = folds_of(data, request, seed=0)
    recipe = Variant("default").recipe(request, seed=0)
    scores = held_out(data, pairs, [2] * len(pairs), mode="clip", recipe=recipe)
    assert roc_auc(data.labels, scores.vector) < 0.8
    assert np.isfinite(scores.highest).all()


def test_a_rule_takes_each_folds_scores_from_its_own_layer(tmp_path: Path) -> None:
    examples = probe_states.examples(count=24, layers=4, informative=2, gap=3.0)
    data, request = training_set(examples), _bench(tmp_path, examples).request
    pairs = folds_of(data, request, seed=0)
    recipe = Variant("default").recipe(request, seed=0)
    by_layer = {n: h.vector for n, h in every_layer(data, pairs, mode="clip",
                                                    recipe=recipe).items()}  # fmt: skip
    layers = [1 + i % 4 for i in range(len(pairs))]
    joined = assemble(by_layer, pairs, layers)
    for (_, held), layer in zip(pairs, layers, strict=True):
        assert np.array_equal(joined[held], by_layer[layer][held])
    chosen = chosen_layers(data, pairs, recipe=recipe)["best by inner cross-validation"]
    assert chosen == [2] * len(pairs)


def test_the_digest_knows_other_states() -> None:
    one = probe_states.examples(count=8)
    assert states_digest(one) == states_digest(probe_states.examples(count=8))
    assert states_digest(one) != states_digest(probe_states.examples(count=8, seed=1))


def test_frames_are_smoothed_anew_for_each_sigma(tmp_path: Path, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    raw = np.clip(0.3 + 0.4 * (np.arange(60) // 20 == 1) + rng.normal(0, 0.2, 60), 0, 1)
    times = np.arange(60, dtype=np.float64)
    video = TestVideo("v", load=lambda: None, frames=60, fps=1.0, spans=((20, 40),),
                      parts=(VideoPart(0, 60, "s"),), joined=False)  # fmt: skip
    scored = ScoredTest(
        FrameTest("made-up", (), (video,), (), "told"), 1, "clip", np.zeros(0),
        (VideoScores(times, times + 1, raw, raw),), Moments(0, 1), Moments(0, 1), 0.0,
    )  # fmt: skip
    monkeypatch.setattr(option_frames, "score_variants", lambda *a, **k: {"default": [scored]})
    bench = _bench(tmp_path, [], seeds=(0,))
    rows = option_frames.sigma_frame_rows(bench, bench.request.data[0])
    found = {r.setting: r.ours for r in rows if r.metric == "frame AUC"}
    assert found["sigma = 0 segments"] == pytest.approx(roc_auc(np.arange(60) // 20 == 1, raw))
    # an event of twenty noisy segments gains from averaging
    assert found["sigma = 2 segments"] > found["sigma = 0 segments"] + 0.02
