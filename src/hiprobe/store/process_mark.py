"""Which process a file belongs to, written in the file's name: machine, number and start."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from functools import cache

_START_SECONDS = 2
"""Two readings of one process's start differ by less; the clock may be set in between."""


@dataclass(frozen=True)
class ProcessMark:
    """A process of some machine.

    Attributes:
        machine: 8 hexadecimal digits; containers that number their processes apart differ in it.
        pid: its number there.
        started: when it began, in whole seconds since 1970, since numbers are given out again.
    """

    machine: str
    pid: int
    started: int

    @property
    def is_of_this_machine(self) -> bool:
        """True where its number can be looked up here."""
        return self.machine == _machine()

    @property
    def is_running(self) -> bool:
        """True where it is of this machine and lives."""
        if not self.is_of_this_machine:
            return False
        started = _start_of(self.pid)
        return started is not None and abs(started - self.started) <= _START_SECONDS


def own_mark() -> ProcessMark:
    """The mark of this process; made anew in a forked child."""
    return _mark_of(os.getpid())


@cache
def _mark_of(pid: int) -> ProcessMark:
    return ProcessMark(_machine(), pid, _start_of(pid) or 0)


@cache
def _machine() -> str:
    try:
        numbering = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - the link's text is no path
    except OSError:  # not Linux
        numbering = ""
    return hashlib.sha256(f"{socket.gethostname()} {numbering}".encode()).hexdigest()[:8]


def _start_of(pid: int) -> int | None:
    import psutil  # only where something is written: keeps `import hiprobe` light

    try:
        began: float = psutil.Process(pid).create_time()
        return round(began)
    except psutil.NoSuchProcess:
        return None
    except psutil.Error:  # it is there, and belongs to someone else
        return 0
