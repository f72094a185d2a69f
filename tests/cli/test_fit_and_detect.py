import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_states import (
    BEST_LAYER,
    FINGERPRINT,
    write_clip_folder,
    write_clip_states,
    write_table,
    write_untrimmed,
)
from click.testing import CliRunner, Result

from hiprobe.cli.app import app
from hiprobe.probe import Probe
from hiprobe.probe.reading_file import read_record
from hiprobe.report.documents import VERSION, read_timeline


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def good(result: Result) -> Result:
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    good(run("fit", write_clip_folder(folder / "clips"), "-o", folder / "probe"))
    return folder / "probe"


def test_fit_tells_layer_auc_threshold_and_mode(tmp_path: Path) -> None:
    result = good(run("fit", write_clip_folder(tmp_path / "clips"), "-o", tmp_path / "probe"))
    assert f"layer {BEST_LAYER} ({BEST_LAYER - 1} in the paper's count)" in result.stdout
    assert "cross-validated AUC: 1.000" in result.stdout
    assert "At the threshold" in result.stdout
    assert "fitted on:" in result.stdout
    assert Probe.load(tmp_path / "probe").layer_ == BEST_LAYER


def test_few_clips_bring_a_warning(tmp_path: Path) -> None:
    clips = write_clip_folder(tmp_path / "clips", clips_per_class=3)
    result = good(run("fit", clips, "-o", tmp_path / "probe"))
    assert "warning: Only 3 normal and 3 anomalous sources" in result.stdout


def test_one_clip_in_a_class_is_fitted_without_cross_validation(tmp_path: Path) -> None:
    clips = write_clip_folder(tmp_path / "clips")
    for path in sorted((clips / "abnormal").iterdir())[1:]:
        path.unlink()
    result = good(run("fit", clips, "-o", tmp_path / "probe"))
    assert "cross-validated AUC: none" in result.stdout
    assert "warning:" in result.stdout


def test_a_single_class_is_refused(tmp_path: Path) -> None:
    clips = write_clip_folder(tmp_path / "clips")
    for path in (clips / "abnormal").iterdir():
        path.unlink()
    result = run("fit", clips, "-o", tmp_path / "probe")
    assert result.exit_code == 4
    assert not (tmp_path / "probe").exists()


def test_a_bad_clip_is_listed_and_the_rest_is_fitted(tmp_path: Path) -> None:
    clips = write_clip_folder(tmp_path / "clips")
    (clips / "normal" / "bad.safetensors").write_text("nothing")
    result = run("fit", clips, "-o", tmp_path / "probe")
    assert result.exit_code == 3
    assert "bad.safetensors" in result.stderr
    ((video, reason),) = read_record(tmp_path / "probe").failures  # type: ignore[union-attr]
    told = good(run("info", tmp_path / "probe")).stdout
    assert told.rstrip().endswith("1 clip that could not be used")
    assert video.endswith("bad.safetensors") and "bad.safetensors" in reason
    assert Probe.load(tmp_path / "probe").layer_ == BEST_LAYER


def test_options_reach_the_probe(tmp_path: Path) -> None:
    clips = write_clip_folder(tmp_path / "clips")
    options = ("--layer", 2, "--mode", "segment", "--kappa", 1.5, "--sigma", 0, "--seed", 7)
    good(run("fit", clips, "-o", tmp_path / "probe", *options))
    probe = Probe.load(tmp_path / "probe")
    assert (probe.layer_, probe.mode_, probe.kappa) == (2, "segment", 1.5)
    assert (probe.sigma_segments, probe.seed) == (0, 7)


def test_a_causal_smoothing_reaches_probe_and_report(tmp_path: Path) -> None:
    clips = write_clip_folder(tmp_path / "clips")
    good(run("fit", clips, "-o", tmp_path / "probe", "--smoothing", "ema", "--ema-weight", 0.5))
    write_untrimmed(tmp_path / "day.safetensors")
    detect = ("detect", tmp_path / "probe", tmp_path / "day.safetensors", "--format", "json,html")
    good(run(*detect, "-o", tmp_path / "out"))
    told = json.loads((tmp_path / "out" / "day.json").read_text())
    assert (told["smoothing"], told["ema_weight"], told["sigma_segments"]) == ("ema", 0.5, 0)
    assert read_timeline(tmp_path / "out" / "day.json").smoothing == "ema"
    assert "weight 0.5 on the newest (causal)" in (tmp_path / "out" / "day.html").read_text()
    refused = run(*detect, "-o", tmp_path / "out", "--sigma", 1)
    assert refused.exit_code == 2 and "sigma belongs to the Gaussian" in refused.stderr
    refused = run("fit", clips, "-o", tmp_path / "other", "--ema-weight", 0.5)
    assert refused.exit_code == 2 and "--ema-weight goes with --smoothing ema" in refused.stderr


