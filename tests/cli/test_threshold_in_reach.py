"""A threshold that parts no scores is refused, or told of with its value."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_states import FINGERPRINT, states, write_clip_folder, write_untrimmed
from click.testing import CliRunner, Result

from hiprobe.baselines.zero_label_video import zero_label_video
from hiprobe.cli.app import app
from hiprobe.errors import UsageError
from hiprobe.localize import check_threshold
from hiprobe.probe import Probe
from hiprobe.states import LabelledStates

sys.path.append(str(Path(__file__).parents[1] / "zero_label"))
import answering

OUT_OF_REACH = (80.0, 1.0, -0.1, float("nan"), float("inf"))


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def examples() -> list[LabelledStates]:
    rng = np.random.default_rng(0)
    return [
        LabelledStates(f"{n}", n % 2, f"s{n}", None, states(np.full(3, n % 2), rng, FINGERPRINT))
        for n in range(16)
    ]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("fitted")
    assert run("fit", write_clip_folder(place / "clips"), "-o", place / "p").exit_code == 0
    return place


@pytest.fixture
def probe(fitted: Path, tmp_path: Path) -> Path:
    shutil.copytree(fitted / "clips", tmp_path / "clips")
    write_untrimmed(tmp_path / "day.safetensors")
    return Path(shutil.copytree(fitted / "p", tmp_path / "p"))


@pytest.mark.parametrize("threshold", [0.0, 0.5, float(np.nextafter(1, 0))])
def test_what_parts_scores_is_taken(threshold: float) -> None:
    check_threshold(threshold)


@pytest.mark.parametrize("threshold", OUT_OF_REACH)
def test_python_refuses_it(threshold: float, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="scores go from 0 to 1"):
        Probe(threshold=threshold).fit(examples())
    with pytest.raises(UsageError, match="scores go from 0 to 1"):
        Probe().fit(examples()).detect(
            states(np.zeros(4, np.int64), np.random.default_rng(1)), threshold=threshold
        )
    video, backbone = answering.write_video(tmp_path / "v.mp4", [20]), answering.Answerer()
    with pytest.raises(UsageError, match="scores go from 0 to 1"):
        zero_label_video(video, backbone=backbone, method="first-token", threshold=threshold)


@pytest.mark.parametrize("threshold", OUT_OF_REACH)
def test_detect_refuses_it_before_it_reads(probe: Path, tmp_path: Path, threshold: float) -> None:
    done = run("detect", probe, tmp_path / "day.safetensors", "--threshold", threshold, "-o", "x")
    assert done.exit_code == 2
    assert "scores go from 0 to 1" in done.stderr or "is not a number" in done.stderr
    assert not (tmp_path / "out").exists()


def test_zero_label_refuses_it_before_it_opens_a_backbone(tmp_path: Path) -> None:
    done = run("zero-label", tmp_path / "v.mp4", "--threshold", 80, "--backbone", "no/model")
    assert done.exit_code == 2 and "the threshold is 80" in done.stderr


@pytest.mark.parametrize(("kappa", "side"), [(50, "none can lie"), (-50, "all of them lie")])
def test_a_kappa_that_puts_it_out_of_reach_is_refused_with_the_value(
    probe: Path, tmp_path: Path, kappa: float, side: str
) -> None:
    done = run("detect", probe, tmp_path / "day.safetensors", "--kappa", kappa)
    assert done.exit_code == 2 and side in done.stderr
    fitted = Probe.load(probe)
    scores = fitted.few_shot_scores_["cross_validated"]
    value = scores.mean() + kappa * scores.std()
    assert f"with kappa {kappa} the threshold is {value:g}" in done.stderr


def test_a_fit_warns_of_it_and_so_does_detect(probe: Path, tmp_path: Path) -> None:
    clips, silent = tmp_path / "clips", tmp_path / "silent"
    done = run("fit", clips, "-o", silent, "--kappa", 50)
    value = Probe.load(silent).threshold_
    told = f"The threshold is {value:.3f}; scores go from 0 to 1, so none can lie above it"
    assert done.exit_code == 0 and value > 1
    assert told in " ".join(done.output.split())
    day = tmp_path / "day.safetensors"
    found = run("detect", silent, day, "-o", tmp_path / "out")
    assert found.exit_code == 0 and told in found.stderr
    given = run("detect", silent, day, "-o", tmp_path / "out", "--threshold", 0.5)
    assert told not in given.stderr
