"""Two runs with different settings do not write into one folder at once.

Each run keeps a small file in the folder that says who it is, locked as long as the run lives.
The system drops the lock when the process ends, however it ends; a file without a lock is removed
by the next run. Runs of equal settings may share a folder: they write the same files, each whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from hiprobe.errors import FolderInUseError
from hiprobe.store.os_lock import alone_in, try_lock

PATTERN = ".hiprobe-run-*.lock"

NOT_SETTINGS = frozenset(("videos", "experiments", "docs", "join", "quiet"))
"""Parameters in which runs that share a folder may differ: what is read, and what is said."""

MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Holder:
    """A run that writes into a folder.

    Attributes:
        settings: digest of everything that decides what is written.
        since: when it began, in local time.
    """

    host: str
    pid: int
    command: str
    since: str
    settings: str

    @classmethod
    def of_this_run(cls, context: click.Context) -> Holder:
        """This process, as its command line says it."""
        words = [context.command_path, *sys.argv[1:][context.command_path.count(" ") :]]
        return cls(
            host=socket.gethostname(),
            pid=os.getpid(),
            command=" ".join(words),
            since=time.strftime("%Y-%m-%d %H:%M:%S"),
            settings=_digest(context.command_path, context.params),
        )

    @property
    def told(self) -> str:
        """Who it is, for the user who must wait."""
        return f"`{self.command}`, process {self.pid} on {self.host}, since {self.since}"


@contextmanager
def folder_in_use(folder: Path, context: click.Context | None = None) -> Iterator[None]:
    """Within the block this run writes into `folder`, and none of other settings does.

    A folder that was not there and is empty at the end is removed again.

    Raises:
        FolderInUseError: a run of other settings is at it; the message names it.
    """
    context = context or click.get_current_context()
    own = Holder.of_this_run(context)
    with ExitStack() as stack:
        try:
            made = _make(folder)
            stack.callback(_remove_empty, made)
            with alone_in(folder):
                _refuse_others(folder, own)
                stack.enter_context(_held(folder, own))
        except FolderInUseError:
            raise
        except OSError:  # whoever writes the first file says what is wrong with the folder
            pass
        yield


def _digest(command: str, parameters: Mapping[str, Any]) -> str:
    settings = {name: value for name, value in parameters.items() if name not in NOT_SETTINGS}
    text = json.dumps([command, settings], sort_keys=True, default=_as_text)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _as_text(value: object) -> str:
    return str(value.absolute()) if isinstance(value, Path) else repr(value)


def _make(folder: Path) -> list[Path]:
    """Make a folder; those that were not there before, the innermost first."""
    missing = [f for f in (folder, *folder.parents) if not f.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _remove_empty(made: list[Path]) -> None:
    with suppress(OSError):  # something is in it
        for folder in made:
            folder.rmdir()


def _refuse_others(folder: Path, own: Holder) -> None:
    for path in sorted(folder.glob(PATTERN)):
        holder = _living(path)
        if holder is not None and holder.settings != own.settings:
            raise FolderInUseError(
                f"{folder} is in use by another run with other settings: {holder.told}; wait for "
                "it to end, or choose another folder for the results"
            )


def _living(path: Path) -> Holder | None:
    """The run that holds a file; None where it is gone, and then the file goes too."""
    with suppress(OSError):  # it ended just now
        handle = os.open(path, os.O_RDWR)
        try:
            if try_lock(handle):
                path.unlink()
                return None
            os.lseek(handle, 0, os.SEEK_SET)
            return _holder(os.read(handle, MAX_BYTES))
        finally:
            os.close(handle)
    return None


def _holder(content: bytes) -> Holder:
    try:
        return Holder(**json.loads(content))
    except (ValueError, TypeError, RecursionError):
        return Holder("an unknown machine", 0, "an unknown command", "an unknown time", "")


@contextmanager
def _held(folder: Path, own: Holder) -> Iterator[None]:
    path = folder / PATTERN.replace("*", f"{own.pid}-{secrets.token_hex(4)}")
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    try:
        try_lock(handle)
        os.write(handle, json.dumps(asdict(own)).encode())
        yield
    finally:
        os.close(handle)
        path.unlink(missing_ok=True)
