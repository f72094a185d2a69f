"""`fit`, `detect` and `extract` on an object store write what they write on a disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_states import states, write_clip_folder, write_table, write_untrimmed
from numpy import array
from numpy.random import default_rng
from test_fit_and_detect import good, run

from hiprobe.cli.doctor import _disk
from hiprobe.cli.extract import items_to_extract
from hiprobe.cli.named_files import expand_videos
from hiprobe.datasets.clips import read_clips
from hiprobe.names import path_text
from hiprobe.objects import local_copy, objects_below, put
from hiprobe.settings import states_folder
from hiprobe.states import VideoStates
from hiprobe.store.states_cache import StatesCache


def send(folder: Path, to: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            put(file, to / file.relative_to(folder).as_posix())


def names_below(folder: Path) -> list[str]:
    return [found.path.relative_to(folder).as_posix() for found in objects_below(folder)]


@pytest.fixture
def clips(tmp_path: Path, bucket: Path) -> Path:
    """A folder of this machine; the same lies in the bucket."""
    folder = write_clip_folder(tmp_path / "clips", clips_per_class=4)
    send(folder, bucket / "clips")
    return folder


def test_fit_and_detect(clips: Path, bucket: Path, tmp_path: Path) -> None:
    day = tmp_path / "day"
    for camera in ("a", "b"):
        (day / camera).mkdir(parents=True)
        write_untrimmed(day / camera / "cam.safetensors", seed=ord(camera))
    send(day, bucket / "day")
    words = ("--format", "json", "--format", "csv")
    far = path_text(bucket)
    fitted = good(run("fit", f"{far}/clips", "-o", f"{far}/probe"))
    assert f"wrote {far}/probe" in fitted.output
    (tmp_path / "probe").mkdir()
    for name in names_below(bucket / "probe"):
        (tmp_path / "probe" / name).write_bytes(local_copy(bucket / "probe" / name).read_bytes())
    good(run("detect", tmp_path / "probe", day, "-o", tmp_path / "out", *words))
    found = good(run("detect", f"{far}/probe", f"{far}/day/*/cam.*", "-o", f"{far}/out", *words))
    assert f"wrote {far}/out/cam.json, cam.csv" in found.output

    assert names_below(bucket / "out") == sorted(
        f.name for f in (tmp_path / "out").iterdir() if f.is_file() and f.name[0] != "."
    )
    for name, camera in (("cam", "a"), ("cam-2", "b")):
        here, there = (
            json.loads(local_copy(folder / f"{name}.json").read_bytes())
            for folder in (tmp_path / "out", bucket / "out")
        )
        assert there.pop("video") == f"{far}/day/{camera}/cam.safetensors"
        assert here.pop("video") and here == there
    again = good(run("detect", f"{far}/probe", f"{far}/day", "-o", f"{far}/out"))
    assert f"wrote {far}/out/cam-2.json" in again.output  # names are kept


def test_a_table_may_name_objects(clips: Path, bucket: Path, tmp_path: Path) -> None:
    rows = [
        (f"clips/{kind}/0{n}.safetensors", kind) for kind in ("normal", "fight") for n in (1, 2)
    ]
    far = [(f"{path_text(bucket)}/{name}", kind) for name, kind in rows]
    put(write_table(tmp_path / "near.csv", rows), bucket / "clips.csv")
    by_name, by_place = (
        read_clips(table)
        for table in (write_table(tmp_path / "far.csv", far), bucket / "clips.csv")
    )
    assert (
        [c.video for c in by_name] == [c.video for c in by_place] == [bucket / n for n, _ in rows]
    )
    assert [c.label for c in by_name] == [c.label for c in by_place] == [0, 0, 1, 1]


def test_what_is_given_becomes_files_and_names(bucket: Path, tmp_path: Path) -> None:
    for name in ("day/a/cam.mp4", "day/b/cam.mp4", "day/notes.txt", "day/b/x.csv"):
        (tmp_path / "file").write_bytes(b"x")
        put(tmp_path / "file", bucket / name)
    far, videos = path_text(bucket), [bucket / "day" / c / "cam.mp4" for c in "ab"]
    for named in (f"{far}/day", f"{far}/day/", f"{far}/**/*.mp4", f"{far}/day/[ab]/*"):
        assert [v for v in expand_videos([named]) if v.suffix == ".mp4"] == videos
    assert [item.name for item in items_to_extract([f"{far}/day"])] == ["a/cam", "b/cam"]


def test_a_place_for_results_is_tried_before_the_work(
    clips: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far, monkey = path_text(bucket), monkeypatch
    told = run("extract", f"{far}/clips", "-o", f"{far}-none/out", "--backbone", "/no/such")
    assert told.exit_code == 10 and "no such bucket" in told.output
    monkey.setattr("hiprobe.objects._TRIES", 1)
    monkey.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    told = run("detect", f"{far}/probe", f"{far}/day", "-o", f"{far}/out")
    assert told.exit_code == 10 and "it cannot be reached" in told.output
    assert "secret" not in told.output and "AKIA" not in told.output


def test_doctor_says_what_is_wrong_with_a_cache_in_a_store(
    bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", f"{path_text(bucket)}-none/cache")
    wrong, *_ = _disk()
    assert (wrong.name, wrong.level) == ("cache of states", "missing")
    assert "there is no such bucket" in wrong.text
    monkeypatch.setenv("HIPROBE_CACHE", f"{path_text(bucket)}/cache")
    assert "cache of states" not in [check.name for check in _disk()]


def test_the_cache_command_shows_and_empties_one(
    bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", f"{path_text(bucket)}/cache")
    made = VideoStates(states={"last": states(array([0, 1]), default_rng(0))})
    StatesCache(states_folder()).put("k" * 40, made, video="v.mp4")
    shown = good(run("cache", "show", "--all"))
    assert f"{path_text(bucket)}/cache/states: 1 entries" in shown.output
    assert "removed 1 entries" in good(run("cache", "prune", "--all")).output
    assert not objects_below(bucket / "cache" / "states")
