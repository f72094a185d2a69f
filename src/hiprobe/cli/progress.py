"""Live progress on stderr: a bar with an estimate, or a line now and then where no one watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import PurePath
from typing import TypeVar

from hiprobe.cli.terminal import console, echo
from hiprobe.path_text import shown
from hiprobe.pipeline.progress import Progress, ProgressEvent

Listener = TypeVar("Listener")

LINE_SECONDS = 15.0
"""Distance in time of the lines that stand for the bar in a log file."""


@contextmanager
def watched(
    what: str,
    *,
    quiet: bool,
    bar: Callable[[str], AbstractContextManager[Listener]],
    lines: Callable[[str], Listener],
) -> Iterator[Listener | None]:
    """A bar on a terminal, lines in a log file, None where `quiet`."""
    what = shown(what)
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with bar(what) as listener:
            yield listener
    else:
        yield lines(what)


def progress_bar(what: str, *, quiet: bool) -> AbstractContextManager[Progress | None]:
    """A listener for the pipeline that draws; None where `quiet`."""
    return watched(what, quiet=quiet, bar=_bar, lines=_lines)


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    # Square brackets of a name are no markup.
    name, tail = (
        TextColumn(t, markup=False) for t in ("{task.description}", "{task.fields[tail]}")
    )
    with Bar(name, BarColumn(), tail, console=console(err=True), transient=True) as bar:
        task = bar.add_task(what, total=None, tail="")

        def listener(event: ProgressEvent) -> None:
            bar.update(
                task, completed=event.done, total=event.total, tail=describe(event, known=what)
            )

        yield listener


def _lines(what: str) -> Progress:
    last = time.monotonic()

    def listener(event: ProgressEvent) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_SECONDS:
            last = time.monotonic()
            echo(f"{what}: {describe(event, known=what)}", err=True)

    return listener


def describe(event: ProgressEvent, *, known: str = "") -> str:
    """How far a run is, in words; a `known` name is not told again."""
    count = f"{event.done}" if event.total is None else f"{event.done}/{event.total}"
    count += f" ({event.skipped} found)" if event.skipped else ""
    is_done = event.eta_seconds is None or event.done == event.total
    left = "" if is_done else f", about {format_left(event.eta_seconds or 0.0)} left"
    name = shown("/".join(PurePath(event.name).parts[-2:]))
    at = "" if not name or known.endswith(name) else f"  {name}"
    return f"{count}{left}{at}"


def format_left(seconds: float) -> str:
    """A time to wait, no finer than one can plan with."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
