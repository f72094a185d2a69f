"""SIGTERM and SIGHUP are taken as Ctrl-C is: what was read is kept, and nothing is left lying."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED_EXIT_CODE = 130
"""What shells return for a command ended by Ctrl-C."""


class Stopped(KeyboardInterrupt):
    """The process was asked to end; whatever handles Ctrl-C handles this."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


def exit_code_of(stop: KeyboardInterrupt) -> int:
    """What the command returns: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP."""
    return stop.exit_code if isinstance(stop, Stopped) else INTERRUPTED_EXIT_CODE


@contextmanager
def signals_stop() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP raise `Stopped` in the main thread.

    A signal that is ignored (by `nohup`) stays so, and a handler of another program that runs the
    command in its own process is left alone. The second signal is ignored: the first is at work.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    found = [getattr(signal, name) for name in names]
    ours = [number for number in found if signal.getsignal(number) is signal.SIG_DFL]

    def stop(number: int, frame: FrameType | None) -> None:
        for each in ours:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for number in ours:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
