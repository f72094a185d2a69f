"""A result has its name for good, and never replaces another video's."""

from __future__ import annotations

import json
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from cli_states import FINGERPRINT, states
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hiprobe.cli.detect import save_event_clips
from hiprobe.cli.run_files import RunFile, shown_names
from hiprobe.report.documents import timeline_document, write_json
from hiprobe.report.writers import ScoredVideo, write_result
from hiprobe.store.states_file import write_states
from hiprobe.store.text_files import ENDINGS, RESULTS, RUN_NAME, STATES, names_of_file
from hiprobe.timeline import Event, Timeline


def video(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def claim(out: Path, *videos: Path, told: list[str] | None = None) -> list[str]:
    """The names that one run gives, as a process of its own would."""
    names = RunFile(out, say=None if told is None else told.append).names
    return [names.claim(path) for path in videos]


def timeline() -> Timeline:
    event = Event(
        first_segment=0, end_segment=1, start_seconds=0.0, end_seconds=1.0, peak=0.9, mean=0.9,
        peak_seconds=0.5,
    )  # fmt: skip
    scores = np.array([0.9, 0.1])
    return Timeline(
        start_seconds=np.array([0.0, 1.0]), end_seconds=np.array([1.0, 2.0]), scores=scores,
        smoothed=scores, threshold=0.5, sigma_segments=0.0, events=(event,), ended="end",
        explanations=(),
    )  # fmt: skip


def result_of(path: Path, of: Path | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(timeline_document(timeline(), video=str(of), probe={}), path)


def test_two_cameras_with_files_of_one_name(tmp_path: Path) -> None:
    cams = [video(tmp_path / f"cam{n}" / "2026-11-28.mp4", f"picture {n}") for n in (1, 2, 3)]
    out, told = tmp_path / "out", []
    assert claim(out, cams[0], told=told) == ["2026-11-28"] and not told
    assert claim(out, cams[1], told=told) == ["2026-11-28-2"]
    assert str(cams[1]) in told[0] and "2026-11-28-2" in told[0]
    order = [cams[2], cams[1], cams[0]]
    assert claim(out, *order) == ["2026-11-28-3", "2026-11-28-2", "2026-11-28"]
    assert claim(out, *cams) == ["2026-11-28", "2026-11-28-2", "2026-11-28-3"]


def test_another_content_at_the_same_path_is_another_video(tmp_path: Path) -> None:
    latest, out = video(tmp_path / "latest.mp4", "monday"), tmp_path / "out"
    assert claim(out, latest) == ["latest"]
    assert claim(out, video(latest, "tuesday")) == ["latest-2"]
    assert claim(out, video(latest, "monday")) == ["latest"]


def test_a_file_that_has_grown_is_the_same_recording(tmp_path: Path) -> None:
    growing, out = video(tmp_path / "now.ts", "one"), tmp_path / "out"
    for content in ("one two", "one two three"):
        assert claim(out, growing) == ["now"] == claim(out, video(growing, content))


def test_a_copy_has_a_name_of_its_own_and_a_moved_file_keeps_its_name(tmp_path: Path) -> None:
    first, out = video(tmp_path / "a" / "cam.mp4", "x"), tmp_path / "out"
    assert claim(out, first) == ["cam"]
    copy = video(tmp_path / "b" / "cam.mp4", "x")
    assert claim(out, copy) == ["cam-2"]
    first.rename(tmp_path / "door.mp4")
    assert claim(out, tmp_path / "door.mp4", copy) == ["cam", "cam-2"]


def test_copies_that_were_moved_together_keep_their_names(tmp_path: Path) -> None:
    old = [video(tmp_path / "old" / n / "cam.mp4", "x") for n in ("a", "b")]
    out = tmp_path / "out"
    assert claim(out, *old) == ["cam", "cam-2"]
    shutil.move(tmp_path / "old", tmp_path / "new")
    new = [tmp_path / "new" / n / "cam.mp4" for n in ("b", "a")]
    assert claim(out, *new) == ["cam-2", "cam"]


def test_results_and_videos_that_were_moved_together_belong_together(tmp_path: Path) -> None:
    cam = video(tmp_path / "disk" / "cam.mp4", "x")
    other = video(tmp_path / "disk" / "2" / "cam.mp4", "y")
    assert claim(tmp_path / "disk" / "out", other, cam) == ["cam", "cam-2"]
    shutil.move(tmp_path / "disk", tmp_path / "usb")
    usb = tmp_path / "usb"
    assert claim(usb / "out", usb / "cam.mp4", usb / "2" / "cam.mp4") == ["cam-2", "cam"]


@pytest.mark.parametrize("record", [None, "{ damaged"])
def test_without_a_run_file_what_names_its_video_is_its_own(
    tmp_path: Path, record: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, told = tmp_path / "out", []
    mine, other = video(tmp_path / "1" / "cam.mp4", "x"), video(tmp_path / "2" / "cam.mp4", "y")
    monkeypatch.chdir(tmp_path)
    result_of(out / "cam.json", "1/cam.mp4")
    (out / "cam.png").write_bytes(b"picture")
    if record is not None:
        (out / RUN_NAME).write_text(record)
    assert claim(out, other, mine, told=told) == ["cam-2", "cam"]
    assert any("damaged" in line for line in told) == (record is not None)


@pytest.mark.parametrize("ending", ENDINGS[RESULTS])
def test_a_file_whose_video_is_not_known_is_left_alone(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"cam{ending}").write_text("mine")
    assert claim(tmp_path, video(tmp_path / "cam.mp4", "x")) == ["cam-2"]


def test_states_in_an_older_folder_are_known_by_the_video_that_they_name(tmp_path: Path) -> None:
    mine, other = video(tmp_path / "cam.mp4", "x"), video(tmp_path / "2" / "cam.mp4", "y")
    names = RunFile(tmp_path / "out", kind=STATES).names
    made = states(np.zeros(2, np.int64), np.random.default_rng(0), FINGERPRINT)
    notes = {"sha256": names.hash_of(mine)}
    write_states(tmp_path / "out" / "cam.safetensors", made, notes=notes)
    assert [names.claim(other), names.claim(mine)] == ["cam-2", "cam"]


def test_states_extracted_anew_are_of_the_same_video(tmp_path: Path) -> None:
    file, notes = tmp_path / "cam.safetensors", {"sha256": "ab" * 32}
    for seed in (1, 2):
        made = states(np.zeros(2, np.int64), np.random.default_rng(seed), FINGERPRINT)
        write_states(file, made, notes=notes)
        assert claim(tmp_path / "out", file) == ["cam"]


def test_results_and_states_share_a_folder(tmp_path: Path) -> None:
    cam, out = video(tmp_path / "cam.mp4", "x"), tmp_path / "out"
    assert claim(out, cam) == ["cam"] == [RunFile(out, kind=STATES).names.claim(cam)]


def test_stretches_of_one_video_have_names_of_their_own(tmp_path: Path) -> None:
    cam = video(tmp_path / "cam.mp4", "x")
    names = RunFile(tmp_path / "out", kind=STATES).names
    given = [names.claim(cam, wanted="cam", part=part) for part in ("", "0-5s", "0-5s", "5-9s")]
    assert given == ["cam", "cam-2", "cam-2", "cam-3"]


def test_a_file_that_cannot_be_read_takes_no_name(tmp_path: Path) -> None:
    assert claim(tmp_path / "out", tmp_path / "1" / "gone.mp4") == ["gone"]
    assert not (tmp_path / "out").exists()
    assert claim(tmp_path / "out", video(tmp_path / "gone.mp4", "x")) == ["gone"]


STEM = st.lists(
    st.sampled_from(
        ["cam", "CAM", "é", "e\u0301", "ß", "SS", ".events", ".annotated", ".event-01", "-2",
         "hiprobe-run", ".json", "x"]
    ),
    min_size=1, max_size=3,
).map("".join)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEM, min_size=2, max_size=8))
def test_no_two_videos_ever_write_one_file(
    tmp_path_factory: pytest.TempPathFactory, stems: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("names")
    videos = [video(folder / str(n) / f"{stem}.mp4", str(n)) for n, stem in enumerate(stems)]
    names = [*claim(folder / "out", *videos[::2]), *claim(folder / "out", *videos[1::2])]
    files = [RUN_NAME, *(f"{name}{ending}" for name in names for ending in ENDINGS[RESULTS])]
    plain = [unicodedata.normalize("NFC", file).casefold() for file in files]
    assert len(set(plain)) == len(plain)
    assert claim(folder / "out", *videos[::2], *videos[1::2]) == names


def test_the_endings_are_those_that_are_written(tmp_path: Path) -> None:
    """In all formats, and with clips of events."""
    from hiprobe.video.write import write_video

    out, frames = tmp_path / "out", [np.zeros((32, 32, 3), np.uint8)] * 20
    write_video(tmp_path / "cam.mp4", frames, fps=10)
    scored = ScoredVideo(tmp_path / "cam.mp4", timeline())
    paths = write_result(scored, out, formats=("json", "csv", "png", "mp4", "html"), name="cam")
    paths += save_event_clips(scored, out, name="cam")
    written = {path.name for path in paths}
    assert written == {path.name for path in out.iterdir()}
    assert written == {f"cam{ending}" for ending in ENDINGS[RESULTS]}
    assert all("cam" in names_of_file(name, RESULTS) for name in written)


def test_a_run_that_is_killed_has_noted_whose_its_files_are(tmp_path: Path) -> None:
    first, second = (video(tmp_path / n / "cam.mp4", n) for n in "12")

    def one(file: Path, name: str) -> None:
        found = json.loads((tmp_path / "out" / RUN_NAME).read_text(encoding="utf-8"))
        assert found["interrupted"] and found["owners"][-1]["video"] == str(file)
        assert found["owners"][-1]["name"] == name

    RunFile(tmp_path / "out").over([first, second], one)
    assert not json.loads((tmp_path / "out" / RUN_NAME).read_text())["interrupted"]


def test_files_of_one_name_are_shown_with_their_folders(tmp_path: Path) -> None:
    files = [Path("cam1/a.mp4"), Path("x/cam2/a.mp4"), Path("y/cam2/a.mp4"), Path("b.mp4")]
    shown = shown_names(files)
    assert [shown[f] for f in files] == ["cam1/a.mp4", "x/cam2/a.mp4", "y/cam2/a.mp4", "b.mp4"]
    assert shown_names([Path("a.mp4")])[Path("a.mp4")] == "a.mp4"
    beside = [Path("/elsewhere/a.mp4")]
    assert shown_names([Path("/cam/a.mp4")], beside=beside)[Path("/cam/a.mp4")] == "cam/a.mp4"
    assert shown_names(files[:1], beside=[Path("cam1/a.mp4").absolute()])[files[0]] == "a.mp4"