def test_the_literal_forms_are_options_and_both_thresholds_are_shown(tmp_path: Path) -> None:
    clips = write_clip_folder(tmp_path / "clips")
    usual = good(run("fit", clips, "-o", tmp_path / "usual")).stdout
    literal = ("--penalty", "none", "--threshold-scores", "training")
    shown = good(run("fit", clips, "-o", tmp_path / "literal", *literal)).stdout
    assert "of the clips' cross-validated scores" in usual and "training scores" not in usual
    assert "of the clips' training scores" in shown and "validated scores" not in shown
    assert "equation 8 has no minimum" in shown and "no minimum" not in usual
    assert Probe.load(tmp_path / "literal").threshold_summary_.basis == "training"


def test_add_extends_a_probe(tmp_path: Path) -> None:
    first = write_clip_folder(tmp_path / "a", clips_per_class=4)
    more = write_clip_folder(tmp_path / "b", clips_per_class=5, seed=1)
    good(run("fit", first, "-o", tmp_path / "probe", "--kappa", 0.7))
    good(run("fit", more, "--add", tmp_path / "probe"))
    probe = Probe.load(tmp_path / "probe")
    assert probe.facts()["normal_clips"] == probe.facts()["anomalous_clips"] == 9
    assert probe.kappa == 0.7


def test_add_counts_a_known_clip_once_and_says_so(tmp_path: Path) -> None:
    first = write_clip_folder(tmp_path / "a", clips_per_class=4)
    good(run("fit", first, "-o", tmp_path / "probe"))
    again = good(run("fit", first, "--add", tmp_path / "probe"))
    assert "0 clips added; 8 were in the probe already" in again.stderr
    assert Probe.load(tmp_path / "probe").facts()["normal_clips"] == 4


def test_add_refuses_other_settings(tmp_path: Path) -> None:
    first = write_clip_folder(tmp_path / "a", clips_per_class=4)
    good(run("fit", first, "-o", tmp_path / "probe"))
    result = run(
        "fit", first, "--add", tmp_path / "probe", "--kappa", 0.2, "--prompt", "What else?"
    )
    assert result.exit_code == 2 and "leave out --kappa, --prompt" in result.stderr


def test_add_refuses_states_of_another_backbone(tmp_path: Path) -> None:
    first = write_clip_folder(tmp_path / "a", clips_per_class=4)
    good(run("fit", first, "-o", tmp_path / "probe"))
    other = write_clip_folder(tmp_path / "b", clips_per_class=2, seed=1, model="other")
    result = run("fit", other, "--add", tmp_path / "probe")
    assert result.exit_code == 6, result.output
    assert "another backbone" in result.stderr and "model" in result.stderr


def test_add_takes_clips_of_one_kind_such_as_false_alarms(tmp_path: Path) -> None:
    first = write_clip_folder(tmp_path / "a", clips_per_class=4)
    more = write_clip_folder(tmp_path / "b", clips_per_class=5, seed=1)
    for path in (more / "abnormal").iterdir():
        path.unlink()
    good(run("fit", first, "-o", tmp_path / "probe"))
    good(run("fit", more, "--add", tmp_path / "probe", "-o", tmp_path / "wider"))
    assert Probe.load(tmp_path / "wider").facts()["normal_clips"] == 9
    assert Probe.load(tmp_path / "probe").facts()["normal_clips"] == 4


