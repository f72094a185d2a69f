"""`hiprobe doctor` on this machine, and with libraries that are broken."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from hiprobe.cli.app import app
from hiprobe.cli.doctor import check_library, check_video


def broken(folder: Path, monkeypatch: pytest.MonkeyPatch, *, name: str, code: str) -> None:
    """A library of this name that does `code` when it is imported, before the installed one."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_what_is_installed_is_loaded() -> None:
    assert check_library("scipy").level == "ok"
    video = check_video()
    assert video.level in ("ok", "note") and "h264" in video.text


def test_a_library_that_raises_is_a_line_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(tmp_path / "lib", monkeypatch, name="cv2", code="raise ImportError('no libGL.so.1')")
    found = check_library("cv2")
    assert found.level == "missing" and "no libGL.so.1" in found.text
    assert found.remedy == "pip install --force-reinstall opencv-python-headless"


def test_a_library_that_crashes_does_not_take_the_report_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(tmp_path / "lib", monkeypatch, name="av", code="import os\nos.abort()")
    found = check_video()
    assert found.level == "missing" and found.remedy == "pip install av"
    assert "cannot be loaded: " in found.text


def test_a_library_that_is_not_installed_is_said() -> None:
    found = check_library("no_such_library")
    assert (found.level, found.text) == ("missing", "not installed")
    assert found.remedy == "pip install no_such_library"


def test_the_report_ends_with_1_where_something_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HIPROBE_OFFLINE", "1")
    broken(tmp_path / "lib", monkeypatch, name="av", code="raise ImportError('broken')")
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert [line for line in lines if line.startswith("MISSING")] == [
        "MISSING  video: cannot be loaded: ImportError: broken"
    ]
    assert any("pip install av" in line for line in lines)
    assert any("network: HIPROBE_OFFLINE" in line for line in lines)
