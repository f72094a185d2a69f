"""Workers as processes of this machine, each with a backbone of its own.

They are spawned, not forked: a copy of a process with threads of torch and of decoders may stand
still. A worker ends when its parent does, however that ended.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any

from hiprobe.errors import BackboneError, HiProbeError
from hiprobe.pipeline.reading import ReadUnit
from hiprobe.pipeline.workers import BackboneFacts, CachePlace, OpenBackbone, UnitReader
from hiprobe.pipeline.workers_crew import HandEvent
from hiprobe.progress import ProgressEvent
from hiprobe.settings import use_threads

# How long workers may take to keep what they have read when they are stopped.
_STOP_SECONDS = 20.0

# Least distance in time of the events of one unit that are sent.
_TELL_SECONDS = 0.2


@dataclass
class _Hand:
    process: SpawnProcess
    pipe: Connection[Any, Any]
    is_ready: bool = False


class ProcessHands:
    """Worker processes, as `Hands`.

    Args:
        opened: opens the backbone in each.
        place: where states are kept.
        threads: of each process.
    """

    def __init__(self, opened: OpenBackbone, place: CachePlace, *, threads: int = 1) -> None:
        self._opened, self._place, self._threads = opened, place, threads
        self._context = multiprocessing.get_context("spawn")
        self._hands: dict[int, _Hand] = {}

    def start(self, number: int) -> None:
        """As `Hands.start`."""
        here, there = self._context.Pipe()
        process = self._context.Process(
            target=work,
            args=(there, number, self._opened, self._place, self._threads),
            name=f"hiprobe-worker-{number}",
            daemon=True,
        )
        with _interrupts_blocked():
            process.start()
        there.close()
        self._hands[number] = _Hand(process, here)

    def give(self, number: int, unit: ReadUnit) -> None:
        """As `Hands.give`."""
        with suppress(OSError):  # it has ended, which is seen at its end of the pipe
            self._hands[number].pipe.send(unit)

    def events(self, timeout_seconds: float) -> list[HandEvent]:
        """As `Hands.events`."""
        of_pipe = {id(hand.pipe): number for number, hand in self._hands.items()}
        found = []
        for pipe in wait([hand.pipe for hand in self._hands.values()], timeout_seconds):
            number = of_pipe[id(pipe)]
            hand = self._hands[number]
            try:
                kind, value = hand.pipe.recv()
                hand.is_ready |= kind == "ready"
                found.append(HandEvent(number, kind, value))
            except (EOFError, OSError):
                found.append(HandEvent(number, "gone", self._bury(number)))
        return found

    def stop(self) -> None:
        """As `Hands.stop`: a worker that is at work is interrupted, as by Ctrl-C."""
        for hand in self._hands.values():
            # One that opens the backbone has nothing to keep, and would notice late.
            if not hand.is_ready or sys.platform == "win32":
                hand.process.kill()
            elif hand.process.pid is not None and hand.process.is_alive():
                with suppress(OSError):
                    os.kill(hand.process.pid, signal.SIGINT)
        end = time.monotonic() + _STOP_SECONDS
        for hand in self._hands.values():
            hand.process.join(max(0.0, end - time.monotonic()))
            hand.process.kill()
            hand.process.join()
            hand.pipe.close()
        self._hands.clear()

    def _bury(self, number: int) -> str:
        """Remove a worker that ended; how it did."""
        hand = self._hands.pop(number)
        hand.pipe.close()
        hand.process.join(_STOP_SECONDS)
        code = hand.process.exitcode
        if code is None:
            hand.process.kill()
            return "it closed its pipe and went on"
        if code >= 0:
            return f"exit code {code}"
        with suppress(ValueError):
            return f"signal {-code}, {signal.Signals(-code).name}"
        return f"signal {-code}"


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """A child is born with the mask of its parent: Ctrl-C must not meet it before it is ready."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # Started with the first child otherwise, and unblocks SIGINT before that one is born.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def work(
    pipe: Connection[Any, Any],
    number: int,
    opened: OpenBackbone,
    place: CachePlace,
    threads: int,
) -> None:
    """The life of a worker: open the backbone, then read units until there are no more."""
    threading.Thread(target=_end_with_parent, name="hiprobe-parent", daemon=True).start()
    use_threads(threads)
    with suppress(KeyboardInterrupt, EOFError, BrokenPipeError, ConnectionError):
        _listen_to_interrupt()
        try:
            reader = UnitReader(opened(number), place)
            facts = BackboneFacts.of(reader.backbone)
        except HiProbeError as error:
            pipe.send(("cannot", error))
            return
        except (Exception, SystemExit) as error:
            told = f"a worker cannot open the backbone: {type(error).__name__}: {error}"
            pipe.send(("cannot", BackboneError(f"{told}; try without --workers")))
            return
        pipe.send(("ready", facts))
        told_at = 0.0

        def tell(event: ProgressEvent) -> None:
            nonlocal told_at
            if time.monotonic() - told_at >= _TELL_SECONDS:
                told_at = time.monotonic()
                pipe.send(("progress", event))

        while True:
            unit = pipe.recv()
            assert isinstance(unit, ReadUnit)
            pipe.send(("done", reader.read(unit, tell)))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _listen_to_interrupt() -> None:
    """The first interrupt raises, and what was read is kept; the others come while that is done."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
