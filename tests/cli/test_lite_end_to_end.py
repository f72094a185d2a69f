"""The commands and the README's example on real videos, with the real lite backbone."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hiprobe.cli.app import app
from hiprobe.scenes.demo_scenes import write_demo_clips
from hiprobe.timeline import Event
from hiprobe.video.video_info import video_info

pytestmark = pytest.mark.lite
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_demo_clips(folder, clips_per_class=2, seconds=1.0)
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_fit_and_detect_on_videos(lite_folder: Path, clips: Path, tmp_path: Path) -> None:
    fitted = run("fit", clips / "clips.csv", "-o", tmp_path / "probe", "--backbone", lite_folder)
    assert fitted.exit_code == 0, fitted.output
    video = next((clips / "abnormal").glob("*.mp4"))
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    out = tmp_path / "out"
    # without the cache, which has its states from fitting: reading them is to be timed
    options = (
        "--explain",
        "--clips",
        "--threshold",
        0.0,
        "--format",
        "json,mp4,html",
        "--no-cache",
    )
    result = run("detect", tmp_path / "probe", bad, video, "-o", out, *options)
    assert result.exit_code == 3, result.output
    assert "bad.mp4" in result.stderr
    assert "x playback speed)" in result.stderr
    document = json.loads((out / f"{video.stem}.json").read_text())
    assert [e["kind"] for e in document["explanations"]] == ["event", "summary"]
    assert all(e["text"].strip() for e in document["explanations"])
    assert "data:image/" in (out / f"{video.stem}.html").read_text()
    source = video_info(video)
    for name in (f"{video.stem}.annotated.mp4", f"{video.stem}.event-01.mp4"):
        assert video_info(out / name).width == source.width


def test_extracted_states_give_the_same_scores_as_the_video(
    lite_folder: Path, clips: Path, tmp_path: Path
) -> None:
    videos = sorted(clips.rglob("*.mp4"))
    common = ("--backbone", lite_folder)
    extracted = run("extract", *videos, "-o", tmp_path / "states", "--layers", "18", *common)
    assert extracted.exit_code == 0, extracted.output
    fit = ("fit", clips / "clips.csv", "-o", tmp_path / "probe", "--layer", 18, *common)
    assert run(*fit).exit_code == 0
    name = videos[0].stem
    one = run("detect", tmp_path / "probe", videos[0], "-o", tmp_path / "a")
    other = run(
        "detect", tmp_path / "probe", tmp_path / "states" / f"{name}.safetensors", "-o",
        tmp_path / "b",
    )  # fmt: skip
    assert one.exit_code == other.exit_code == 0, one.output + other.output
    a, b = (json.loads((tmp_path / n / f"{name}.json").read_text()) for n in "ab")
    assert [s["score"] for s in a["segments"]] == pytest.approx(
        [s["score"] for s in b["segments"]], abs=1e-4
    )


def test_the_example_of_the_readme_runs(
    lite_folder: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "clips").symlink_to(clips)
    (tmp_path / "camera.mp4").symlink_to(next((clips / "abnormal").glob("*.mp4")))
    monkeypatch.chdir(tmp_path)
    shown: list[tuple[Event, ...]] = []
    exec(code.replace('"lite"', repr(str(lite_folder))), {"print": shown.append})
    assert all(isinstance(event, Event) for event in shown[0])
