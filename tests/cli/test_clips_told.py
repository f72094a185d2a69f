"""What commands say of labelled clips: nothing is left out, or counted, without a word."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_states import write_clip_folder, write_clip_states
from click.testing import CliRunner, Result

from hiprobe.cli.app import app
from hiprobe.probe import Probe


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_fit_says_which_classes_are_normal_and_what_it_skipped(tmp_path: Path) -> None:
    clips = write_clip_folder(tmp_path / "clips", clips_per_class=3)
    (clips / "normal").rename(clips / "Training_Normal_Videos_Anomaly")
    (clips / "abnormal" / "a.rec").write_bytes(b"\x1aE\xdf\xa3" + b"\0" * 64)
    result = run("fit", clips, "-o", tmp_path / "probe")
    assert result.exit_code == 0, result.output
    words = "counted as normal: Training_Normal_Videos_Anomaly (3 clips); counted as abnormal: "
    assert words + "abnormal (3 clips)" in result.stderr
    assert "skipped: 1 file (.rec)" in result.stderr
    assert "counted" not in run("fit", clips, "-o", tmp_path / "probe", "-q").stderr


def test_several_normal_classes(tmp_path: Path) -> None:
    clips = write_clip_folder(tmp_path / "clips", clips_per_class=4)
    (clips / "normal").rename(clips / "day")
    (clips / "night").mkdir()
    for number in (0, 1):
        (clips / "day" / f"{number:02d}.safetensors").rename(
            clips / "night" / f"{number}.safetensors"
        )
    result = run("fit", clips, "-o", tmp_path / "p", "--normal", "day", "--normal", "Night")
    assert result.exit_code == 0, result.output
    assert Probe.load(tmp_path / "p").labels_.tolist().count(0) == 4


def test_fit_takes_the_train_split_unless_told(tmp_path: Path) -> None:
    clips = write_clip_folder(tmp_path / "clips", clips_per_class=4)
    rows = [
        f"{kind}/{n:02d}.safetensors,{kind},{'test' if n == 3 else 'train'}"
        for kind in ("normal", "abnormal")
        for n in range(4)
    ]
    table = clips / "manifest.csv"
    table.write_text("\n".join(["video,label,split", *rows]))
    result = run("fit", clips, "-o", tmp_path / "p")
    assert result.exit_code == 0, result.output
    assert "taken: 6 clips of the split train; left out: 2 test" in result.stderr
    assert len(Probe.load(tmp_path / "p").names_) == 6
    assert run("fit", clips, "-o", tmp_path / "p", "--split", "all").exit_code == 0
    assert len(Probe.load(tmp_path / "p").names_) == 8


def test_copies_under_two_labels_end_the_fit(tmp_path: Path) -> None:
    from hiprobe.store.content_hash import content_hash

    clips = write_clip_folder(tmp_path / "clips", clips_per_class=2)
    for name in ("normal/a.mp4", "abnormal/b.mp4"):
        (clips / name).write_bytes(b"the same bytes")
    result = run("fit", clips, "-o", tmp_path / "p")
    assert result.exit_code == 4
    assert "abnormal/b.mp4" in result.stderr and "normal/a.mp4" in result.stderr
    assert len({content_hash(clips / n) for n in ("normal/a.mp4", "abnormal/b.mp4")}) == 1


def test_extract_never_writes_over_the_table_that_it_reads(tmp_path: Path) -> None:
    write_clip_states(tmp_path / "a.safetensors", 0, np.random.default_rng(0))
    table = tmp_path / "manifest.csv"
    table.write_text("video,label,start_seconds\na.mp4,normal,1\nb.mp4,fight,2\n")
    before = table.read_text()
    for named in (table, tmp_path):
        result = run("extract", named, "-o", tmp_path)
        assert result.exit_code == 2 and "would be written over" in result.stderr
    assert table.read_text() == before


@pytest.mark.parametrize("command", ["detect", "extract", "zero-label"])
def test_a_folder_with_unknown_endings_only_says_so(tmp_path: Path, command: str) -> None:
    clips = write_clip_folder(tmp_path / "clips", clips_per_class=2)
    assert run("fit", clips, "-o", tmp_path / "p", "-q").exit_code == 0
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.rec").write_bytes(b"\x1aE\xdf\xa3" + b"\0" * 64)
    words = [command, *([tmp_path / "p"] if command == "detect" else []), tmp_path / "in"]
    result = run(*words)
    assert result.exit_code == 2 and "skipped: 1 file (.rec)" in result.stderr
    shutil.rmtree(tmp_path / "in")
