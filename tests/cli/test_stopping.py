"""Real processes that are asked to end, whose terminal is closed, or whose output nobody reads."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_states import write_clip_folder, write_untrimmed
from click.testing import CliRunner

from hiprobe.cli.app import app

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and shells of POSIX")

VIDEOS = 40
WAIT_SECONDS = 300


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A probe, and states of many recordings."""
    folder = tmp_path_factory.mktemp("work")
    clips = write_clip_folder(folder / "clips", clips_per_class=3)
    result = CliRunner().invoke(app, ["fit", str(clips), "-o", str(folder / "probe")])
    assert result.exit_code == 0, result.output
    (folder / "videos").mkdir()
    for number in range(VIDEOS):
        write_untrimmed(folder / "videos" / f"{number:02d}.safetensors", seed=number)
    return folder


def detect(work: Path, out: Path, *more: str) -> list[str]:
    words = ["detect", str(work / "probe"), str(work / "videos"), "-o", str(out), *more]
    return [sys.executable, "-m", "hiprobe", *words]


def wait_for(seen: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not seen():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "nothing came to be seen"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_what_was_done_is_kept_and_told(work: Path, tmp_path: Path, number: int, code: int) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        detect(work, out, "--format", "json,png"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    wait_for((out / "00.png").exists, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == code, err
    assert "run the same command again to resume" in err and "Traceback" not in err
    found = json.loads((out / "hiprobe-run.json").read_text())
    assert found["interrupted"] and 0 < len(found["results"]) < VIDEOS
    files = {file for result in found["results"] for file in result["files"]}
    assert files <= {path.name for path in out.iterdir()}
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_a_signal_that_is_ignored_stays_so(work: Path, tmp_path: Path) -> None:
    """As `nohup` does it."""
    out = tmp_path / "out"
    process = subprocess.Popen(
        detect(work, out, "--format", "json"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    wait_for((out / "00.json").exists, process)
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, err
    assert not json.loads((out / "hiprobe-run.json").read_text())["interrupted"]


@pytest.mark.parametrize(
    "redirected",
    [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "| head -1", "2>&1 | head -1", "2>&1 >&- | true"],
)
def test_results_are_written_though_nobody_reads(
    work: Path, tmp_path: Path, redirected: str
) -> None:
    out = tmp_path / "out"
    command = f"{shlex.join(detect(work, out, '--format', 'json,csv'))} {redirected}"
    done = subprocess.run(
        ["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}} > {shlex.quote(str(tmp_path))}/code"],
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
    )
    assert (tmp_path / "code").read_text() == "0\n", done
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception" not in done.stdout + done.stderr
    found = json.loads((out / "hiprobe-run.json").read_text())
    assert not found["interrupted"] and len(found["results"]) == VIDEOS
    for result in found["results"]:
        assert json.loads((out / result["files"][0]).read_text())["format"] == "hiprobe-timeline"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_behind_stdout_is_told(work: Path, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            detect(work, tmp_path / "out"), stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 10, done.stderr
    assert "disk is full" in done.stderr and "Traceback" not in done.stderr


def test_what_libraries_print_does_not_end_up_in_a_file(tmp_path: Path) -> None:
    """The number of a closed stream is not given to the next file that is opened."""
    code = (
        "import os\nfrom hiprobe.cli.process import keep_streams_writable\n"
        "keep_streams_writable()\n"
        "file = open('result', 'w')\nfile.write('result')\nfile.flush()\n"
        "os.write(1, b'printed by C')\nos.write(2, b'printed by C')\n"
    )
    shell = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} <&- >&- 2>&-"
    subprocess.run(["bash", "-c", shell], check=True, cwd=tmp_path, env={**os.environ})
    assert (tmp_path / "result").read_text() == "result"
