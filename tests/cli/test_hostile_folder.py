"""Hostile names and hostile files: each is done or listed, and the good one beside them is done."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cli_states import write_clip_folder, write_untrimmed
from click.testing import CliRunner, Result
from hostile_input import PIECES, hostile_names, write_hostile_files

from hiprobe.cli.app import app
from hiprobe.names import text_path
from hiprobe.scenes.demo_scenes import write_demo_clips
from hiprobe.store.text_files import path_cell

sys.path.append(str(Path(__file__).parent.parent / "video"))
from video_media import make_video

NAMES, FILES = 200, 50
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
"""What a terminal or a reader of lines would act on, but for the line end."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))


def hiprobe(*words: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fitted on states of made-up clips; needs no model."""
    folder = tmp_path_factory.mktemp("probe")
    clips = write_clip_folder(folder / "clips")
    assert hiprobe("fit", clips, "-o", folder / "probe", "-q").exit_code == 0
    return folder / "probe"


def copies(folder: Path, names: list[bytes]) -> None:
    """Extracted states under each of the names."""
    folder.mkdir()
    write_untrimmed(folder.parent / "states.safetensors")
    for name in names:
        os.link(folder.parent / "states.safetensors", os.fsencode(folder) + b"/" + name)


def run_file(out: Path) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = json.loads((out / "hiprobe-run.json").read_bytes())
    return found


def test_every_name_and_every_file_of_a_folder_is_done_or_listed(
    tiny_model: Path, tmp_path: Path
) -> None:
    table = write_demo_clips(tmp_path / "clips", clips_per_class=2, seconds=0.5)
    fit = ("fit", table, "-o", tmp_path / "probe", "--backbone", tiny_model, "-q")
    assert hiprobe(*fit, "--layer", "2").exit_code == 0
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    write_hostile_files(folder, count=FILES, seed=1)
    good = make_video(tmp_path / "good.mp4", frames=24)
    names = hostile_names(NAMES, seed=2, ending=b".mp4")
    for name in names:
        os.link(good, os.fsencode(folder) + b"/" + name)
    shutil.copy(good, folder / "zz-good.mp4")
    result = hiprobe("detect", tmp_path / "probe", folder, "-o", out, "--format", "json,csv")
    assert result.exit_code == 3, result.output
    assert not OBEYED.search(result.stdout) and not OBEYED.search(result.stderr)
    found = run_file(out)
    done = {os.fsencode(text_path(r["video"]).name) for r in found["results"]}
    failed = {os.fsencode(text_path(f["video"]).name) for f in found["failures"]}
    files = [p for p in folder.iterdir() if not p.name.startswith(".")]
    readable = {os.fsencode(p.name) for p in files if p.is_file()}
    links = {os.fsencode(p.name) for p in files if p.is_symlink()} - {b"special-3.mp4"}
    assert {*names, b"zz-good.mp4"} <= done
    assert done | failed == readable | links and not done & failed
    assert b"text-2.mp4" in failed and b"special-4.mp4" in failed
    assert not [f for f in found["failures"] if "unexpected" in f["reason"]]
    for made in found["results"]:
        for name in made["files"]:
            assert (out / name).is_file()
            (out / name).read_text(encoding="utf-8")


def test_all_formats_of_hostile_names(probe: Path, tmp_path: Path) -> None:
    picked = [b"\xe9", b"\x1b[31m", b"\n", b"$$", b"rec_$1_$2", b"=1+1", b"[red]", b"<script>"]
    picked += [s.encode() for s in ("中文", "عربي", "हिन्दी", "😀", "语" * 80)]
    copies(tmp_path / "in", [p + b".safetensors" for p in picked])
    out = tmp_path / "out"
    kinds = ("--format", "json,csv,png,html")
    result = hiprobe("detect", probe, tmp_path / "in", "-o", out, *kinds)
    assert result.exit_code == 0, result.output
    made = run_file(out)["results"]
    assert len(made) == len(picked) and all(len(r["files"]) == 5 for r in made)
    for result_of in made:
        for name in result_of["files"]:
            assert (out / name).stat().st_size > 0
        page = next(out / n for n in result_of["files"] if n.endswith(".html"))
        assert "<script>" not in page.read_text(encoding="utf-8")


def test_the_results_of_a_name_are_the_same_at_each_run_and_never_another_s(
    probe: Path, tmp_path: Path
) -> None:
    names = [b"a\xe9.safetensors", b"a\xe8.safetensors", b"a\x1b.safetensors", b"a\n.safetensors"]
    names += [b"x" * 243 + b".safetensors", b"x" * 242 + b"y.safetensors"]
    copies(tmp_path / "in", names)
    found = []
    for _ in range(2):
        assert hiprobe("detect", probe, tmp_path / "in", "-o", tmp_path / "out").exit_code == 0
        made = run_file(tmp_path / "out")["results"]
        found.append({r["video"]: r["files"] for r in made})
    assert found[0] == found[1]
    assert len({n for files in found[0].values() for n in files}) == len(names) * len(
        next(iter(found[0].values()))
    )


def test_states_of_hostile_names_make_a_round_trip(tiny_model: Path, tmp_path: Path) -> None:
    """extract names them in its tables, fit finds them again through the manifest."""
    good = make_video(tmp_path / "good.mp4", frames=12)
    rows = [("video", "label")]
    for number, name in enumerate([b"-\xe9", b"=x", b"@y,\xff", b"'+z", b"a\\xe9", b"\x1b[1m"]):
        copy = os.fsencode(tmp_path) + b"/" + name + b".mp4"
        # Each clip has a content of its own.
        Path(os.fsdecode(copy)).write_bytes(good.read_bytes() + b"\0" * number)
        rows.append((path_cell(os.fsdecode(name) + ".mp4"), ("normal", "fight")[number % 2]))
    with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    states = tmp_path / "states"
    extract = ("extract", tmp_path / "t.csv", "-o", states, "--backbone", tiny_model, "-q")
    done = hiprobe(*extract)
    assert done.exit_code == 0, done.output
    cells = list(csv.reader((states / "manifest.csv").read_text("utf-8").splitlines()))
    assert len(cells) == 7 and not [c for r in cells for c in r if c[:1] in ("=", "+", "-", "@")]
    table = pq.read_table(states / "states.parquet").to_pylist()
    assert {text_path(r["file"]) for r in table} == {
        p.relative_to(states) for p in states.glob("*.safetensors")
    }
    assert {text_path(r["video"]).is_file() for r in table} == {True}
    fitted = hiprobe("fit", states, "-o", tmp_path / "p", "-q", "--layer", "2")
    assert fitted.exit_code == 0, fitted.output


@pytest.mark.parametrize(
    "surroundings",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "COLUMNS": "40"},
    ],
)
def test_a_terminal_that_cannot_show_a_name(
    probe: Path, tmp_path: Path, surroundings: dict[str, str]
) -> None:
    copies(tmp_path / "in", [p[:200] + b".safetensors" for p in PIECES])
    listed = [os.fsencode(tmp_path / "in") + b"/" + p[:200] + b".safetensors" for p in PIECES]
    base = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))}
    for words in (
        ["info", *listed, b"/no/such/\xe9\x1b[31m.mp4"],
        ["detect", probe, tmp_path / "in", "-o", tmp_path / "out", "--format", "json,csv"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "hiprobe", *words],
            env={**base, **surroundings},
            capture_output=True,
            check=False,
        )
        said = (done.stdout + done.stderr).decode("cp1252")
        assert done.returncode == (3 if words[0] == "info" else 0), said
        assert "Traceback" not in said and not re.search("[\x00-\x09\x0b-\x1f\x7f]", said)


def test_a_bug_at_one_file_is_listed_with_its_place_and_the_others_are_done(
    probe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hiprobe.probe import Probe

    copies(tmp_path / "in", [b"a.safetensors", b"b.safetensors", b"c.safetensors"])
    plain, seen = Probe.detect, []

    def breaks(self: Probe, *args: object, **how: object) -> object:
        seen.append(1)
        if len(seen) == 2:
            raise ZeroDivisionError("a\x1b[31mbug")
        return plain(self, *args, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(Probe, "detect", breaks)
    result = hiprobe("detect", probe, tmp_path / "in", "-o", tmp_path / "out")
    assert result.exit_code == 3, result.output
    found = run_file(tmp_path / "out")
    assert [Path(r["video"]).name for r in found["results"]] == ["a.safetensors", "c.safetensors"]
    (failure,) = found["failures"]
    assert "ZeroDivisionError: a\\x1b[31mbug" in failure["reason"]
    assert "detect.py:" in failure["reason"] and "please report it" in failure["reason"]
    log = (tmp_path / "cache" / "errors.log").read_text(encoding="utf-8")
    assert "Traceback" in log and "b.safetensors" in log
