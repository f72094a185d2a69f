"""What HiProbe wrote does not become its input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_states import write_clip_folder, write_untrimmed
from click.testing import CliRunner

from hiprobe.cli.app import app
from hiprobe.cli.named_files import expand_videos
from hiprobe.cli.run_files import RunFile
from hiprobe.datasets.clips import read_clips, read_labelled
from hiprobe.datasets.files_found import find_all
from hiprobe.errors import LabelError, UsageError
from hiprobe.store.text_files import STATES


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def detected(video: Path, out: Path) -> None:
    """As a run of `detect --clips --format json,mp4` leaves a folder."""
    name = RunFile(out).names.claim(video)
    touch(out, f"{name}.json", f"{name}.annotated.mp4", f"{name}.event-01.mp4")


def names(files: list[Path], root: Path) -> list[str]:
    return sorted(f.relative_to(root).as_posix() for f in files)


@pytest.mark.parametrize("out", [".", "results", "deep/er/results"])
def test_results_are_passed_over_in_folders_and_patterns(
    tmp_path: Path, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "cam.mp4", "sub/other.mkv", "x.annotated.mp4")
    detected(tmp_path / "cam.mp4", tmp_path / out)
    expected, told = ["cam.mp4", "sub/other.mkv", "x.annotated.mp4"], []
    assert names(expand_videos([str(tmp_path)], tell=told.append), tmp_path) == expected
    assert told == ["passed over: 2 files that HiProbe wrote"]
    found = expand_videos([str(tmp_path / "**" / "*.m*")])
    assert names(found, tmp_path) == expected
    monkeypatch.chdir(tmp_path)
    assert sorted(f.as_posix() for f in expand_videos(["."])) == expected


def test_a_result_that_is_named_itself_is_taken(tmp_path: Path) -> None:
    touch(tmp_path, "cam.mp4")
    detected(tmp_path / "cam.mp4", tmp_path)
    named, told = str(tmp_path / "cam.event-01.mp4"), []
    assert expand_videos([named], tell=told.append) == [Path(named)] and not told
    assert len(expand_videos([named, str(tmp_path)])) == 2


def test_where_there_is_nothing_else_it_is_said(tmp_path: Path) -> None:
    touch(tmp_path, "videos/cam.mp4")
    detected(tmp_path / "videos" / "cam.mp4", tmp_path / "results")
    with pytest.raises(UsageError, match="HiProbe wrote"):
        expand_videos([str(tmp_path / "results")])


def test_the_folder_for_the_results_is_passed_over_unless_it_is_searched(tmp_path: Path) -> None:
    touch(tmp_path, "cam.mp4", "out/mine.mp4")
    out, told = tmp_path / "out", []
    assert names(expand_videos([str(tmp_path)], out=out, tell=told.append), tmp_path) == ["cam.mp4"]
    assert told == [f"passed over: 1 file in the folder for the results, {out}"]
    assert names(expand_videos([str(out)], out=out), out) == ["mine.mp4"]


def extracted(video: Path, out: Path, name: str) -> None:
    RunFile(out, kind=STATES).names.claim(video, wanted=name)
    touch(out, f"{name}.safetensors")


def test_states_are_passed_over_beside_their_video_and_taken_without_it(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    for name in ("normal/1", "abnormal/1"):
        touch(clips, f"{name}.mp4")
        extracted(clips / f"{name}.mp4", clips, name)
    found = read_labelled(clips)
    assert [clip.name for clip in found.clips] == ["abnormal/1.mp4", "normal/1.mp4"]
    assert "passed over: 2 files that HiProbe wrote" in found.remarks
    assert {f.suffix for f in expand_videos([str(clips)])} == {".mp4"}
    for video in clips.rglob("*.mp4"):
        video.unlink()
    assert [c.name for c in read_clips(clips)] == ["abnormal/1.safetensors", "normal/1.safetensors"]
    assert len(expand_videos([str(clips)])) == 2


def test_results_are_no_videos_of_a_data_set(tmp_path: Path) -> None:
    touch(tmp_path, "normal/1.mp4", "abnormal/2.mp4")
    detected(tmp_path / "abnormal" / "2.mp4", tmp_path / "abnormal")
    told: list[str] = []
    found = find_all(tmp_path, say=told.append)
    assert [str(f.relative) for f in found] == ["abnormal/2.mp4", "normal/1.mp4"]
    assert told == ["passed over: 2 files that HiProbe wrote"]


def test_results_are_no_class_of_clips(tmp_path: Path) -> None:
    touch(tmp_path, "normal/1.mp4", "abnormal/2.mp4")
    detected(tmp_path / "abnormal" / "2.mp4", tmp_path / "hiprobe-results")
    assert {c.class_name for c in read_clips(tmp_path)} == {"normal", "abnormal"}
    for video in ("normal/1.mp4", "abnormal/2.mp4"):
        (tmp_path / video).unlink()
    with pytest.raises(LabelError, match="holds no videos"):
        read_clips(tmp_path)


def test_three_runs_read_the_same_videos(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_interrupts import write_video

    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    clips = tmp_path / "clips"
    for label, seed in (("normal", 1), ("abnormal", 2)):
        for number in (0, 1):
            write_video(clips / label / f"{number}.mp4", seconds=1, seed=seed + 3 * number)

    def run(*words: object) -> str:
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 0, result.output
        return result.output

    run("fit", clips, "-o", tmp_path / "probe", "--backbone", tiny_model)
    videos = tmp_path / "videos"
    write_video(videos / "cam.mp4", seconds=1, seed=1)
    monkeypatch.chdir(videos)
    words = ("detect", tmp_path / "probe", ".", "-o", ".", "--clips", "--threshold", 0)
    for number in range(3):
        told = run(*words, "--format", "json,mp4")
        document = json.loads((videos / "hiprobe-run.json").read_text())
        assert [r["video"] for r in document["results"]] == ["cam.mp4"]
        assert ("passed over: 2 files that HiProbe wrote" in told) == (number > 0)
    run("extract", clips, "-o", clips, "--backbone", tiny_model)
    assert "passed over: 4 files" in run(
        "fit", clips, "-o", tmp_path / "p", "--backbone", tiny_model
    )


def test_states_given_to_detect_are_named_after_their_file(tmp_path: Path) -> None:
    clips = write_clip_folder(tmp_path / "clips")
    write_untrimmed(tmp_path / "1" / "cam.safetensors")
    write_untrimmed(tmp_path / "2" / "cam.safetensors", seed=5)

    def detect(*files: str) -> str:
        words = ["detect", "probe", *files, "-o", "out", "--format", "json"]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        return result.output

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert CliRunner().invoke(app, ["fit", str(clips), "-o", "probe"]).exit_code == 0
        detect("1/cam.safetensors")
        first = (tmp_path / "out" / "cam.json").read_bytes()
        assert "2/cam.safetensors" in detect("2/cam.safetensors")
        assert (tmp_path / "out" / "cam.json").read_bytes() == first
        told = detect("2/cam.safetensors", "1/cam.safetensors")
        assert "2/cam.safetensors" in told and "1/cam.safetensors" in told
        for name, folder in (("cam", "1"), ("cam-2", "2")):
            document = json.loads((tmp_path / "out" / f"{name}.json").read_text())
            assert document["video"] == f"{folder}/cam.safetensors"
