"""`hiprobe plan`, and the first line of `fit` and `detect`."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner, Result

from hiprobe.cli.app import app
from hiprobe.pipeline.measured_rate import kept_rate
from hiprobe.spec import BackboneSpec


def write_clip(path: Path, *, level: int, frames: int = 48) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(level)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(frames):
            picture = np.clip(rng.normal(level, 40, (64, 96, 3)), 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    for number in range(2):
        write_clip(tmp_path / "clips" / "normal" / f"{number}.mp4", level=60 + number)
        write_clip(tmp_path / "clips" / "abnormal" / f"{number}.mp4", level=180 + number)
    return tmp_path / "clips"


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def planned(*words: object) -> dict[str, object]:
    result = run("plan", *words, "--json", "-q")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_a_rate_is_measured_once_and_kept(clips: Path, tiny_model: Path) -> None:
    first = run("plan", clips, "--backbone", tiny_model)
    assert first.exit_code == 0, first.output
    assert "8 segments of 24 frames in 4 videos" in first.stdout
    assert "measured on this machine just now" in first.stdout
    assert "measuring" in first.stderr
    kept = kept_rate(BackboneSpec(str(tiny_model)))
    assert kept is not None
    again = planned(clips, "--backbone", tiny_model)
    assert again["rate"]["segment_seconds"] == kept.rate.seconds(kept.layer_count)  # type: ignore[index]
    assert again["passes"] == 8 + 4  # segments, and the clips themselves
    one = planned(clips, "--backbone", tiny_model, "--layer", "1")
    assert (one["passes"], one["layers_kept"], one["layer"]) == (8, 1, 1)
    finer = planned(clips, "--backbone", tiny_model, "--hop-seconds", "0.5")
    assert finer["segments"] == 12  # 48 frames: windows of 24 begin at 0, 12 and 24
    longer = planned(clips, "--backbone", tiny_model, "--segment-seconds", "2")
    assert longer["segments"] == 4


def test_a_damaged_record_is_measured_again(clips: Path, tiny_model: Path) -> None:
    planned(clips, "--backbone", tiny_model)
    spec = BackboneSpec(str(tiny_model))
    kept = (Path(clips.parent) / "cache" / "rates").iterdir()
    (record,) = (path for path in kept if not path.name.startswith("bfloat16"))
    record.write_text(record.read_text().replace('"base_seconds": ', '"base_seconds": -1'))
    assert kept_rate(spec) is None
    planned(clips, "--backbone", tiny_model)
    assert kept_rate(spec) is not None


def test_a_gpu_of_the_table_gives_the_floor(clips: Path) -> None:
    words = ("--backbone", "internvl2.5-8b", "--gpu", "H100", "--count", "8")
    found = planned(clips, *words, "--price-per-hour", "3")
    assert found["rate"]["source"] == "floor"  # type: ignore[index]
    assert found["price"] == pytest.approx(3 * 8 * found["seconds"] / 3600)  # type: ignore[operator]
    told = run("plan", clips, *words, "--price-per-hour", "3").stdout
    assert "at best: h100 at 791 TFLOP/s" in told
    assert "What would about halve it:" in told
    small = run("plan", clips, "--backbone", "internvl2.5-78b", "--gpu", "l4").stdout
    assert "does not fit" in small


def test_a_backbone_that_is_not_here_gives_the_floor_of_this_machine(clips: Path) -> None:
    found = planned(clips, "--backbone", "smolvlm2-256m")
    assert found["rate"]["source"] == "floor"  # type: ignore[index]
    assert "this machine multiplies" in found["rate"]["words"]  # type: ignore[index]


def test_a_probe_says_what_is_read_and_runs_begin_with_the_estimate(
    clips: Path, tiny_model: Path, tmp_path: Path
) -> None:
    video = write_clip(tmp_path / "v.mp4", level=100, frames=96)
    planned(video, "--backbone", tiny_model)
    fitted = run("fit", clips, "-o", tmp_path / "p", "--backbone", tiny_model)
    assert fitted.exit_code == 0, fitted.output
    assert "about 8 segments, 8 s of footage: " in fitted.stderr
    found = planned(video, "--probe", tmp_path / "p")
    assert (found["passes"], found["layers_kept"]) == (4, 1)
    done = run("detect", tmp_path / "p", video, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "about 4 segments, 4 s of footage: " in done.stderr
    assert "if none of it is cached (measured on this machine on" in done.stderr
    quiet = run("detect", tmp_path / "p", video, "-o", tmp_path / "out", "-q")
    assert "about" not in quiet.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--count", "2"), "add --gpu"),
        (("--probe", "p", "--layer", "3"), "leave out --layer"),
        (("--gpu", "gtx"), "choose one of t4"),
        (("--no-measure", "--backbone", "{tiny}"), "measure it here"),
        (("--layer", "99", "--no-measure"), "not within 0..30"),
    ],
)
def test_what_cannot_be_planned_is_refused(
    clips: Path, tiny_model: Path, words: tuple[str, ...], said: str
) -> None:
    result = run("plan", clips, *(w.format(tiny=tiny_model) for w in words))
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_a_file_that_cannot_be_opened_is_listed(clips: Path) -> None:
    (clips / "normal" / "bad.mp4").write_bytes(b"no video")
    result = run("plan", clips, "--no-measure")
    assert result.exit_code == 3
    assert "8 segments" in result.stdout
    assert "bad.mp4 is not a video" in result.stderr
