"""The code of docs/extending.md, run as a package that is installed beside HiProbe."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from extension_packages import install
from hiprobe.cli.app import app
from hiprobe.timeline import Event, Timeline


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield folder
    for path in folder.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def timeline() -> Timeline:
    scores = np.array([0.1, 0.9, 0.9, 0.2])
    event = Event(1.0, 3.0, 1, 3, peak=0.9, mean=0.9, peak_seconds=1.5)
    start = np.arange(4.0)
    return Timeline(start, start + 1, scores, scores, 0.5, 0.4, (event,))


def test_an_output_format(site: Path, tmp_path: Path, timeline: Timeline) -> None:
    from hiprobe import ScoredVideo, write_result

    install("An output format", site)
    subtitles = "1\n00:00:01,000 --> 00:00:03,000\nunusual, score 0.90\n"
    scored = ScoredVideo(Path("camera.mp4"), timeline)
    written = write_result(scored, tmp_path / "results", formats=("json", "srt"))
    assert [path.name for path in written] == ["camera.json", "camera.srt"]
    assert written[1].read_text(encoding="utf-8") == subtitles
    help_text = CliRunner().invoke(app, ["detect", "--help"]).output
    assert "json, csv, png, mp4, html, srt" in " ".join(help_text.split())


def test_a_scorer_and_a_layer_rule(site: Path, tmp_path: Path) -> None:
    from hiprobe import Probe

    install("A scorer", site)
    rng = np.random.default_rng(0)
    y = np.arange(30) % 2
    x = rng.normal(size=(30, 3, 5)) + y[:, None, None] * np.array([0, 3, 1])[:, None]
    for scorer in ("nearest-mean", "lda"):
        probe = Probe(scorer=scorer, layer="widest-gap").fit(x, y)
        assert probe.layer_ == 2 and probe.score(x, y) > 0.9
        probe.save(tmp_path / scorer)
        again = Probe.load(tmp_path / scorer)
        assert again.get_params()["scorer"] == scorer
        np.testing.assert_array_equal(again.predict_proba(x), probe.predict_proba(x))


def test_a_backbone(site: Path, tmp_path: Path) -> None:
    from hiprobe import extract_video, open_backbone
    from hiprobe.backbones.interface import Backbone
    from hiprobe.spec import spec_of
    from hiprobe.video.write import write_video

    install("A backbone", site)
    backbone = open_backbone("brightness", prompt="motion")
    assert isinstance(backbone, Backbone)
    spec = spec_of(backbone)
    assert spec is not None and spec.name == "brightness"
    frames = [np.full((48, 64, 3), 20 if n < 24 else 220, np.uint8) for n in range(48)]
    write_video(tmp_path / "cam.mp4", frames, fps=24)
    states = extract_video(tmp_path / "cam.mp4", backbone=backbone).states["last"]
    dark, bright = states.layer(1)[:, 0]
    assert dark < 0.2 < 0.8 < bright


def test_a_family_of_models(site: Path, tmp_path: Path, tiny_model: Path) -> None:
    from hiprobe import extract_video, open_backbone
    from hiprobe.video.write import write_video

    install("A family of models", site)
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "ownvl", "architectures": ["OwnModel"]}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    odd, known = (open_backbone(f, dtype="float32") for f in (folder, tiny_model))
    assert odd.fingerprint.model == "ownvl"
    assert odd.fingerprint.settings["labels"] is False
    frames = np.random.default_rng(0).integers(0, 255, (24, 48, 64, 3), dtype=np.uint8)
    write_video(tmp_path / "cam.mp4", frames, fps=24)
    first, second = (
        extract_video(tmp_path / "cam.mp4", backbone=b).states["last"].values for b in (odd, known)
    )
    assert first.shape == second.shape and np.abs(first - second).max() > 1e-4


def test_a_data_set(site: Path, tmp_path: Path) -> None:
    from hiprobe.datasets.check_folder import check_dataset
    from hiprobe.video.write import write_video

    install("A data set", site)
    for name in ("day1_01_walk", "day1_02_fall", "day2_01_walk", "day2_02_fall"):
        frames = [np.full((48, 64, 3), 9 * n, np.uint8) for n in range(20)]
        write_video(tmp_path / "corridor" / "videos" / f"{name}.mp4", frames, fps=10)
    (tmp_path / "corridor" / "test.txt").write_text("day2_02_fall 20 5 9\n")
    report = check_dataset("corridor", tmp_path / "corridor", kept=tmp_path / "kept")
    assert report.manifest is not None
    rows = {(r.name, r.split, r.label, r.spans) for r in report.manifest.rows}
    assert ("day2_02_fall", "test", 1, ((5, 10),)) in rows and len(rows) == 4
    assert "corridor" in CliRunner().invoke(app, ["data", "list"]).output
