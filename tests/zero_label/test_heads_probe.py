"""A probe on attention heads: fitted, saved and run like any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import answering
import numpy as np
import pytest

from hiprobe.backbones.interface import Speech
from hiprobe.baselines.attention_heads import (
    ChosenHeadsView,
    Head,
    columns,
    fit_heads,
    fit_heads_on,
    head_states_of,
    named_heads,
    stacked,
)
from hiprobe.baselines.heads_probe import fit_heads_probe
from hiprobe.datasets.clips import LabelledClip, read_clips
from hiprobe.errors import FingerprintError, LabelError, StatesError, UsageError
from hiprobe.pipeline import detect_video
from hiprobe.probe import Probe
from hiprobe.probe.parameters import Parameters
from hiprobe.probe.training_set import grouped_folds, roc_auc
from hiprobe.states import LabelledStates

TOP = 2


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[LabelledClip, ...]:
    folder = tmp_path_factory.mktemp("clips")
    for number in range(6):
        answering.write_video(folder / "normal" / f"{number}.mp4", [20 + 3 * number])
        answering.write_video(folder / "abnormal" / f"{number}.mp4", [200 + 3 * number])
    return read_clips(folder)


@pytest.fixture(scope="module")
def views(clips: tuple[LabelledClip, ...]) -> list[list[LabelledStates]]:
    found, failures = head_states_of(clips, backbone=answering.Answerer())
    assert not failures
    return found


@pytest.fixture(scope="module")
def probe(views: list[list[LabelledStates]]) -> Probe:
    backbone = answering.Answerer()
    return fit_heads_probe(views, backbone=backbone, parameters=Parameters(folds=3), top=TOP)


def test_it_reads_the_heads_that_are_chosen_on_all_clips(
    probe: Probe, views: list[list[LabelledStates]]
) -> None:
    chosen = fit_heads_on(views, head_count=2, top=TOP)
    assert named_heads(probe.fingerprint_) == chosen.heads
    assert chosen.heads[0] == Head(*answering.GOOD_HEAD)
    assert (probe.layer_, probe.layer_count_, probe.mode_) == (1, 1, "clip")
    for name, values in chosen.scorer.arrays().items():
        np.testing.assert_array_equal(probe.scorer_.arrays()[name], values)
    assert probe.facts()["heads"].startswith("2.1,")


def test_held_out_scores_have_not_seen_their_clips_in_choosing_heads(
    probe: Probe, views: list[list[LabelledStates]]
) -> None:
    stacks = [stacked(view, head_count=2) for view in views]
    pairs = grouped_folds(probe.labels_, probe.sources_, folds=3, seed=0)
    scores = probe.few_shot_scores_["cross_validated"]
    assert len(pairs) == 3
    for train, held in pairs:
        own = fit_heads([s[train] for s in stacks], probe.labels_[train], top=TOP)
        expected = own.scorer.probability(columns(stacks[0][held], own.heads))
        np.testing.assert_array_equal(scores[held], expected)
    assert probe.cv_auc_ == roc_auc(probe.labels_, scores)
    assert probe.threshold_ == pytest.approx(scores.mean() + 0.2 * scores.std())
    assert probe.threshold_summary_.basis == "cross_validated"


def test_it_is_saved_and_detects_as_before(probe: Probe, tmp_path: Path) -> None:
    probe.save(tmp_path / "probe")
    loaded = Probe.load(tmp_path / "probe")
    view = ChosenHeadsView(answering.Answerer(), named_heads(loaded.fingerprint_))
    assert view.fingerprint == loaded.fingerprint_
    video = answering.write_video(tmp_path / "v.mp4", [20, 30, 220, 230, 40])
    found = [detect_video(video, probe=p, backbone=view).timeline for p in (probe, loaded)]
    np.testing.assert_array_equal(found[0].scores, found[1].scores)
    assert [e.first_segment for e in found[1].events] == [2]
    assert len(loaded.examples()) == 12


def test_no_clips_are_added_to_heads_that_known_clips_chose(probe: Probe, tmp_path: Path) -> None:
    probe.save(tmp_path / "probe")
    for known in (probe, Probe.load(tmp_path / "probe")):
        before = known.threshold_
        with pytest.raises(UsageError, match="fit on all clips together"):
            known.add(known.examples()[:2])
        assert known.threshold_ == before


def test_a_backbone_without_its_heads_is_refused(probe: Probe, tmp_path: Path) -> None:
    video = answering.write_video(tmp_path / "v.mp4", [20])
    other = ChosenHeadsView(answering.Answerer(), (Head(1, 0), Head(1, 1)))
    with pytest.raises(FingerprintError, match="heads"):
        detect_video(video, probe=probe, backbone=other)


def test_given_thresholds_and_few_sources_hold(views: list[list[LabelledStates]]) -> None:
    backbone, given = answering.Answerer(), Parameters(threshold=0.3, folds=3)
    fixed = fit_heads_probe(views, backbone=backbone, parameters=given)
    assert (fixed.threshold_, fixed.threshold_summary_.basis) == (0.3, "given")
    one = [[replace(e, source=f"source {e.label}") for e in view] for view in views]
    alone = fit_heads_probe(one, backbone=backbone, parameters=Parameters())
    assert alone.cv_auc_ is None
    assert set(alone.few_shot_scores_) == {"training"}


def of_noise(views: list[list[LabelledStates]]) -> list[list[LabelledStates]]:
    """The clips with values that tell nothing: chosen on all of them, heads seem to."""
    rng, made = np.random.default_rng(5), []  # draws in which the two AUCs lie far apart
    for view in views:
        for example in view:
            assert example.clip is not None
            values = rng.normal(size=example.clip.values.shape).astype(np.float32)
            made.append(replace(example, clip=replace(example.clip, values=values)))
    count = len(views[0])
    return [made[n : n + count] for n in range(0, len(made), count)]


def test_warnings_tell_the_auc_of_heads_that_were_chosen_anew(
    views: list[list[LabelledStates]],
) -> None:
    backbone = answering.Answerer()
    noise, parameters = of_noise(views), Parameters(folds=3)
    probe = fit_heads_probe(noise, backbone=backbone, parameters=parameters, top=1)
    kept = Probe(layer=1, mode="clip", folds=3).fit(probe.examples())
    assert probe.cv_auc_ is not None
    assert kept.cv_auc_ is not None
    assert probe.cv_auc_ < kept.cv_auc_ - 0.1
    assert f"cross-validated AUC {probe.cv_auc_:.2f}" in probe.warnings_[0]
    assert len(probe.warnings_) == len(kept.warnings_)


def test_too_few_clips_to_choose_heads_inside_folds_are_refused(
    views: list[list[LabelledStates]],
) -> None:
    few = [[view[i] for i in (0, 1, 6, 7)] for view in views]
    with pytest.raises(LabelError, match="2 normal and 2 anomalous clips are too few"):
        fit_heads_probe(few, backbone=answering.Answerer(), parameters=Parameters())


def test_heads_that_are_named_otherwise_are_refused(probe: Probe) -> None:
    fingerprint = probe.fingerprint_
    wrong = replace(fingerprint, settings={**fingerprint.settings, "heads": "2.1,three"})
    with pytest.raises(StatesError, match="three"):
        named_heads(wrong)
    assert named_heads(answering.Answerer().fingerprint) == ()


def test_a_view_speaks_as_its_backbone_does() -> None:
    class Speaking(answering.Answerer):
        speech = Speech(structured=False)

    assert not ChosenHeadsView(Speaking(), (Head(1, 0),)).speech.structured
    assert ChosenHeadsView(answering.Answerer(), (Head(1, 0),)).speech.structured
