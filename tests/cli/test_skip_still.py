"""`--skip-still` through the whole commands: what is skipped, and what says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from hiprobe.cli.app import app
from hiprobe.joined import layers_read, readings_read
from hiprobe.probe import Probe
from hiprobe.report.documents import read_timeline
from hiprobe.settings import states_folder
from hiprobe.store.states_cache import StatesCache
from hiprobe.store.states_file import read_states
from hiprobe.video.write import write_video


def write_clip(path: Path, levels: list[int]) -> Path:
    """Squares with a camera's noise, a second of each brightness."""
    rng, frames = np.random.default_rng(len(levels)), []
    squares = rng.integers(0, 40, (6, 6, 3)).repeat(8, axis=0).repeat(8, axis=1)
    for level in levels:
        for _ in range(24):
            noise = rng.normal(0, 1, squares.shape)
            frames.append(np.clip(squares + level + noise, 0, 255).astype(np.uint8))
    write_video(path, frames, fps=24, crf=12)
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def good(*words: object) -> Result:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("still")
    for number in range(2):
        write_clip(folder / "clips" / "normal" / f"{number}.mp4", [30 + number])
        write_clip(folder / "clips" / "abnormal" / f"{number}.mp4", [190 + number])
    write_clip(folder / "day.mp4", [30] * 5 + [190] * 4 + [30] * 3)
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))


FRESH = [0, 5, 9]
"""Seconds of `day.mp4` that show something new."""


def test_all_commands_skip_still_segments_and_say_so(
    place: Path, tiny_model: Path, tmp_path: Path
) -> None:
    probe, day, out = tmp_path / "probe", place / "day.mp4", tmp_path / "out"
    good("fit", place / "clips", "-o", probe, "--backbone", tiny_model, "--layer", 1, "-q")
    assert Probe.load(probe).provenance_.skip_still is False

    told = good("detect", probe, day, "-o", out, "--skip-still").output
    assert "9 still, with the score before them" in " ".join(told.split())
    timeline = read_timeline(out / "day.json")
    assert [n for n in range(12) if n not in timeline.reused_segments] == FRESH
    scores = timeline.scores
    assert all(scores[n] == scores[n - 1] for n in timeline.reused_segments)
    assert " still, " not in good("detect", probe, day, "-o", tmp_path / "full").output

    good("extract", day, "-o", tmp_path / "states", "--backbone", tiny_model, "--layers", 1,
         "--skip-still", "-q")  # fmt: skip
    found = read_states(tmp_path / "states" / "day.safetensors")
    assert found.provenance is not None and found.provenance.skip_still
    assert np.flatnonzero(~found.states["last"].reused).tolist() == FRESH
    table = pq.read_table(tmp_path / "states" / "states.parquet").to_pylist()
    assert [row["reused"] for row in table if row["unit"] == "clip"] == [False]
    assert sum(row["reused"] for row in table) == 9
    # made in another way, so a file that is there does not stand in for it
    made = good("extract", day, "-o", tmp_path / "states", "--backbone", tiny_model, "--layers", 1)
    assert "wrote" in made.output
    assert not read_states(tmp_path / "states" / "day.safetensors").states["last"].reused.any()

    asked = ("--camera", "yard", "--false-alarms", "60/hour", "--cooldown-seconds", 2, "-q")
    good("calibrate", probe, day, *asked, "--skip-still")
    (camera,) = json.loads((probe / "calibration.json").read_text())["cameras"].values()
    assert camera["skip_still"] is True
    cache, used = StatesCache(states_folder()), Probe.load(probe)
    (key,) = camera["footage"]
    assert cache.get(key, layers=layers_read(used), readings=readings_read(used)) is not None
    good("detect", probe, day, "-o", tmp_path / "yard", "--camera", "yard", "-q")
    assert read_timeline(tmp_path / "yard" / "day.json").reused_segments
    good("calibrate", probe, day, *asked)
    refused = run("detect", probe, day, "-o", out, "--camera", "yard", "--skip-still")
    assert refused.exit_code == 2 and "footage that was read in full" in refused.stderr


def test_without_a_probe_nothing_can_be_reused(place: Path) -> None:
    refused = run("detect", "--zero-label", place / "day.mp4", "--skip-still")
    assert refused.exit_code == 2 and "--zero-label reads none" in refused.stderr
