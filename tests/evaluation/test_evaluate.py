"""Every metric of one set of scores together, as a document and by command."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import ArrayLike
from sklearn.metrics import roc_auc_score

from hiprobe.cli.evaluate import command
from hiprobe.datasets.ground_truth import find_truth, load_truth
from hiprobe.datasets.manifest import Manifest, ManifestRow, write_manifest
from hiprobe.errors import EvaluationError, UsageError
from hiprobe.evaluation.evaluate_scores import Evaluation, evaluate_frames, evaluation_document
from hiprobe.evaluation.frame_scores import join_frames
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


def evaluated(scores: Mapping[str, ArrayLike], truth: Truth, **settings: Any) -> Evaluation:
    return evaluate_frames(frames=join_frames(scores=scores, truth=truth), truth=truth, **settings)


def test_all_metrics_of_one_set_of_scores() -> None:
    scores = noisy()
    found = evaluate_frames(
        frames=join_frames(scores=scores, truth=TRUTH), truth=TRUTH, threshold=0.5, draws=50
    )
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
    found = evaluate_frames(
        frames=join_frames(scores=scores, truth=TRUTH), truth=TRUTH, threshold=0.5, draws=20
    )
    assert set(found.metrics.values()) == {1.0}
    assert found.after is not None
    assert [e.f1 for e in found.after.events] == [1, 1, 1]
    assert [rate.false_alarms for rate in found.alarms] == [0, 0]
    assert found.calibration is not None and found.calibration.brier == 0


def test_undefined_metrics_are_none_in_the_document_and_logits_have_no_calibration() -> None:
    truth = Truth(name="one", videos=(VideoTruth("a", 4, ((1, 2),), ("fight",)),))
    found = evaluate_frames(
        frames=join_frames(scores={"a": [0, 9, 0, 0]}, truth=truth),
        truth=truth,
        threshold=1,
        draws=5,
    )
    document = json.loads(json.dumps(evaluation_document(found), allow_nan=False))
    assert document["metrics"]["video_auc"] is None
    assert document["calibration"] is None
    assert document["after"]["events"][0]["f1"] == 1
    assert document["format"] == "hiprobe-evaluation"


def test_negative_draws_are_refused() -> None:
    with pytest.raises(EvaluationError, match="-1 draws"):
        evaluated(noisy(), TRUTH, draws=-1)
    with pytest.raises(EvaluationError, match="threshold is nan"):
        evaluate_frames(
            frames=join_frames(scores=noisy(), truth=TRUTH),
            truth=TRUTH,
            draws=1,
            threshold=float("nan"),
        )


def test_the_command_prints_the_table_beside_the_floors(tmp_path: Path) -> None:
    truth = load_truth("ucsd-ped2")
    rng = np.random.default_rng(0)
    for name, values in (("good", truth.labels() + 0.0), ("poor", rng.random(2010))):
        np.save(tmp_path / f"{name}.npy", values)
    arguments = [str(tmp_path / "good.npy"), "--dataset", "ucsd-ped2", "--draws", "20"]
    poor = str(tmp_path / "poor.npy")
    compared = ["--compare", poor, "--json", str(tmp_path / "o.json")]
    done = CliRunner().invoke(
        command, [*arguments, "--threshold", "0.5", *compared], catch_exceptions=False
    )
    assert done.exit_code == 0
    assert "2,010 frames, 1,648 abnormal; official spans, half-open" in done.output
    for words in ("video-label oracle", "oracle x centre prior", "centre prior", "constant"):
        assert words in done.output
    assert f"SCORES minus {poor}" in done.output
    assert "with 12 videos the test is overconfident" in done.output
    document = json.loads((tmp_path / "o.json").read_text())
    assert (document["metrics"]["auc"], document["split"], document["seed"]) == (1, "test", 0)
    assert document["floors"]["constant"]["auc"] == 0.5
    assert document["compared"]["auc"]["p_value"] == pytest.approx(2 / 21)
    assert document["alarms"][0]["normal_share"] == 0
    alone = CliRunner().invoke(command, [*arguments, "--draws", "0", *compared])
    assert isinstance(alone.exception, UsageError)


def test_several_files_are_compared_and_each_is_named(tmp_path: Path) -> None:
    rng, truth = np.random.default_rng(0), load_truth("ucsd-ped2")
    for name in ("own", "one", "two"):
        np.save(tmp_path / f"{name}.npy", truth.labels() * 0.2 + rng.random(2010))
    one, two = str(tmp_path / "one.npy"), str(tmp_path / "two.npy")
    words = ["--dataset", "ucsd-ped2", "--draws", "20", "--json", str(tmp_path / "o.json")]
    own = str(tmp_path / "own.npy")
    done = CliRunner().invoke(command, [own, *words, "--compare", one, "--compare", two])
    assert done.exit_code == 0, done.output
    assert f"SCORES minus {one}" in done.output and f"SCORES minus {two}" in done.output
    document = json.loads((tmp_path / "o.json").read_text())
    assert [c["other"] for c in document["comparisons"]] == [one, two]
    found = [c["metrics"]["auc"]["difference"] for c in document["comparisons"]]
    assert found[0] != found[1] and document["compared"]["auc"]["difference"] == found[0]


def test_a_threshold_above_all_scores_is_told_with_the_highest(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", np.linspace(0, 0.75, 2010))
    words = [str(tmp_path / "s.npy"), "--dataset", "ucsd-ped2", "--draws", "5"]
    done = CliRunner().invoke(command, [*words, "--threshold", "80"])
    assert "no score lies above the threshold 80, the highest is 0.75" in done.output
    done = CliRunner().invoke(command, [*words, "--threshold", "0.7"])
    assert "no score lies above" not in done.output


def test_the_split_is_said_where_it_is_not_the_test_split(tmp_path: Path) -> None:
    truth = load_truth("ubnormal-val")
    np.save(tmp_path / "s.npy", np.arange(28_175) % 7)
    arguments = [str(tmp_path / "s.npy"), "--dataset", truth.name, "--draws", "3"]
    document = tmp_path / "o.json"
    done = CliRunner().invoke(
        command, [*arguments, "--json", str(document)], catch_exceptions=False
    )
    assert done.output.startswith("ubnormal-val, validation split: 64 videos")
    assert "do not compare with figures on the test split" in done.output
    assert "every event lasts its whole video" in done.output
    found = json.loads(document.read_text())
    assert (found["dataset"], found["split"]) == ("ubnormal-val", "val")
    assert found["metrics"]["within_video_mean"] is None


def test_the_truth_can_be_a_manifest_of_own_videos(tmp_path: Path) -> None:
    rows = [
        ManifestRow(tmp_path / f"{kind}/{n}.mp4", f"{kind}/{n}", kind, label, "test", "", 20, 25.0,
                    ((5, 10),) if label else ())
        for kind, label in (("fight", 1), ("normal", 0)) for n in "12"
    ]  # fmt: skip
    write_manifest(Manifest("mine", tuple(rows)), path=tmp_path / "m.csv")
    for row in rows:
        file = tmp_path / "scores" / f"{row.name}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.isin(np.arange(20), range(5, 10)) * float(row.label))
    arguments = [str(tmp_path / "scores"), "--dataset", str(tmp_path / "m.csv"), "--draws", "5"]
    done = CliRunner().invoke(
        command, [*arguments, "--threshold", "0.5", "--iou", "0.7", "--recall", "1"],
        catch_exceptions=False,
    )  # fmt: skip
    assert done.output.startswith("mine, test split: 4 videos, 80 frames, 10 abnormal")
    assert "events at IoU 0.7: precision 1.0000" in done.output
    assert "at 100% of events found: 0.00" in done.output
    for wrong in (["--split", "val"], ["--spans", "official"], ["--end", "inclusive"]):
        assert CliRunner().invoke(command, [*arguments, *wrong]).exit_code != 0
    assert find_truth("ped2") == load_truth("ucsd-ped2")
    packaged = [arguments[0], "--dataset", "ucsd-ped2", "--split", "train"]
    assert isinstance(CliRunner().invoke(command, packaged).exception, UsageError)


def test_command_smooths_and_tells_of_alarms(tmp_path: Path) -> None:
    file, rng = tmp_path / "scores.json", np.random.default_rng(2)
    truth = load_truth("ucsd-ped2")
    file.write_text(json.dumps({v.name: rng.random(v.frames).tolist() for v in truth.videos}))
    given = [str(file), "--dataset", "ucsd-ped2", "--draws", "0"]
    document = tmp_path / "found.json"
    done = CliRunner().invoke(
        command, [*given, "--smoothing", "ema", "--ema-weight", "0.5", "--json", str(document)]
    )
    assert done.exit_code == 0, done.output
    assert "weight 0.5 on the newest (causal)" in done.output
    assert "of normal frames" in done.output and "10/hour" in done.output
    found = json.loads(document.read_text())
    assert [at["rate"] for at in found["at_rates"]] == ["1/day", "1/hour", "10/hour"]
    refused = CliRunner().invoke(command, [*given, "--ema-weight", "0.5"])
    assert isinstance(refused.exception, UsageError)
