"""Cloning with the real git over HTTP, from a server on this machine that may fail."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from data_trees import clips
from git_server import GitServer, repository, served

from hiprobe.datasets.data_set import KnownSet
from hiprobe.datasets.known_sets import known_set
from hiprobe.datasets.transfer import clone, how_to_get
from hiprobe.errors import DownloadError, UsageError

REPOSITORY = "seymanurakti/fight-detection-surv-dataset"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitServer]:
    """A server that has the fights where the real one has them."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    source = tmp_path / "hub" / REPOSITORY
    clips(source, ("fight/fi001.mp4", "noFight/nofi001.mp4"))
    repository(source)
    with served(tmp_path / "hub") as server:
        yield server


@pytest.fixture
def fights(hub: GitServer) -> KnownSet:
    return replace(known_set("fights"), clone=f"{hub.address}/{REPOSITORY}")


def test_the_real_address_is_the_authors_own() -> None:
    assert known_set("fights").clone == f"https://github.com/{REPOSITORY}"


def test_a_clone_over_http_is_whole_and_tells_how_far_it_is(
    fights: KnownSet, tmp_path: Path
) -> None:
    target, told = tmp_path / "new" / "fights", list[str]()
    clone(fights, folder=target, tell=told.append)
    assert (target / "fight" / "fi001.mp4").is_file()
    assert [p.name for p in target.parent.iterdir()] == ["fights"]
    assert any("100%" in line for line in told)
    with pytest.raises(UsageError, match="holds something"):
        clone(fights, folder=target)
    with pytest.raises(UsageError, match="holds something"):
        clone(fights, folder=target / "fight" / "fi001.mp4")


def test_a_connection_that_drops_leaves_nothing_and_the_next_run_begins_again(
    hub: GitServer, fights: KnownSet, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    hub.mood = "drops"
    with pytest.raises(DownloadError, match=r"fatal: [\s\S]*Nothing was left[\s\S]*again"):
        clone(fights, folder=folder / "fights")
    assert list(folder.iterdir()) == []
    hub.mood = "well"
    clone(fights, folder=folder / "fights")
    assert (folder / "fights" / "noFight" / "nofi001.mp4").is_file()


def test_without_a_network_it_is_said_what_to_bring_and_where_to(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/{REPOSITORY}"
    with pytest.raises(DownloadError) as caught:
        clone(replace(known_set("fights"), clone=nobody), folder=tmp_path / "x")
    lines = str(caught.value).splitlines()
    assert "Failed to connect" in lines[0] or "Couldn't connect" in lines[0]
    assert lines[2].strip() == f"git clone --depth 1 {nobody}"
    assert str(tmp_path / "x") in lines[3]
    assert lines[4].strip().startswith(f"hiprobe data check surveillance-fights {tmp_path / 'x'}")
    with pytest.raises(DownloadError, match="OFFLINE is set"):
        clone(known_set("fights"), folder=tmp_path / "x", offline=True)
    assert not (tmp_path / "x").exists()


def test_no_password_is_asked_for_and_a_moved_repository_is_named(
    hub: GitServer, fights: KnownSet, tmp_path: Path
) -> None:
    absent = replace(fights, clone=f"{hub.address}/nobody/nothing")
    with pytest.raises(DownloadError, match="not found"):
        clone(absent, folder=tmp_path / "x")
    hub.mood = "asks"
    with pytest.raises(DownloadError, match="no longer public there, or has moved"):
        clone(fights, folder=tmp_path / "x")


def get_command(hub: GitServer, tmp_path: Path, *, stderr: int) -> subprocess.Popen[bytes]:
    """`hiprobe data get` as a user runs it; the address is led to the server of this test."""
    environment = {
        **os.environ,
        "HIPROBE_CACHE": str(tmp_path / "cache"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{hub.address}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
    }
    words = ["data", "get", "surveillance-fights", "-o", str(tmp_path / "data" / "fights")]
    return subprocess.Popen(
        [sys.executable, "-m", "hiprobe", *words],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        # tests started in the background of a shell hand on a SIGINT that is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def test_an_interrupted_clone_leaves_nothing(hub: GitServer, tmp_path: Path) -> None:
    hub.mood = "stalls"
    running = get_command(hub, tmp_path, stderr=subprocess.PIPE)
    assert hub.reached.wait(60)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert list((tmp_path / "data").iterdir()) == []


def test_a_terminal_shows_how_far_the_clone_is(hub: GitServer, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    ours, theirs = pty.openpty()
    running = get_command(hub, tmp_path, stderr=theirs)
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 4096):
            said += piece
    except OSError:  # how Linux says that the other side has closed
        pass
    os.close(ours)
    assert running.wait(60) == 13  # 2 of 300 videos
    assert b"Receiving objects: 100%" in said


def test_a_set_without_a_public_repository_says_where_to_ask(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no public repository[\s\S]*crcv\.ucf\.edu"):
        clone(known_set("ucf-crime"), folder=tmp_path / "x")
    text = how_to_get(known_set("xd-violence"), tmp_path)
    assert f"{tmp_path}/1-1004/" in text and f"data check xd-violence {tmp_path}" in text
