from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result

from hiprobe.cli.app import app
from hiprobe.video.write import write_video


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def video(path: Path) -> Path:
    frames = (np.full((48, 64, 3), 8 * i, np.uint8) for i in range(20))
    write_video(path, frames, fps=10)
    return path


def test_a_video_is_described(tmp_path: Path) -> None:
    result = run("info", str(video(tmp_path / "a.mp4")))
    assert result.exit_code == 0
    assert "64x48" in result.output
    assert "h264" in result.output


def test_a_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    result = run("info", str(bad), str(video(tmp_path / "a.mp4")), str(tmp_path / "gone.mp4"))
    assert result.exit_code == 3
    assert result.stdout.startswith("video ") and "64x48" in result.stdout
    assert "2 files could not be used" in result.stderr
    assert "bad.mp4" in result.stderr
    assert "gone.mp4" in result.stderr


def test_a_folder_that_is_no_probe_is_named(tmp_path: Path) -> None:
    result = run("info", str(tmp_path))
    assert result.exit_code == 5
    assert str(tmp_path) in result.stderr
