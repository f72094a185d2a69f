"""A probe that Python saved is used from the shell as its clips were read."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hiprobe import Probe, extract_examples, open_backbone, read_clips
from hiprobe.cli.app import app
from hiprobe.pipeline import ExtractionSettings, detect_video

sys.path.append(str(Path(__file__).parents[1] / "zero_label"))
import answering

LEVELS = (20, 30, 25, 35, 30, 20)
"""Seconds of a video, each of one grey."""


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def good(result: Result) -> Result:
    assert result.exit_code == 0, result.output
    return result


def write_clips(folder: Path, *, count: int = 4, first: int = 0) -> Path:
    for number in range(first, first + count):
        answering.write_video(folder / "normal" / f"{number}.mp4", [20 + number] * 4)
        answering.write_video(folder / "abnormal" / f"{number}.mp4", [200 + number] * 4)
    return folder


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    answering.write_video(Path("v.mp4"), LEVELS)
    return tmp_path


@pytest.fixture
def fitted(place: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fitted and saved in Python, with the model named by a path relative to where that ran."""
    monkeypatch.chdir(tiny_model.parent)
    backbone = open_backbone(
        tiny_model.name, prompt="motion", dtype="bfloat16", resize="area", frames_as="pictures"
    )
    settings = ExtractionSettings(segment_seconds=2, key_frames=3)
    clips = read_clips(write_clips(place / "clips"))
    examples, failures = extract_examples(clips, backbone=backbone, settings=settings)
    assert not failures
    Probe().fit(examples).save(place / "probe")
    monkeypatch.chdir(place)
    return place / "probe"


def segments_of(path: Path) -> list[tuple[float, float]]:
    found = json.loads(path.read_text())["segments"]
    return [(s["start_seconds"], s["end_seconds"]) for s in found]


TWO_SECONDS = [(0.0, 2.0), (2.0, 4.0), (4.0, 6.0)]


def test_detect_reads_as_the_clips_were_read(fitted: Path, tiny_model: Path) -> None:
    words = [sys.executable, "-m", "hiprobe", "detect", fitted, "v.mp4", "-o", "out"]
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"opening the backbone {tiny_model}" in done.stderr
    assert segments_of(Path("out/v.json")) == TWO_SECONDS
    shown = good(run("info", fitted)).stdout
    assert "2 s" in shown and str(tiny_model) in shown


def test_detection_in_python_does_too(fitted: Path) -> None:
    probe = Probe.load(fitted)
    backbone = probe.backbone_spec().open()
    found = detect_video("v.mp4", probe=probe, backbone=backbone).states
    assert list(zip(found.start_seconds, found.end_seconds, strict=True)) == TWO_SECONDS
    asked = ExtractionSettings(segment_seconds=3)
    assert len(detect_video("v.mp4", probe=probe, backbone=backbone, settings=asked).states) == 2


def test_the_user_may_still_say_otherwise(fitted: Path) -> None:
    done = good(run("detect", fitted, "v.mp4", "-o", "out", "--segment-seconds", 3))
    assert "the probe was fitted on segments of 2 s" in done.stderr
    assert segments_of(Path("out/v.json")) == [(0.0, 3.0), (3.0, 6.0)]


def test_clips_are_added_as_the_others_were_read(fitted: Path) -> None:
    more = write_clips(Path("more"), count=2, first=10)
    good(run("fit", more, "--add", fitted))
    probe = Probe.load(fitted)
    assert len(probe.names_) == 12
    lengths = {
        round(float(seconds), 6)
        for e in probe.examples()
        if e.segments is not None
        for seconds in e.segments.end_seconds - e.segments.start_seconds
    }
    assert lengths == {2.0}
    cut_otherwise = run("fit", more, "--add", fitted, "--segment-seconds", 1)
    assert cut_otherwise.exit_code != 0 and "same settings" in cut_otherwise.stderr


def test_extracted_states_bring_it_along(place: Path, tiny_model: Path) -> None:
    clips, how = write_clips(Path("clips")), ("--backbone", tiny_model, "--segment-seconds", 2)
    good(run("extract", clips, "-o", "states", *how))
    good(run("fit", "states", "-o", "probe"))
    good(run("detect", "probe", "v.mp4", "-o", "out"))
    assert segments_of(Path("out/v.json")) == TWO_SECONDS
    other = run("fit", "states", "-o", "probe", "--segment-seconds", 1)
    assert other.exit_code == 2 and "segments of 2 s" in other.stderr


def test_states_cut_otherwise_than_the_probes_clips_are_said(
    fitted: Path, tiny_model: Path
) -> None:
    same = ("--dtype", "bfloat16", "--resize", "area", "--frames-as", "pictures")
    how = ("--backbone", tiny_model, "--prompt", "motion", *same)
    good(run("extract", "v.mp4", "-o", "s", *how, "--segment-seconds", 3))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        done = good(run("detect", fitted, "s/v.safetensors", "-o", "out"))
    assert "warning: s/v.safetensors holds states of segments of 3 s" in done.stderr
    assert "fitted on segments of 2 s with 3 key frames" in done.stderr


def test_states_cut_in_two_ways_are_not_fitted_together(place: Path, tiny_model: Path) -> None:
    for kind, seconds in (("normal", 2), ("abnormal", 1)):
        clips = write_clips(Path("clips")) / kind
        how = ("--backbone", tiny_model, "--segment-seconds", seconds)
        good(run("extract", clips, "-o", Path("states") / kind, *how))
    found = run("fit", "states", "-o", "probe")
    assert found.exit_code != 0 and "segments of 1 s" in found.stderr
    assert not Path("probe").exists()


def test_a_backbone_that_moved_is_said_with_what_to_do(fitted: Path, tiny_model: Path) -> None:
    path = fitted / "probe.json"
    path.write_text(path.read_text().replace(str(tiny_model), "/gone/model"))
    done = run("detect", fitted, "v.mp4", "-o", "out")
    assert done.exit_code == 8 and "/gone/model" in done.stderr and "--backbone" in done.stderr
    good(run("detect", fitted, "v.mp4", "-o", "out", "--backbone", tiny_model))


def test_without_a_word_of_the_cut_it_is_said_what_is_taken(fitted: Path, tiny_model: Path) -> None:
    document = json.loads((fitted / "probe.json").read_text())
    del document["provenance"]
    (fitted / "probe.json").write_text(json.dumps(document))
    done = good(run("detect", fitted, "v.mp4", "-o", "out", "--backbone", tiny_model))
    assert "does not say how its clips were cut: 24 frames" in done.stderr
    assert len(segments_of(Path("out/v.json"))) == 6
