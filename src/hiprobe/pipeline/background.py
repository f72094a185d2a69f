"""Read ahead in a second thread, with bounded memory and without hanging."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.1
"""How long a blocked thread takes to notice that the other one has stopped."""

_JOIN_SECONDS = 30.0
"""Longest wait for the reader; it is a daemon, so a stuck read cannot keep the process alive."""


@contextmanager
def in_background(source: Iterable[T], *, depth: int) -> Iterator[Iterator[T]]:
    """Iterate `source` in a second thread, at most `depth` items ahead.

    An error of the source is raised at its place in the order. Leaving the block, by an error
    or Ctrl-C too, stops the thread; a generator is closed in the thread that ran it.
    """
    reader = _Reader(source, depth)
    reader.thread.start()
    try:
        yield reader.items()
    finally:
        reader.stop()


class _Reader(Generic[T]):
    def __init__(self, source: Iterable[T], depth: int) -> None:
        self._source = source
        self._queue: queue.Queue[T] = queue.Queue(maxsize=depth)
        self._stopped = threading.Event()
        self._finished = threading.Event()
        self._error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="hiprobe-decode", daemon=True)

    def items(self) -> Iterator[T]:
        while True:
            # Order matters: what was put before `finished` was set is still in the queue.
            finished = self._finished.is_set()
            try:
                yield self._queue.get(
                    timeout=None if finished else _POLL_SECONDS, block=not finished
                )
            except queue.Empty:
                if finished:
                    break
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        self._stopped.set()
        self.thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        iterator = iter(self._source)
        try:
            for item in iterator:
                if not self._put(item):
                    break
        except BaseException as error:  # handed over to the thread that waits for the items
            self._error = error
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
            self._finished.set()

    def _put(self, item: T) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
                return True
            except queue.Full:
                continue
        return False
