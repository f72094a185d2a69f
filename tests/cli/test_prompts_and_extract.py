"""`fit --prompts`, `--reading auto` and `extract` on videos, with a tiny model's real passes."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from hiprobe.backbones.registry import open_backbone
from hiprobe.cli.app import app
from hiprobe.probe import Probe
from hiprobe.prompts import PRESETS
from hiprobe.states import DECODER_READINGS

ROOT = Path(__file__).resolve().parent.parent.parent


def write_clip(path: Path, *, level: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(level)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(30):
            picture = np.clip(rng.normal(level, 8, (32, 32, 3)), 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark normal and bright abnormal clips, with a table of them."""
    folder = tmp_path_factory.mktemp("clips")
    with (folder / "t.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("video", "label", "source"))
        for number in range(4):
            for label, level in (("normal", 40 + number), ("bright", 190 + number)):
                write_clip(folder / label / f"{number}.mp4", level=level)
                rows.writerow((f"{label}/{number}.mp4", label, f"{label}{number}"))
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def good(result: Result) -> Result:
    assert result.exit_code == 0, result.output
    return result


def test_prompts_and_readings_are_compared_and_the_choice_is_kept(
    clips: Path, tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "p.txt").write_text("yes-no\nIs it bright in this room?\n")
    options = ("--backbone", tiny_model, "--prompts", tmp_path / "p.txt", "--reading", "auto")
    shown = good(run("fit", clips / "t.csv", "-o", tmp_path / "probe", *options)).stdout
    probe = Probe.load(tmp_path / "probe")
    table = probe.view_table_
    assert len(table) == 8  # two prompts, each at the four readings of the decoder
    assert {r.prompt for r in table} == {PRESETS["yes-no"], "Is it bright in this room?"}
    assert {r.reading for r in table} == set(DECODER_READINGS)
    (kept,) = (r for r in table if r.chosen)
    assert (kept.prompt, kept.reading) == (probe.fingerprint_.prompt, probe.reading_)
    assert f"prompt: {kept.prompt}" in shown
    assert shown.count("Is it bright in this room?") >= 3 and "chosen in folds" in shown
    assert "prompt, reading, layer and mode chosen inside each" in shown
    assert probe.cv_auc_ is not None

    video = clips / "bright" / "0.mp4"
    good(run("detect", tmp_path / "probe", video, "-o", tmp_path / "out", "--format", "json"))
    good(run("fit", clips / "t.csv", "--add", tmp_path / "probe", "-o", tmp_path / "more"))
    assert Probe.load(tmp_path / "more").fingerprint_ == probe.fingerprint_


def test_a_preset_is_a_prompt(clips: Path, tiny_model: Path, tmp_path: Path) -> None:
    good(
        run(
            "fit", clips / "t.csv", "-o", tmp_path / "probe", "--backbone", tiny_model,
            "--prompt", "motion",
        )
    )  # fmt: skip
    assert Probe.load(tmp_path / "probe").fingerprint_.prompt == PRESETS["motion"]
    opened = open_backbone(tiny_model, prompt="motion")
    assert opened.fingerprint == Probe.load(tmp_path / "probe").fingerprint_


@pytest.mark.parametrize(
    "words",
    [
        ("--prompt", "motoin"),
        ("--prompts", "gone.txt"),
        ("--prompts", "presets", "--prompt", "motion"),
    ],
)
def test_prompts_that_do_not_go(clips: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    result = run("fit", clips / "t.csv", "-o", tmp_path / "probe", *words)
    assert result.exit_code == 2 and not (tmp_path / "probe").exists()


@pytest.mark.parametrize("whole", [True, False])
def test_extracted_folders_keep_labels_and_fit_as_the_videos_do(
    clips: Path, tiny_model: Path, tmp_path: Path, whole: bool
) -> None:
    """A folder keeps its class subfolders, a table its labels and sources."""
    states, named = tmp_path / "states", clips if whole else clips / "t.csv"
    common = ("--backbone", tiny_model)
    kept = ("--layers", "1-4", "--reading", "committee", *common)
    told = good(run("extract", named, "-o", states, *kept)).stderr
    assert "8/8 wrote" in told and "states.parquet" in told
    assert (states / "manifest.csv").exists() != whole
    rows = pq.read_table(states / "states.parquet").to_pylist()
    assert len(rows) == 4 * 8 * (2 + 1)  # four readings of each clip and its two segments
    again = good(run("extract", named, "-o", states, *kept)).stderr
    assert again.count("found") == 8 and "wrote " + str(states / "states.parquet") in again

    good(run("fit", states, "-o", tmp_path / "a"))
    good(run("fit", clips if whole else clips / "t.csv", "-o", tmp_path / "b", *common))
    a, b = Probe.load(tmp_path / "a"), Probe.load(tmp_path / "b")
    assert (a.layer_, a.mode_, a.threshold_) == (b.layer_, b.mode_, b.threshold_)
    assert sorted(a.labels_) == sorted(b.labels_) and len(set(a.sources_)) == 8
    good(run("detect", tmp_path / "a", states, "-o", tmp_path / "out", "--format", "json"))
    assert len(list((tmp_path / "out").glob("*.json"))) == 9


def test_segments_of_extracted_states_are_those_of_the_probe(
    clips: Path, tiny_model: Path, tmp_path: Path
) -> None:
    common = ("--backbone", tiny_model)
    good(run("extract", clips, "-o", tmp_path / "s", "--segment-seconds", 0.25, *common))
    good(run("fit", tmp_path / "s", "-o", tmp_path / "probe", *common))
    out = tmp_path / "out"
    good(run("detect", tmp_path / "probe", clips / "normal" / "0.mp4", "-o", out))
    with (out / "0.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 5


def test_one_bad_video_is_listed_and_the_manifest_holds_the_rest(
    clips: Path, tiny_model: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    video = clips / "normal" / "0.mp4"
    states = tmp_path / "states"
    result = run("extract", bad, video, "-o", states, "--backbone", tiny_model)
    assert result.exit_code == 3 and "bad.mp4" in result.stderr
    rows = pq.read_table(states / "states.parquet").to_pylist()
    assert {r["file"] for r in rows} == {"0.safetensors"}
    done = json.loads((states / "hiprobe-run.json").read_text())
    assert done["results"] == [{"video": str(video), "files": ["0.safetensors"]}]
    assert [f["video"] for f in done["failures"]] == [str(bad)] and not done["interrupted"]


def test_the_lines_of_the_documentation_read_states_back(
    clips: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good(run("extract", clips, "-o", tmp_path / "states", "--backbone", tiny_model))
    text = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    section = text.split("## States of your own")[1].split("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 2
    monkeypatch.chdir(tmp_path)
    for code in blocks:
        found: dict[str, object] = {}
        exec(compile(code.replace("layer=20", "layer=2"), "getting-started.md", "exec"), found)
        values = found["states"]
        assert isinstance(values, np.ndarray) and values.dtype == np.float32
