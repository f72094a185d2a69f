"""Every metric of one set of scores together, as a document and by command."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

from hiprobe.cli.commands.evaluate import command
from hiprobe.datasets.ground_truth import load_truth
from hiprobe.errors import EvaluationError
from hiprobe.evaluation.document import evaluation_document
from hiprobe.evaluation.evaluate import evaluate_scores
from hiprobe.evaluation.metrics import HEADLINES
from hiprobe.evaluation.truth import Truth, VideoTruth

TRUTH = Truth(
    name="three",
    videos=(
        VideoTruth("a", 100, ((20, 40), (60, 70)), ("fight",)),
        VideoTruth("b", 80, ((0, 30),), ("fire",)),
        VideoTruth("n", 120, ()),
    ),
    fps=10.0,
)


def noisy(seed: int = 0) -> dict[str, np.ndarray]:
    rng, labels = np.random.default_rng(seed), TRUTH.labels()
    scores = np.clip(0.3 * labels + rng.random(300) * 0.6, 0, 1)
    return dict(zip("abn", np.split(scores, TRUTH.offsets[1:-1]), strict=True))


def test_all_metrics_of_one_set_of_scores() -> None:
    scores = noisy()
    found = evaluate_scores(scores=scores, truth=TRUTH, threshold=0.5, draws=50)
    joined = np.concatenate(list(scores.values()))
    assert found.metrics["auc"] == pytest.approx(roc_auc_score(TRUTH.labels(), joined))
    part = roc_auc_score(TRUTH.labels()[:180], joined[:180])
    assert found.metrics["auc_anomalous"] == pytest.approx(part)
    assert set(found.intervals) == set(HEADLINES)
    assert (found.within_videos, found.positive_frames) == (2, 60)
    assert [row.name for row in found.classes] == ["fight", "fire"]
    assert found.after is not None and found.after.events[0].true == 3
    assert found.after.variants["gated"][0] != found.metrics["auc"]


def test_perfect_scores_are_perfect_everywhere() -> None:
    labels = TRUTH.labels().astype(float)
    scores = dict(zip("abn", np.split(labels, TRUTH.offsets[1:-1]), strict=True))
    found = evaluate_scores(scores=scores, truth=TRUTH, threshold=0.5, draws=20)
    assert set(found.metrics.values()) == {1.0}
    assert found.after is not None
    assert [e.f1 for e in found.after.events] == [1, 1, 1]
    assert [rate.false_alarms for rate in found.alarms] == [0, 0]
    assert found.calibration is not None and found.calibration.brier == 0


def test_undefined_metrics_are_none_in_the_document_and_logits_have_no_calibration() -> None:
    truth = Truth(name="one", videos=(VideoTruth("a", 4, ((1, 2),), ("fight",)),))
    found = evaluate_scores(scores={"a": [0, 9, 0, 0]}, truth=truth, threshold=1, draws=5)
    document = json.loads(json.dumps(evaluation_document(found), allow_nan=False))
    assert document["metrics"]["video_auc"] is None
    assert document["calibration"] is None
    assert document["after"]["events"][0]["f1"] == 1
    assert document["format"] == "hiprobe-evaluation"


def test_negative_draws_are_refused() -> None:
    with pytest.raises(EvaluationError, match="-1 draws"):
        evaluate_scores(scores=noisy(), truth=TRUTH, draws=-1)


def test_the_command_prints_the_table_beside_the_floors(tmp_path: Path) -> None:
    truth = load_truth("ucsd-ped2")
    rng = np.random.default_rng(0)
    for name, values in (("good", truth.labels() + 0.0), ("poor", rng.random(2010))):
        np.save(tmp_path / f"{name}.npy", values)
    arguments = [str(tmp_path / "good.npy"), "--dataset", "ucsd-ped2", "--draws", "20"]
    compared = ["--compare", str(tmp_path / "poor.npy"), "--json", str(tmp_path / "o.json")]
    done = CliRunner().invoke(
        command, [*arguments, "--threshold", "0.5", *compared], catch_exceptions=False
    )
    assert done.exit_code == 0
    assert "2,010 frames, 1,648 abnormal; official spans, half-open" in done.output
    for words in ("video-label oracle", "oracle x centre prior", "centre prior", "constant"):
        assert words in done.output
    assert "SCORES minus OTHER" in done.output
    assert json.loads((tmp_path / "o.json").read_text())["metrics"]["auc"] == 1
