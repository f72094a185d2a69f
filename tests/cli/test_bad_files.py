"""A folder of every kind of file: what can be read is done, the rest is listed with its reason."""

import json
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

from hiprobe.cli.app import app
from hiprobe.scenes.demo_scenes import write_demo_clips

sys.path.insert(0, str(Path(__file__).parent.parent / "video"))
from video_media import cut_file, make_audio, make_video

pytestmark = pytest.mark.lite

BAD = {
    "audio.mp4": "only audio",
    "empty.mp4": "is empty",
    "link.mp4": "No such file",
    "script.mp4": "not a video",
    "text.mp4": "not a video",
}
GOOD = {"one-frame.mp4", "rotated.mp4", "ten-bit.mkv", "truncated.mkv", "vfr.mkv"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten small files, half of them unusable."""
    found = tmp_path / "files"
    found.mkdir()
    make_video(found / "one-frame.mp4", frames=1)
    make_video(found / "vfr.mkv", frames=30, ticks=[i * 40 + 2000 * (i > 20) for i in range(30)])
    make_video(found / "ten-bit.mkv", frames=10, codec="ffv1", pixel_format="yuv420p10le")
    make_video(found / "rotated.mp4", frames=10, rotation=90, pixel_aspect=Fraction(4, 3))
    whole = make_video(tmp_path / "whole.mkv", frames=60, noise=True)
    cut_file(whole, keep=0.5, target=found / "truncated.mkv")
    make_audio(tmp_path / "a.m4a").rename(found / "audio.mp4")
    (found / "empty.mp4").write_bytes(b"")
    (found / "text.mp4").write_text("hello")
    (found / "script.mp4").write_text("ffconcat version 1.0\nfile 'rotated.mp4'\n")
    (found / "link.mp4").symlink_to(tmp_path / "nowhere.mp4")
    return found


def test_bad_files_stop_nothing_and_are_listed_everywhere(
    lite_folder: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    table = write_demo_clips(tmp_path / "clips", clips_per_class=2, seconds=0.5)
    fit = ["fit", str(table), "-o", str(tmp_path / "probe"), "--backbone", str(lite_folder)]
    assert CliRunner().invoke(app, [*fit, "--layer", "2"]).exit_code == 0
    out = tmp_path / "out"
    detect = ["detect", str(tmp_path / "probe"), str(folder), "-o", str(out), "--format", "json"]
    result = CliRunner().invoke(app, detect)
    assert result.exit_code == 3, result.output
    run = json.loads((out / "hiprobe-run.json").read_text())
    assert {Path(r["video"]).name for r in run["results"]} == GOOD
    reasons = {Path(f["video"]).name: f["reason"] for f in run["failures"]}
    assert set(reasons) == set(BAD)
    for name, words in BAD.items():
        assert words in reasons[name] and name in reasons[name]
        assert reasons[name] in result.stderr
    ended = {n: json.loads((out / f"{Path(n).stem}.json").read_text())["ended"] for n in GOOD}
    assert {n for n, how in ended.items() if how == "truncated"} == {"truncated.mkv"}
