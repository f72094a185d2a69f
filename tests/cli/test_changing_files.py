"""Videos that change in mid-stream, jump in time or hold several tracks: each is done."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hiprobe.cli.app import app
from hiprobe.scenes.demo_scenes import write_demo_clips
from hiprobe.video.video_info import video_info

sys.path.insert(0, str(Path(__file__).parent.parent / "video"))
from video_media import joined_as_they_are, make_tracks, make_video, with_times


def recordings(folder: Path) -> list[Path]:
    """A change of size, a jump of ages, a small track before the real one, and a plain one."""
    parts = [
        make_video(folder / f"{size[0]}.ts", frames=30, size=size) for size in ((64, 48), (160, 90))
    ]
    jumping = make_video(folder / "jump.ivf", frames=60, codec="libvpx-vp9")
    return [
        joined_as_they_are(folder, *parts),
        with_times(jumping, {n: 2**62 + n for n in range(20, 60)}),
        make_tracks(folder / "tracks.mp4", ((64, 48), 60), ((320, 240), 60)),
        make_video(folder / "plain.mp4", frames=60),
    ]


TRACKS = "default:.*video tracks:UserWarning"


@pytest.mark.lite
@pytest.mark.filterwarnings(TRACKS)
def test_each_is_done_with_pictures_and_clips(
    lite_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    table = write_demo_clips(tmp_path / "clips", clips_per_class=2, seconds=0.5)
    fit = ["fit", str(table), "-o", str(tmp_path / "probe"), "--backbone", str(lite_folder)]
    assert CliRunner().invoke(app, [*fit, "--layer", "2"]).exit_code == 0
    videos, out = recordings(tmp_path), tmp_path / "out"
    detect = ["detect", str(tmp_path / "probe"), *map(str, videos), "-o", str(out), "--clips"]
    result = CliRunner().invoke(app, [*detect, "--threshold", "0", "--format", "json,mp4,html"])
    assert result.exit_code == 0, result.output
    run = json.loads((out / "hiprobe-run.json").read_text())
    assert [Path(r["video"]) for r in run["results"]] == videos
    for written in run["results"]:
        assert any(name.endswith(".event-01.mp4") for name in written["files"])
    assert result.stderr.count("has 2 video tracks") == 1
    assert video_info(out / "tracks.annotated.mp4").width == 320
    assert video_info(out / "joined.annotated.mp4").width == 64


@pytest.mark.filterwarnings(TRACKS)
def test_info_names_the_track_that_it_tells_of(tmp_path: Path) -> None:
    video = make_tracks(tmp_path / "a.mp4", ((64, 48), 5), ((320, 240), 5))
    result = CliRunner().invoke(app, ["info", str(video)])
    assert result.exit_code == 0
    assert "320x240" in result.stdout
    assert "the largest is read, track 1 (320x240); skipped: track 0 (64x48)" in result.stderr
