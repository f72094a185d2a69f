"""Two processes and one folder: equal settings share it, others are told who is there."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_stopping import VIDEOS, WAIT_SECONDS, detect, wait_for, work

from hiprobe.store.atomic import try_lock

__all__ = ["work"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def start(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stopped_in(out: Path, words: list[str]) -> subprocess.Popen[str]:
    """A run that has begun to write and is held there."""
    process = start(words)
    wait_for((out / "00.json").exists, process)
    while True:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        if not is_alone_in(out):
            return process
        # Held while it notes a name, it would keep every other run waiting.
        process.send_signal(signal.SIGCONT)
        time.sleep(0.01)


def is_alone_in(folder: Path) -> bool:
    """Whether a process is in a block of `alone_in` for the folder just now."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        return not try_lock(handle)
    finally:
        os.close(handle)


def locks(out: Path) -> list[Path]:
    return sorted(out.glob(".hiprobe-run-*"))


def finished(process: subprocess.Popen[str]) -> str:
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, err
    return err


def test_another_run_is_refused_and_told_who_is_there(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = stopped_in(out, detect(work, out, "--format", "json,csv", "--sigma", "2"))
    try:
        for other in (("--format", "json"), ("--format", "json,csv", "--sigma", "1")):
            before = (out / "00.json").read_bytes()
            done = subprocess.run(detect(work, out, *other), capture_output=True, text=True)
            assert done.returncode == 10, done.stderr
            assert "in use by another run with different settings" in done.stderr
            told = f"process {first.pid} on {socket.gethostname()}, since "
            assert told in done.stderr and "--sigma 2" in done.stderr
            assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", done.stderr)
            assert (out / "00.json").read_bytes() == before and len(locks(out)) == 1
    finally:
        first.send_signal(signal.SIGCONT)
    finished(first)
    assert not locks(out)
    finished(start(detect(work, out, "--format", "json")))


def test_a_killed_run_leaves_no_lock(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = stopped_in(out, detect(work, out, "--format", "json,csv"))
    first.kill()
    first.communicate()
    finished(start(detect(work, out, "--format", "json", "--sigma", "1")))
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_runs_of_equal_settings_both_finish_with_the_same_results(
    work: Path, tmp_path: Path
) -> None:
    out, alone = tmp_path / "out", tmp_path / "alone"
    finished(start(detect(work, alone, "--format", "json,csv")))
    first = stopped_in(out, detect(work, out, "--format", "json,csv"))
    second = start([*detect(work, out, "--format", "json,csv"), "-q"])
    wait_for(lambda: len(locks(out)) == 2, second)
    first.send_signal(signal.SIGCONT)
    finished(first), finished(second)
    found = json.loads((out / "hiprobe-run.json").read_text())
    assert len(found["results"]) == len(found["owners"]) == VIDEOS and not found["interrupted"]
    assert {p.name for p in out.iterdir()} == {p.name for p in alone.iterdir()}
    for path in alone.iterdir():
        if path.name != "hiprobe-run.json":
            assert (out / path.name).read_bytes() == path.read_bytes()


def test_two_halves_of_one_job_get_different_names(work: Path, tmp_path: Path) -> None:
    """Files of one name, given to two runs that go on at once."""
    out, cams = tmp_path / "out", [tmp_path / name for name in ("a", "b")]
    for cam in cams:
        cam.mkdir()
        for number in range(10):
            source = work / "videos" / f"{number:02d}.safetensors"
            (cam / source.name).write_bytes(source.read_bytes())
    command = [sys.executable, "-m", "hiprobe", "detect", str(work / "probe")]
    tail = ["-o", str(out), "--format", "json"]
    runs = [start([*command, str(cam), *tail]) for cam in cams]
    for run in runs:
        finished(run)
    videos = [json.loads(p.read_text())["video"] for p in out.glob("[0-9]*.json")]
    assert sorted(videos) == sorted(str(p) for cam in cams for p in cam.iterdir())


def test_an_empty_folder_is_not_left_behind(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    words = [sys.executable, "-m", "hiprobe", "detect", str(tmp_path), "x.mp4", "-o", str(out)]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 5 and not (tmp_path / "new").exists()
