"""What `hiprobe-run.json` says of a run that broke off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hiprobe.cli.run_files import RunFile
from hiprobe.errors import StorageError, UsageError
from hiprobe.store.text_files import RUN_NAME


def run(out: Path, *, broken_by: BaseException | None) -> dict[str, Any]:
    """Two files, of which the second breaks the run off; the document afterwards."""
    files, file = [Path("a.mp4"), Path("b.mp4")], RunFile(out)

    def one(video: Path, name: str) -> None:
        if video == files[1] and broken_by is not None:
            raise broken_by
        file.add(video, files=[out / f"{name}.json"], events=1)

    file.over(files, one)
    return read(out)


def read(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / RUN_NAME).read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("error", [KeyboardInterrupt(), UsageError("no"), StorageError("full")])
def test_a_run_that_breaks_off_leaves_no_older_report_in_place(
    tmp_path: Path, error: BaseException
) -> None:
    whole = run(tmp_path, broken_by=None)
    assert not whole["interrupted"] and len(whole["results"]) == 2
    with pytest.raises(type(error)):
        run(tmp_path, broken_by=error)
    found = read(tmp_path)
    assert found["interrupted"] and [r["files"] for r in found["results"]] == [["a.json"]]


def test_the_first_error_is_told_where_the_folder_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / RUN_NAME).mkdir()
    with pytest.raises(StorageError, match="disk full"):
        run(tmp_path, broken_by=StorageError("disk full"))


def test_a_bug_at_one_file_does_not_break_the_run_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    found = run(tmp_path, broken_by=RuntimeError("bug"))
    assert not found["interrupted"] and len(found["results"]) == 1
    (failure,) = found["failures"]
    assert failure["video"] == "b.mp4" and "RuntimeError: bug" in failure["reason"]
