"""Output formats: HiProbe's own and those of other packages, from Python and by name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hiprobe
from hiprobe.errors import OutsideFolderError, StorageError, UsageError
from hiprobe.pipeline import DetectResult
from hiprobe.report.documents import read_timeline
from hiprobe.report.writers import (
    FORMATS,
    WRITERS,
    ScoredVideo,
    find_writer,
    format_names,
    write_result,
    writes,
)
from hiprobe.states import States
from hiprobe.store.text_files import ENDINGS, RESULTS, endings_of, names_of_file
from hiprobe.timeline import Timeline


def install(folder: Path, code: str, *, name: str = "srt", module: str = "other") -> None:
    """A package with one format, as pip leaves it: a module and a dist-info."""
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[hiprobe.writers]\n{name} = {module}:write\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the search path for packages that a test makes."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "other", raising=False)
    return folder


GOOD = """
from hiprobe.report.writers import writes

@writes(".srt", ".long.srt")
def write(result, folder, name):
    path = folder / f"{name}.srt"
    path.write_text(str(len(result.timeline.events)))
    return [path]
"""


def test_own_endings_are_those_that_names_reserve() -> None:
    declared = [ending for name in FORMATS for ending in find_writer(name).endings]
    assert {*declared, ".event-01.mp4"} == set(ENDINGS[RESULTS])
    assert endings_of(RESULTS) == ENDINGS[RESULTS]


def test_a_result_is_written_from_python(timeline: Timeline, tmp_path: Path) -> None:
    scored = ScoredVideo(Path("cam.mp4"), timeline, probe={"layer": 4}, has_pictures=False)
    written = hiprobe.write_result(scored, tmp_path / "a" / "b", formats=FORMATS)
    names = ["cam.json", "cam.csv", "cam.events.csv", "cam.png", "cam.html"]
    assert written == [tmp_path / "a" / "b" / name for name in names]
    assert all(path.stat().st_size for path in written)
    document = json.loads(written[0].read_text(encoding="utf-8"))
    assert (document["video"], document["probe"]) == ("cam.mp4", {"layer": 4})
    assert read_timeline(written[0]).events == timeline.events


def test_what_detection_returned_is_written(timeline: Timeline, tmp_path: Path) -> None:
    class FakeProbe:
        def facts(self) -> dict[str, int]:
            return {"layer": 7}

    states: States = None  # type: ignore[assignment]
    facts = (timeline, states, 1.0, None, 10, "end")
    result = DetectResult(*facts, video=Path("x.safetensors"), probe=FakeProbe())  # type: ignore
    (path,) = write_result(result, tmp_path, name="own")
    assert path == tmp_path / "own.json"
    assert json.loads(path.read_text(encoding="utf-8"))["probe"] == {"layer": 7}
    assert write_result(result, tmp_path, formats=["mp4"]) == []
    with pytest.raises(UsageError, match="names no video"):
        write_result(DetectResult(*facts), tmp_path)


def test_another_package_adds_a_format(timeline: Timeline, tmp_path: Path, site: Path) -> None:
    install(site, GOOD)
    assert format_names() == (*FORMATS, "srt")
    scored = ScoredVideo(Path("cam.mp4"), timeline)
    (path,) = write_result(scored, tmp_path / "out", formats="srt", name="deep/cam")
    assert path == tmp_path / "out" / "deep" / "cam.srt" and path.read_text() == "1"
    assert endings_of(RESULTS) == (*ENDINGS[RESULTS], ".srt", ".long.srt")
    assert list(names_of_file("cam.srt", RESULTS)) == ["cam"]


def test_a_class_is_a_format_too(quiet: Timeline, tmp_path: Path, site: Path) -> None:
    install(
        site,
        "class write:\n    endings = ('.x',)\n    def __call__(self, result, folder, name):\n"
        "        (folder / f'{name}.x').touch()\n        return [folder / f'{name}.x']\n",
    )
    scored = ScoredVideo(Path("cam.mp4"), quiet)
    assert write_result(scored, tmp_path, formats=["srt"]) == [tmp_path / "cam.x"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "import no_such_module",
            "'srt' .* of other 1.0 cannot be loaded: ModuleNotFoundError: No module",
        ),
        ("def write(result, folder, name): return []", "does not say what its files end in"),
        (GOOD.replace('".srt", ".long.srt"', '"srt"'), "does not say what its files end in"),
        (GOOD.replace('".srt", ".long.srt"', '".a/b"'), "does not say what its files end in"),
        (GOOD.replace('".srt", ".long.srt"', '".sub"'), "wrote .*cam.srt, which is not one of"),
    ],
)
def test_a_faulty_format_is_named(
    quiet: Timeline, tmp_path: Path, site: Path, code: str, words: str
) -> None:
    install(site, code)
    scored = ScoredVideo(Path("cam.mp4"), quiet)
    with pytest.raises(UsageError, match=words):
        write_result(scored, tmp_path, formats=["srt"])
    assert write_result(scored, tmp_path)  # others still work


def test_no_package_takes_the_place_of_an_own_format(site: Path, quiet: Timeline) -> None:
    install(site, GOOD, name="json")
    assert format_names() == FORMATS
    assert find_writer("json").endings == (".json",)


def test_a_format_is_registered_for_this_process(quiet: Timeline, tmp_path: Path) -> None:
    @writes(".txt")
    def write_count(result: ScoredVideo, folder: Path, name: str) -> list[Path]:
        path = folder / f"{name}.txt"
        path.write_text(str(len(result.timeline)))
        return [path]

    names = WRITERS.names()
    WRITERS.register("count", lambda: write_count)
    try:
        (path,) = write_result(ScoredVideo(Path("cam.mp4"), quiet), tmp_path, formats=["count"])
        assert path.read_text() == "3"
    finally:
        del WRITERS._loaders["count"]
    assert WRITERS.names() == names


def test_nothing_is_written_where_a_name_is_unknown(quiet: Timeline, tmp_path: Path) -> None:
    scored = ScoredVideo(Path("cam.mp4"), quiet)
    with pytest.raises(UsageError, match="format 'gif' is unknown; choose one of"):
        write_result(scored, tmp_path, formats=["json", "gif"])
    with pytest.raises(OutsideFolderError):
        write_result(scored, tmp_path, name="../cam")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        write_result(scored, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_command_line_knows_it(site: Path) -> None:
    install(site, GOOD + "\nraise SystemExit('help must not import this')\n")
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "from click.testing import CliRunner\nfrom hiprobe.cli.app import app\n"
        "found = CliRunner().invoke(app, ['detect', '--help'])\n"
        "print(' '.join(found.output.split()))\n"
        "print(CliRunner().invoke(app, ['detect', 'p', 'v', '--format', 'gif']).output)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "json, csv, png, mp4, html, srt; may be given" in done.stdout
    assert "gif: choose from json,csv,png,mp4,html,srt" in done.stdout


def test_a_result_of_no_segment_is_written(tmp_path: Path, empty: Timeline) -> None:
    scored = ScoredVideo(Path("cam.mp4"), empty, has_pictures=False)
    assert len(write_result(scored, tmp_path, formats=["json", "csv"])) == 3
    assert np.isnan(read_timeline(tmp_path / "cam.json").scores).sum() == 0


def test_two_packages_that_add_one_format_are_told_apart(
    timeline: Timeline, tmp_path: Path, site: Path
) -> None:
    install(site, GOOD)
    install(site, GOOD, module="third")
    install(site, GOOD, name="vtt", module="fourth")
    with pytest.raises(UsageError, match="both add 'srt'"):
        find_writer("srt")
    scored = ScoredVideo(Path("cam.mp4"), timeline, probe={}, has_pictures=False)
    assert len(write_result(scored, tmp_path / "out", formats=["vtt"])) == 1
