"""The owners of names, kept in the run file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hiprobe.store import text_files
from hiprobe.store.text_files import (
    RESULTS,
    RUN_NAME,
    STATES,
    Owner,
    names_of_file,
    read_owners,
    write_run,
)

GOOD = {"name": "cam", "video": "/v/cam.mp4", "sha256": "ab", "size_bytes": 1, "kind": RESULTS}


def test_owners_are_read_back_as_they_were(tmp_path: Path) -> None:
    owners = (
        Owner("cam", "/v/cam.mp4", "ab", 5),
        Owner("käse/1", "/v/\udce9.mp4", "cd", 6, STATES, "0-5s"),
    )
    write_run(tmp_path, interrupted=False, results=[], failures=[], owners=owners)
    assert read_owners(tmp_path) == owners
    text_files._KNOWN.clear()  # as another process reads them
    assert read_owners(tmp_path) == owners
    assert "käse" in (tmp_path / RUN_NAME).read_text(encoding="utf-8")


def test_a_run_file_is_read_again_where_someone_else_has_written_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, plain = list[Path](), text_files.read_json

    def counted(path: Path, **more: Any) -> Any:
        read.append(path)
        return plain(path, **more)

    monkeypatch.setattr(text_files, "read_json", counted)
    mine, theirs = (Owner(name, f"/v/{name}.mp4", "ab", 5) for name in ("one", "two"))
    write_run(tmp_path, interrupted=True, results=[], failures=[], owners=[mine])
    assert read_owners(tmp_path) == read_owners(tmp_path) == (mine,) and not read
    other = tmp_path / "other"
    write_run(other, interrupted=True, results=[], failures=[], owners=[theirs])
    (other / RUN_NAME).replace(tmp_path / RUN_NAME)
    assert read_owners(tmp_path) == read_owners(tmp_path) == (theirs,) and len(read) == 1
    (tmp_path / RUN_NAME).unlink()
    assert read_owners(tmp_path) == ()


def test_there_are_none_without_a_run_file_or_in_one_that_keeps_none(tmp_path: Path) -> None:
    assert read_owners(tmp_path) == () == read_owners(tmp_path / "gone")
    (tmp_path / RUN_NAME).write_text('{"format": "hiprobe-run", "version": 1, "results": []}')
    assert read_owners(tmp_path) == ()


def run_with(**changes: Any) -> str:
    document = {"format": "hiprobe-run", "version": 1, "owners": [{**GOOD, "part": "", **changes}]}
    return json.dumps(document)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"format": "other", "version": 1}',
        '{"format": "hiprobe-run", "version": 2}',
        '{"format": "hiprobe-run", "version": 1, "owners": 5}',
        '{"format": "hiprobe-run", "version": 1, "owners": [5]}',
        '{"format": "hiprobe-run", "version": 1, "owners": [{}]}',
        run_with(name=5),
        run_with(size_bytes="5"),
        run_with(kind="other"),
        run_with(name="../cam"),
        run_with(name="/etc/cam"),
    ],
)
def test_a_damaged_run_file_is_known_as_such(tmp_path: Path, text: str) -> None:
    (tmp_path / RUN_NAME).write_text(text)
    assert read_owners(tmp_path) is None


def test_a_good_one_of_that_form_is_read(tmp_path: Path) -> None:
    (tmp_path / RUN_NAME).write_text(run_with())
    assert read_owners(tmp_path) == (Owner("cam", "/v/cam.mp4", "ab", 1),)


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("cam.json", {"cam"}),
        ("cam.events.csv", {"cam.events", "cam"}),
        ("a/cam.annotated.mp4", {"a/cam"}),
        ("cam.event-01.mp4", {"cam"}),
        ("cam.event-123.mp4", {"cam"}),
        ("cam.mp4", set()),
        ("cam.safetensors", set()),
    ],
)
def test_a_file_says_under_which_names_it_may_have_been_written(file: str, names: set[str]) -> None:
    assert set(names_of_file(file, RESULTS)) == names
