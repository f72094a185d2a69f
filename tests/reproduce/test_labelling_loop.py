"""`hiprobe reproduce teach` on states of which it is known what tells them apart."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiprobe.errors import LabelError, StatesError
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.experiment_result import Findings
from hiprobe.reproduce.experiments import labelling_loop
from hiprobe.reproduce.request import DataSource

sys.path.append(str(Path(__file__).parent))
import toy_states


@pytest.fixture(scope="module", autouse=True)
def few_rounds() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labelling_loop, "ROUNDS", 2)
        patch.setattr(labelling_loop, "SETTINGS", labelling_loop.SETTINGS[::2])
        yield


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    place = tmp_path_factory.mktemp("loop")
    manifest = toy_states.write_views(place / "clips", toy_states.examples(sources=18, gap=0.6))
    return toy_states.bench(place / "out", DataSource("toy", manifest))


@pytest.fixture(scope="module")
def found(bench: Bench) -> Findings:
    return labelling_loop.run(bench)


def test_both_ways_start_alike_and_rise_with_labels(found: Findings) -> None:
    assert {r.section.partition(": ")[2] for r in found.rows} == {
        "paper, whole clips",
        "committee, whole clips",
    }
    for section in _sections(found):
        rows = [r for r in found.rows if r.section == section]
        for way in labelling_loop.WAYS:
            own = [r for r in rows if r.metric.endswith(way) and "AUC" in r.metric]
            assert [r.setting for r in own] == ["0 labels", "8 labels", "16 labels"]
            assert own[-1].ours > own[0].ours
            assert all(len(r.by_seed) == 2 and r.low is not None for r in own)
        starts = [r.by_seed for r in rows if r.setting == "0 labels"]
        assert starts[0] == starts[1]


def _sections(found: Findings) -> list[str]:
    return sorted({r.section for r in found.rows if r.section.startswith("What labels")})


def test_gains_are_differences_of_the_two_ways(found: Findings) -> None:
    for section in _sections(found):
        rows = {(r.setting, r.metric): r for r in found.rows if r.section == section}
        gains = []
        for setting in ("8 labels", "16 labels"):
            ours, theirs = (rows[setting, labelling_loop._metric(w)] for w in labelling_loop.WAYS)
            gain, over_seeds = (
                rows[setting, name] for name in (labelling_loop.GAIN, labelling_loop.OVER_SEEDS)
            )
            gains.append(gain.ours)
            assert gain.ours == pytest.approx(ours.ours - theirs.ours)
            own = np.subtract(ours.by_seed, theirs.by_seed)
            error = 1.96 * own.std(ddof=1) / np.sqrt(len(own))
            assert (over_seeds.low, over_seeds.high) == pytest.approx(
                (gain.ours - error, gain.ours + error)
            )
        mean = rows["mean of all rounds", labelling_loop.GAIN]
        assert mean.ours == pytest.approx(sum(gains) / len(gains))


def test_a_finished_run_is_not_computed_again(
    bench: Bench, found: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling_loop, "WAYS", dict.fromkeys(labelling_loop.WAYS))
    assert labelling_loop.run(bench).rows == found.rows


def test_clips_without_segments_and_too_few_are_refused() -> None:
    examples = toy_states.examples(sources=18)
    whole = [replace(e, segments=None) for e in examples]
    files = labelling_loop._states_on_disk([whole], has_whole=True)
    with pytest.raises(StatesError, match="no segments"), files:
        pass
    with pytest.raises(LabelError, match="too few to start"):
        labelling_loop._split(toy_states.examples(sources=4, per_source=1), 0)
