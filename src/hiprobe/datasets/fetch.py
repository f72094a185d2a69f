"""Get a data set that is public: clone its repository with git."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from hiprobe.datasets.catalog import KnownSet
from hiprobe.errors import DownloadError, StorageError, UsageError


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


def clone(known: KnownSet, *, folder: Path, offline: bool = False) -> None:
    """Clone the set's repository into `folder`, whole or not at all.

    Git asks for no password and uses the user's own settings, such as a proxy.

    Raises:
        UsageError: the set has no public repository, or `folder` holds something.
        DownloadError: no network, no git, or git failed; the message says what to do instead.
    """
    if known.clone is None:
        raise UsageError(f"{known.name} has no public repository\n{how_to_get(known, folder)}")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} holds something; `hiprobe data check {known.name} {folder}` looks at it"
        )
    if offline:
        raise DownloadError(_by_hand(known, folder, "HIPROBE_OFFLINE or HF_HUB_OFFLINE is set"))
    git = shutil.which("git")
    if git is None:
        raise DownloadError(_by_hand(known, folder, "git is not installed"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".clone-", dir=folder.parent) as temporary:
            _run(git, known, Path(temporary) / "set", folder)
            (Path(temporary) / "set").replace(folder)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error}; choose another folder") from error


def _run(git: str, known: KnownSet, target: Path, folder: Path) -> None:
    command = [git, "clone", "--depth", "1", "--quiet", str(known.clone), str(target)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"},
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DownloadError(_by_hand(known, folder, last))


def _by_hand(known: KnownSet, folder: Path, reason: str) -> str:
    return (
        f"cannot clone {known.clone} ({reason}). On a machine with a network run\n"
        f"  git clone --depth 1 {known.clone}\n"
        f"or load the ZIP that its page offers, copy the folder to {folder}, then run\n"
        f"  hiprobe data check {known.name} {folder} -o manifest.csv"
    )
