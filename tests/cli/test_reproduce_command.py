"""`hiprobe reproduce` as a user meets it, on extracted states and on generated videos."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hiprobe.cli.app import app
from hiprobe.spec import BackboneSpec
from hiprobe.video.write import write_video

sys.path += [str(Path(__file__).parents[1] / n) for n in ("reproduce", "backbones")]
import backbone_cases
import toy_states


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["reproduce", *map(str, words)])


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))


def test_the_list_needs_no_data() -> None:
    found = run("--list")
    assert found.exit_code == 0
    for name in ("table1", "table3", "table4", "table5", "fig2", "fig6", "label-budget"):
        assert name in found.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("table9", "--data", "x"), "experiment 'table9' is unknown"),
        ((), "name an experiment"),
        (("table4",), "give at least one"),
        (("table3", "--data", "x"), "needs 2 data sets"),
        (("table4", "--data", "nowhere"), "does not exist"),
    ],
)
def test_what_cannot_be_run_is_said(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    found = run(*words, "-o", tmp_path / "out")
    assert found.exit_code in (2, 4)
    assert told in found.output
    assert not (tmp_path / "out").exists()


def test_several_experiments_on_states_joined_to_a_page_and_again(tmp_path: Path) -> None:
    data = [
        toy_states.write_folder(tmp_path / n, toy_states.examples(sources=8, seed=s, prefix=n))
        for s, n in enumerate(("ours", "theirs"))
    ]
    out, page = tmp_path / "out", tmp_path / "docs" / "results.md"
    words = ("table3", "fig3", "--data", data[0], "--data", data[1], "-o", out)
    settings = ("--seeds", "2", "--folds", "3", "--draws", "5")
    found = run(*words, *settings, "--docs", page)
    assert found.exit_code == 0, found.output
    document = json.loads((out / "table3" / "result.json").read_text())
    assert document["data"]["ours"].startswith("16 clips (8 normal, 8 abnormal) of 8 sources")
    assert document["command"].startswith(
        "hiprobe reproduce table3 --data ours/manifest.csv --data theirs/manifest.csv"
    )
    assert str(tmp_path) not in (out / "table3" / "table.md").read_text()
    assert "fitted on theirs" in page.read_text() and "silhouette" in page.read_text()
    kept = {p: p.stat().st_mtime_ns for p in (out / ".kept").rglob("*.json")}
    again = run(*words, *settings, "-q")
    assert again.exit_code == 0
    assert kept == {p: p.stat().st_mtime_ns for p in (out / ".kept").rglob("*.json")}


def write_clips(folder: Path) -> Path:
    """Ten sources: normal ones stand still, abnormal ones flicker."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = [["video", "label", "source"]]
    for number in range(10):
        label = number % 2
        scene = rng.integers(40, 200, (48, 64, 3))
        frames = (
            np.clip(scene + label * rng.normal(0, 60, (1, 1, 3)), 0, 255).astype(np.uint8)
            for _ in range(24)
        )
        write_video(folder / f"{number}.mp4", frames, fps=12)
        rows.append([f"{number}.mp4", ("normal", "flicker")[label], f"source{number}"])
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder / "clips.csv"


def test_videos_are_joined_scored_by_frame_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hiprobe.backbones.lite.lite_model import load_lite

    folder = tmp_path / "model"
    folder.mkdir()
    trained = backbone_cases.write_tiny_lite(folder)
    opened = load_lite(folder, trained=trained)
    monkeypatch.setattr(BackboneSpec, "open", lambda spec, **_: opened)
    table, out = write_clips(tmp_path / "clips"), tmp_path / "out"
    words = ("--data", table, "-o", out, "--seeds", "1", "--folds", "2", "--draws", "5")
    monkeypatch.setattr("hiprobe.reproduce.experiments.tables_3_5.KEY_FRAMES", (1, 8))
    found = run("table4", "fig6", "table5", *words)
    assert found.exit_code == 0, found.output
    rows = json.loads((out / "table4" / "result.json").read_text())["rows"]
    metrics = {r["metric"] for r in rows}
    assert {"frame AUC", "frame AP", "AUC within a video", "event F1 at IoU 0.3"} <= metrics
    assert "last layer, after the final norm" in {r["setting"] for r in rows}
    joined = sorted((out / "joined" / "clips").glob("*.mp4"))
    assert [p.stem for p in joined] == ["seed0-fold0", "seed0-fold1", "seed0-normal"]
    facts = json.loads((out / "joined" / "clips" / "seed0-fold0.json").read_text())
    held = {source for _, _, source in facts["parts"]}
    assert held and len(facts["spans"]) >= 1
    assert (out / "fig6" / "scores-clips-abnormal.png").is_file()
    assert (out / "fig6" / "scores-clips-normal.svg").is_file()
    per_k = json.loads((out / "table5" / "result.json").read_text())["rows"]
    assert {r["setting"] for r in per_k if r["metric"] == "frame AUC"} == {"K = 1", "K = 8"}
    few, many = (
        [r["ours"] for r in per_k if r["setting"] == k and r["metric"] != "layer, median"]
        for k in ("K = 1", "K = 8")
    )
    assert few != many
    stamps = [p.stat().st_mtime_ns for p in joined]
    assert run("table4", *words).exit_code == 0
    assert stamps == [p.stat().st_mtime_ns for p in joined]
