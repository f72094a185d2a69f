"""`hiprobe data` as a user runs it."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hiprobe.cli.app import app
from hiprobe.datasets.clips import read_clips
from hiprobe.datasets.manifest import read_manifest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "datasets"))
from data_trees import clip, clips, pictures
from git_server import repository


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, words)])


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))


def test_list_names_every_set() -> None:
    done = run("list")
    assert (
        done.exit_code == 0
        and "ucf-crime" in done.output
        and "val split, as ubnormal-val" in done.output
    )


def test_check_then_subset_then_clips(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    clips(root, [f"{k}/{i}.mp4" for k in ("normal", "fight", "fire") for i in range(5)])
    out, report = tmp_path / "m.parquet", tmp_path / "r.json"
    done = run("check", "folder", root, "-o", out, "--report", report, "-q")
    assert done.exit_code == 0, done.output
    assert "no faults (every frame decoded)" in done.output
    assert json.loads(report.read_text())["counts"] == {"": 15}
    drawn = run("subset", out, "--fraction", 0.4, "--seed", 1, "-o", tmp_path / "s.csv")
    assert drawn.exit_code == 0 and "6 videos, 40 % of all, seed 1" in drawn.output
    found = read_clips(tmp_path / "s.csv")
    assert sorted(c.class_name for c in found) == ["fight"] * 2 + ["fire"] * 2 + ["normal"] * 2
    assert all(c.video.is_file() for c in found)


def test_faults_have_their_own_exit_codes(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    clips(root, ("train/normal/a.mp4", "train/fight/b.mp4", "test/fight/c.mp4"), frames=40)
    clip(root / "test" / "fight" / "d.mp4", 1, frames=40, crf=30)
    leak = run("check", "folder", root, "-q")
    assert leak.exit_code == 14 and "near-duplicates across splits: 1" in leak.output
    assert "test/fight/d: the same recording as train/fight/b (likeness" in leak.output
    (root / "train" / "fight" / "e.mp4").write_bytes(b"no video")
    broken = run("check", "folder", root, "-q", "-o", tmp_path / "m.csv")
    assert broken.exit_code == 12 and "cannot be read" in broken.output
    assert len(read_manifest(path=tmp_path / "m.csv").rows) == 4
    fights = tmp_path / "fights"
    clips(fights, ("fight/fi001.mp4", "noFight/nofi001.mp4"))
    few = run("check", "fights", fights, "-q")
    assert few.exit_code == 13 and "2 videos, published 300" in few.output
    nothing = run("check", "avenue", fights, "-q")
    assert nothing.exit_code == 12 and "holds nothing of CUHK Avenue" in nothing.output
    assert run("check", "ucf", fights).exit_code == 2
    assert run("check", "folder", root, "-o", "m.txt").exit_code == 2


def test_many_findings_are_cut_short_unless_asked(tmp_path: Path) -> None:
    clips(tmp_path / "xd", ("a/Film__#1_label_A.mp4",))
    short, long = (run("check", "xd-violence", tmp_path / "xd", "-q", *a) for a in ((), ("--all",)))
    assert "missing videos: 800 (800 test)" in short.output
    assert "and 790 more (--all lists them)" in short.output
    assert "exit code 12: something is missing or cannot be read" in short.output
    assert len(long.output.splitlines()) > 800


def test_pack(tmp_path: Path) -> None:
    pictures(tmp_path / "s" / "testing" / "frames" / "08", 1, frames=36)
    run("check", "avenue", tmp_path / "s", "-o", tmp_path / "m.csv", "-q")
    done = run("pack", tmp_path / "m.csv", "-o", tmp_path / "videos", "-q")
    assert done.exit_code == 0, done.output
    (row,) = read_manifest(path=tmp_path / "videos").rows
    assert row.video == tmp_path / "videos" / "test" / "08.mp4" and row.spans == ((20, 30),)


def led_to_this_disk(hub: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real git; only the address is led to a repository on this disk."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{hub.as_uri()}/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/")
    return hub / "seymanurakti" / "fight-detection-surv-dataset"


def test_get_clones_and_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = led_to_this_disk(tmp_path / "hub", monkeypatch)
    clips(source, ("fight/fi001.mp4", "noFight/nofi001.mp4"))
    repository(source)
    done = run("get", "surveillance-fights", "-o", tmp_path / "f", "-q")
    assert done.exit_code == 13 and "2 videos, published 300" in done.output, done.output
    assert (
        "1 fault: different counts (1)" in done.output
        and "exit code 13: something differs" in done.output
    )
    assert "frame-level metrics need spans" in done.output
    rows = read_manifest(path=tmp_path / "f").rows
    assert [(r.class_name, r.label) for r in rows] == [("fight", 1), ("noFight", 0)]


def test_get_of_a_repository_that_was_rearranged_says_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = led_to_this_disk(tmp_path / "hub", monkeypatch)
    clips(source, ("videos/violent/a.mp4", "videos/calm/b.mp4"))
    repository(source)
    done = run("get", "surveillance-fights", "-o", tmp_path / "f", "-q")
    assert done.exit_code == 12
    assert "none of its 2 videos is named as there; it has videos/calm/b.mp4" in done.output
    assert f"{tmp_path}/f/fight/*.mp4" in done.output
    assert f"hiprobe data check folder {tmp_path}/f" in done.output
    assert (tmp_path / "f" / "videos" / "calm" / "b.mp4").is_file()
    again = run("get", "surveillance-fights", "-o", tmp_path / "f", "-q")
    assert again.exit_code == 2 and "holds something" in again.output


def test_get_says_where_to_ask_and_what_to_do_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = run("get", "ucf-crime")
    assert asked.exit_code == 0 and "crcv.ucf.edu" in asked.output
    monkeypatch.setenv("HIPROBE_OFFLINE", "1")
    done = run("get", "surveillance-fights", "-o", tmp_path / "f")
    assert done.exit_code == 9 and "git clone --depth 1" in done.output
