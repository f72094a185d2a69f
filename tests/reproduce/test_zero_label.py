"""The experiment that sets the probe beside its own backbone's answers and heads."""

from __future__ import annotations

import csv
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import toy_states
from sklearn.metrics import roc_auc_score

from hiprobe.baselines.asked import Answered
from hiprobe.joined import Member
from hiprobe.probe.training_set import training_set
from hiprobe.reproduce.clip_states import Bench, Extraction
from hiprobe.reproduce.estimate import CLIP_AUC
from hiprobe.reproduce.experiment_result import Findings
from hiprobe.reproduce.experiments import without_labels as zero_label
from hiprobe.reproduce.experiments.without_labels import (
    ASKED_COMMITTEE,
    ASKED_GAIN,
    COMMITTEE,
    FIRST,
    GAIN,
    HEADS,
    MASS,
    NO_NUMBER,
    NUMBER,
    ODD,
    PROBE,
)
from hiprobe.reproduce.request import DataSource, FinishedPieces, ReproduceRequest
from hiprobe.store.states_cache import StatesCache

sys.path.append(str(Path(__file__).parents[1] / "zero_label"))
import answering


def levels() -> list[int]:
    """Brightness of each clip: even ones are normal and dark, but for one of each kind."""
    rng = np.random.default_rng(0)
    bright = [(number % 2) ^ (number in (0, 1)) for number in range(16)]
    return [int(rng.integers(150, 250) if b else rng.integers(5, 105)) for b in bright]


def write_clips(folder: Path) -> Path:
    """Clips of one second and one brightness."""
    folder.mkdir()
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "label", "source"])
        for number, level in enumerate(levels()):
            answering.write_video(folder / f"{number}.mp4", [level])
            writer.writerow([f"{number}.mp4", ("normal", "abnormal")[number % 2], number // 2])
    return folder / "manifest.csv"


def make_bench(out: Path, clips: Path, backbone: answering.Answerer) -> Bench:
    request = ReproduceRequest(
        data=(DataSource("clips", clips),), out=out, seeds=(0, 1), folds=4, draws=50
    )
    extraction = Extraction(
        request, lambda: backbone, StatesCache(out / "cache"), lambda name: nullcontext(None)
    )
    return Bench(request, extraction, FinishedPieces(out / "kept"), lambda line: None)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zero-label")


@pytest.fixture(scope="module")
def clips(place: Path) -> Path:
    return write_clips(place / "clips")


@pytest.fixture(scope="module")
def found(place: Path, clips: Path) -> Findings:
    backbone = answering.Answerer(answers=("Nothing.", "0.9"))
    return zero_label.run(make_bench(place / "out", clips, backbone))


def value(found: Findings, setting: str, metric: str) -> float:
    (row,) = [r for r in found.rows if (r.setting, r.metric) == (setting, metric)]
    return row.ours


def test_answers_without_labels_rank_as_brightness_does(found: Findings) -> None:
    expected = roc_auc_score([number % 2 for number in range(16)], levels())
    assert value(found, FIRST, CLIP_AUC) == value(found, ODD, CLIP_AUC) == pytest.approx(expected)
    assert value(found, NUMBER, NO_NUMBER) == pytest.approx(0.5)
    assert value(found, FIRST, MASS) == pytest.approx(0.5, abs=1e-5)


def test_an_answer_without_a_number_ranks_in_the_middle(found: Findings) -> None:
    # bright clips say 0.9, dark ones nothing, so 0.5: one step between them, ties counted half
    true, false = 7 / 8, 1 / 8
    assert value(found, NUMBER, CLIP_AUC) == pytest.approx(0.5 + (true - false) / 2)


def test_every_rival_has_the_probes_gain_beside_it(found: Findings) -> None:
    for name in (HEADS, COMMITTEE, ASKED_COMMITTEE, FIRST, ODD, NUMBER):
        gain = value(found, PROBE, CLIP_AUC) - value(found, name, CLIP_AUC)
        assert value(found, name, GAIN) == pytest.approx(gain, abs=1e-9)
    (row,) = [r for r in found.rows if (r.setting, r.metric) == (HEADS, GAIN)]
    assert row.low is not None and row.low <= row.ours <= (row.high or 0) and len(row.by_seed) == 2


def test_the_gain_by_the_questions_is_that_of_the_committee_with_them(found: Findings) -> None:
    gain = value(found, ASKED_COMMITTEE, CLIP_AUC) - value(found, COMMITTEE, CLIP_AUC)
    assert value(found, ASKED_COMMITTEE, ASKED_GAIN) == pytest.approx(gain, abs=1e-9)


def test_questions_that_tell_all_lift_a_committee_that_sees_nothing(
    place: Path, clips: Path
) -> None:
    examples = toy_states.examples(sources=24, per_source=1, gap=0.0)
    labels = np.array([e.label for e in examples])
    noise = np.random.default_rng(5).normal(size=(24, 6)).astype(np.float32)
    told = Answered(np.where(labels == 1, 0.9, 0.1), np.zeros(24, bool))
    contest = zero_label.Contest(
        states=training_set(examples),
        joined=noise,
        members=(Member("last", 1, 6),),
        heads=(),
        answers={"ordinal": told},
        odd=told.scores,
    )
    bench = make_bench(place / "planted", clips, answering.Answerer())
    without = zero_label.committee_scores(contest, bench, 0)
    with_it = zero_label.asked_committee_scores(contest, bench, 0)
    assert roc_auc_score(labels, without) < 0.8
    assert roc_auc_score(labels, with_it) > 0.95


def test_labels_are_said_where_they_are_used(found: Findings) -> None:
    assert all(name.endswith("(no labels)") for name in (FIRST, ODD, NUMBER))
    assert all(name.endswith(" (labels)") for name in (HEADS, PROBE))
    assert len({(r.protocol, r.seeds) for r in found.rows}) == 1  # one table
    assert "fitted on the training sources" in found.rows[0].protocol
    assert any("use labels" in note for note in found.notes)


def test_a_second_run_asks_nothing_and_finds_the_same(
    place: Path, clips: Path, found: Findings
) -> None:
    backbone = answering.Answerer(answers=("Nothing.", "0.9"))
    again = zero_label.run(make_bench(place / "out", clips, backbone))
    assert backbone.asked == []
    assert [r.ours for r in again.rows] == [r.ours for r in found.rows]
