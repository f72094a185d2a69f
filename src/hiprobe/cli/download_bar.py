"""Progress of a download on stderr: a bar with speed and estimate, or a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from hiprobe.cli.progress import LINE_SECONDS, format_left, watched
from hiprobe.cli.terminal import console, echo
from hiprobe.cli.text import format_bytes

Listener = Callable[[int, int], None]


def download_bar(what: str, *, quiet: bool) -> AbstractContextManager[Listener | None]:
    """A listener for bytes done and in all; None where `quiet`."""
    return watched(what, quiet=quiet, bar=_bar, lines=lines)


@contextmanager
def _bar(what: str) -> Iterator[Listener]:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(
        *columns,
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console(err=True),
        transient=True,
    ) as bar:
        task = bar.add_task(what, total=None, visible=False)

        def listener(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        yield listener


def lines(what: str) -> Listener:
    """A listener that writes a line every few seconds, for log files."""
    began: float | None = None
    first = last = 0.0

    def listener(done: int, total: int) -> None:
        nonlocal began, first, last
        now = time.monotonic()
        if began is None:
            began, first, last = now, done, now
        if now - last >= LINE_SECONDS and done > first:
            last = now
            left = (now - began) / (done - first) * (total - done)
            echo(
                f"{what}: {format_bytes(done)} of {format_bytes(total)}, about "
                f"{format_left(left)} left",
                err=True,
            )

    return listener
