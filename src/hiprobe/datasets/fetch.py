"""Get a data set that is public: clone its repository with git."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from hiprobe.datasets.known import KnownSet
from hiprobe.errors import DownloadError, UsageError
from hiprobe.store.storage_errors import storage_error

Tell = Callable[[str], None]

STALLED_SECONDS = 60
"""A transfer below 1 kB/s for so long is given up."""


def how_to_get(known: KnownSet, root: Path | str = "ROOT") -> str:
    """Where a data set is to be had, and what to place where."""
    place = "\n".join(f"  {line}".replace("ROOT", str(root)) for line in known.place)
    return (
        f"{known.title}\n"
        f"Licence: {known.licence}\n"
        f"Ask at:  {known.ask}\n"
        f"Place (any one folder; several layouts are recognised):\n{place}\n"
        f"Then:    hiprobe data check {known.name} {root} -o manifest.csv"
    )


def clone(
    known: KnownSet, *, folder: Path, offline: bool = False, tell: Tell | None = None
) -> None:
    """Clone the set's repository into `folder`, whole or not at all.

    Git asks for no password and uses the user's own settings, such as a proxy. A transfer that
    stands still for a minute is given up. Git cannot go on with half a clone: the next one begins
    again.

    Args:
        tell: takes git's own lines of progress, such as `Receiving objects:  45% (9/20)`.

    Raises:
        UsageError: the set has no public repository, or `folder` holds something.
        DownloadError: no network, no git, or git failed; the message says what to do instead.
        StorageError: `folder` cannot be written.
    """
    if known.clone is None:
        told = how_to_get(known, folder).split("\n")
        raise UsageError(f"{known.name} has no public repository", *told)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"{folder} holds something; `hiprobe data check {known.name} {folder}` looks at it"
        )
    if offline:
        raise _by_hand(known, folder, "HIPROBE_OFFLINE or HF_HUB_OFFLINE is set")
    git = shutil.which("git")
    if git is None:
        raise _by_hand(known, folder, "git is not installed")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".clone-", dir=folder.parent) as temporary:
            _run(git, known, Path(temporary) / "set", folder, tell or (lambda _: None))
            (Path(temporary) / "set").replace(folder)
    except OSError as error:
        raise storage_error(folder, error) from error


def _run(git: str, known: KnownSet, target: Path, folder: Path, tell: Tell) -> None:
    patience = ["-c", "http.lowSpeedLimit=1000", "-c", f"http.lowSpeedTime={STALLED_SECONDS}"]
    command = [git, *patience, "clone", "--depth", "1", "--progress", str(known.clone), str(target)]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,  # which also makes the \r between git's lines of progress a line end
        errors="replace",
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"},
    ) as running:
        lines: deque[str] = deque(maxlen=20)
        try:
            for line in running.stderr or ():
                lines.append(line.strip())
                tell(line.strip())
        except BaseException:
            running.terminate()
            raise
    if running.returncode:
        raise _by_hand(known, folder, _reason(lines))


def _reason(lines: Sequence[str]) -> str:
    """Git's own reason, and what it means where its words mislead."""
    said = [line for line in lines if line.startswith(("fatal:", "error:"))]
    reason = said[-1] if said else next((line for line in reversed(lines) if line), "none given")
    if "could not read Username" in reason:
        reason += ": it is no longer public there, or has moved"
    return reason


def _by_hand(known: KnownSet, folder: Path, reason: str) -> DownloadError:
    return DownloadError(
        f"cannot clone {known.clone} ({reason}). Nothing was left in {folder}.",
        "With a network here, run the same command again. Without one, on a machine that has it:",
        f"  git clone --depth 1 {known.clone}",
        f"(or load the ZIP that this page offers), copy the folder here to {folder}, then run",
        f"  hiprobe data check {known.name} {folder} -o manifest.csv",
    )
