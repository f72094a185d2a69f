"""Runs of two machines over one folder of an object store."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from test_objects import write

from hiprobe.errors import FolderInUseError
from hiprobe.objects import exists, local_copy, objects_below, remove_file
from hiprobe.store import claim
from hiprobe.store.claim import claimed

WAIT_SECONDS = 60


@pytest.fixture
def folder(bucket: Path) -> Path:
    return bucket / "out"


def other_claim(folder: Path) -> Path:
    words = json.dumps({"words": "`hiprobe detect`, process 7 on camera-room"}).encode()
    return write(folder / ".hiprobe-run-0badcafe-12345678.json", words)


def claims(folder: Path) -> list[Path]:
    return [found.path for found in objects_below(folder, hidden=True)]


def test_a_run_of_another_machine_is_named_and_its_claim_stays(folder: Path) -> None:
    other = other_claim(folder)
    with (
        pytest.raises(FolderInUseError, match="another machine: `hiprobe detect`, process 7 on c"),
        claimed(folder, words="mine"),
    ):
        raise AssertionError("let in")
    assert claims(folder) == [other]


def test_runs_of_this_machine_are_let_in_and_leave_nothing(folder: Path) -> None:
    with claimed(folder, words="one"), claimed(folder, words="two"):
        assert len(claims(folder)) == 2
    assert not claims(folder)


def test_the_claim_of_a_run_that_was_killed_ends(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = other_claim(folder)
    monkeypatch.setattr(claim, "_LIVES_SECONDS", -60.0)
    with claimed(folder, words="mine"):
        assert not exists(other) and len(claims(folder)) == 1


def test_a_claim_is_renewed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "_RENEW_SECONDS", 0.05)
    with claimed(folder, words="mine"):
        (own,) = claims(folder)
        remove_file(own)
        until = time.monotonic() + WAIT_SECONDS
        while not exists(own) and time.monotonic() < until:
            time.sleep(0.05)
        assert exists(own)
    assert not claims(folder)


def test_a_claim_shows_no_password(folder: Path) -> None:
    with claimed(folder, words="rtsp://admin:cret@camera/1"):
        (own,) = claims(folder)
        assert json.loads(local_copy(own).read_bytes()) == {"words": "rtsp://camera/1"}