def test_detect_finds_the_event_and_writes_every_format(probe: Path, tmp_path: Path) -> None:
    start, end = write_untrimmed(tmp_path / "day.safetensors")
    out = tmp_path / "out"
    good(
        run(
            "detect",
            probe,
            tmp_path / "day.safetensors",
            "-o",
            out,
            "--format",
            "json,csv,png,html",
        )
    )
    timeline = read_timeline(out / "day.json")
    assert any(e.start_seconds <= start + 1 and e.end_seconds >= end - 1 for e in timeline.events)
    assert {p.name for p in out.iterdir()} == {
        "day.json", "day.csv", "day.events.csv", "day.png", "day.html", "hiprobe-run.json",
    }  # fmt: skip
    document = json.loads((out / "day.json").read_text())
    assert document["version"] == VERSION
    assert {"start_seconds", "end_seconds", "score", "smoothed"} <= set(document["segments"][0])
    with (out / "day.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 40


def test_a_threshold_above_all_leaves_no_event(probe: Path, tmp_path: Path) -> None:
    write_untrimmed(tmp_path / "day.safetensors")
    result = good(
        run("detect", probe, tmp_path / "day.safetensors", "-o", tmp_path, "--threshold", 0.9999)
    )
    assert "no event in 40 segments" in result.stdout
    assert read_timeline(tmp_path / "day.json").threshold == 0.9999


def test_kappa_and_sigma_change_the_timeline(probe: Path, tmp_path: Path) -> None:
    write_untrimmed(tmp_path / "day.safetensors")
    day = tmp_path / "day.safetensors"
    good(run("detect", probe, day, "-o", tmp_path / "a", "--kappa", 0, "--sigma", 0))
    good(run("detect", probe, day, "-o", tmp_path / "b", "--kappa", 1, "--sigma", 2))
    a, b = (read_timeline(tmp_path / n / "day.json") for n in "ab")
    assert a.threshold < b.threshold
    assert np.array_equal(a.scores, a.smoothed)
    assert not np.array_equal(b.scores, b.smoothed)


def test_one_bad_file_of_a_folder_is_listed_on_screen_and_in_json(
    probe: Path, tmp_path: Path
) -> None:
    day = tmp_path / "days"
    day.mkdir()
    write_untrimmed(day / "a.safetensors")
    (day / "b.safetensors").write_text("damaged")
    result = run("detect", probe, day, "-o", tmp_path / "out")
    assert result.exit_code == 3
    assert "1 file could not be used" in result.stderr
    summary = json.loads((tmp_path / "out" / "hiprobe-run.json").read_text())
    assert [f["video"] for f in summary["failures"]] == [str(day / "b.safetensors")]
    assert [r["events"] for r in summary["results"]] == [
        len(read_timeline(tmp_path / "out" / "a.json").events)
    ]


def test_states_of_another_backbone_are_refused(probe: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    other = replace(FINGERPRINT, prompt="another prompt")
    write_clip_states(tmp_path / "x.safetensors", 0, rng, other)
    result = run("detect", probe, tmp_path / "x.safetensors", "-o", tmp_path / "out")
    assert result.exit_code == 3
    assert "another prompt" in result.stderr


def test_a_folder_that_is_no_probe_ends_with_its_own_exit_code(tmp_path: Path) -> None:
    write_untrimmed(tmp_path / "day.safetensors")
    assert run("detect", tmp_path, tmp_path / "day.safetensors").exit_code == 5


def test_an_unknown_format_is_refused(probe: Path) -> None:
    result = run("detect", probe, "x.mp4", "--format", "json,gif")
    assert result.exit_code == 2
    assert "gif" in result.stderr


def test_quiet_leaves_the_results_alone(probe: Path, tmp_path: Path) -> None:
    write_untrimmed(tmp_path / "day.safetensors")
    result = good(run("detect", probe, tmp_path / "day.safetensors", "-o", tmp_path, "-q"))
    assert not result.stderr
    assert "Events in" in result.stdout


def test_layers_writes_table_and_figures(tmp_path: Path) -> None:
    clips = write_clip_folder(tmp_path / "clips")
    result = good(run("layers", clips, "-o", tmp_path / "out"))
    assert "Silhouette" in result.stdout
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "layers.csv", "layers.json", "layers.png", "tsne.png",
    }  # fmt: skip
    with (tmp_path / "out" / "layers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["layer"] for r in rows if r["chosen"] == "1"] == [str(BEST_LAYER)]
    document = json.loads((tmp_path / "out" / "layers.json").read_text())
    assert (document["format"], document["chosen"]) == ("hiprobe-layers", BEST_LAYER)
    assert document["clips"] == {"normal": 10, "abnormal": 10} and document["failures"] == []
    assert [row["layer"] for row in document["layers"]] == [1, 2, 3, 4]
    for row, line in zip(document["layers"], rows, strict=True):
        assert row["kl"] == float(line["KL divergence"])
        assert row["cv_auc"] == float(line["Cross-validated AUC"])


def test_layers_lists_bad_clips_and_measures_the_others(tmp_path: Path) -> None:
    clips = write_clip_folder(tmp_path / "clips")
    (clips / "normal" / "03.safetensors").write_bytes(b"torn")
    result = run("layers", clips, "-o", tmp_path / "out")
    assert result.exit_code == 3, result.output
    document = json.loads((tmp_path / "out" / "layers.json").read_text())
    (failure,) = document["failures"]
    assert Path(failure["video"]).name == "03.safetensors"
    assert document["clips"] == {"normal": 9, "abnormal": 10}
    told = result.stderr.splitlines()
    assert told[-2:] == ["error: 1 file could not be used:", f"  {failure['reason']}"]
    assert (tmp_path / "out" / "tsne.png").exists()


def test_info_describes_probe_and_states(probe: Path, tmp_path: Path) -> None:
    write_untrimmed(tmp_path / "day.safetensors")
    result = good(run("info", probe, tmp_path / "day.safetensors"))
    told = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    assert ["segments", "unknown"] in told and ["cv", "auc           1.000"] in told
    assert "40 read at last" in result.stdout


def test_a_table_of_states_is_taken_too(tmp_path: Path) -> None:
    clips = write_clip_folder(tmp_path / "clips", clips_per_class=4)
    rows = [(f"clips/{p.parent.name}/{p.name}", p.parent.name) for p in clips.rglob("*.*")]
    good(run("fit", write_table(tmp_path / "t.csv", rows), "-o", tmp_path / "probe"))
