"""What commands print: lines, tables, progress bars."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from hiprobe.names import hide_credentials, shown, shown_lines, whole_addresses
from hiprobe.progress import Progress, ProgressEvent

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult


def prepare_streams() -> None:
    r"""Let stdout and stderr write what they cannot encode as `\u4e2d`, in place of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def echo(text: str = "", *, err: bool = False, bold: bool = False) -> None:
    """Lines on stdout, or stderr where `err`; control characters in them are written out."""
    # The stream is named: by itself click writes UTF-8 to a terminal that has said it is ASCII.
    stream: TextIO = sys.stderr if err else sys.stdout
    safe = shown_lines(whole_addresses(text))
    click.echo(click.style(safe, bold=True) if bold else safe, file=stream, err=err)


def console(*, err: bool = False, width: int | None = None) -> Console:
    """A rich console; its tables fall back to ASCII lines where the encoding has no others."""
    from rich.console import Console

    return Console(file=sys.stderr if err else sys.stdout, width=width)


class Harmless:
    """A rich table or text whose control characters are written out when it is drawn."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        # File names come from strangers: an escape sequence in one could rewrite the screen.
        for segment in console.render(self._inner, options):
            is_text = not segment.control
            yield Segment(shown_lines(segment.text), segment.style) if is_text else segment


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, mark: str = "") -> None:
    """A table in aligned columns on stdout; numbers to the right, words to the left.

    Rows whose first cell ends with `mark` stand out in bold where the terminal can.
    """
    # Not by rich: its loading takes longer than many a command, and scripts read these columns.
    header, rows = list(map(shown, header)), [list(map(shown, row)) for row in rows]
    widths = [max(len(r[i]) for r in [header, *rows]) for i in range(len(header))]
    numeric = [bool(rows) and all(_is_number(r[i]) for r in rows) for i in range(len(header))]
    echo(_line(header, widths, numeric))
    echo("  ".join("-" * w for w in widths))
    for row in rows:
        bold = bool(mark) and row[0].endswith(mark)
        echo(_line(row, widths, numeric), bold=bold)


def say(line: str) -> None:
    """A line about how a run is going, on stderr."""
    # Addresses of cameras and stores can hold passwords, and logs are shared.
    echo(hide_credentials(line), err=True)


def say_nothing(line: str) -> None:
    """Takes the place of `say` where nothing is to be said."""


def print_rich(what: object) -> None:
    """A rich table on stdout; wide where stdout is not a terminal, so that nothing is cut off."""
    console(width=None if sys.stdout.isatty() else 140).print(Harmless(what))


def format_bytes(count: int) -> str:
    """A size in decimal units, as disks are sold."""
    size, unit = float(count), "B"
    for bigger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, bigger
    return f"{size:.0f} {unit}" if unit in ("B", "kB") else f"{size:.1f} {unit}"


def format_number(value: float | None, digits: int = 3) -> str:
    """A number with fixed digits; a dash where there is none."""
    return "-" if value is None or value != value else f"{value:.{digits}f}"


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    columns = zip(cells, widths, numeric, strict=True)
    return "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in columns).rstrip()


def _is_number(cell: str) -> bool:
    # With a unit, a mark or a percent sign behind it, it is still a number to align.
    return cell.lstrip("-").split(" ")[0].rstrip("*%").replace(".", "", 1).isdigit() or cell == "-"


Listener = TypeVar("Listener")

# A log file gets a line this often in place of the bar: a night's run stays readable.
LINE_SECONDS = 15.0


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
    """How far a run is, in words.

    Args:
        known: what the bar is called already; a name that it ends with is not repeated.
    """
    count = f"{event.done}" if event.total is None else f"{event.done}/{event.total}"
    count += f" ({event.skipped} reused)" if event.skipped else ""
    is_done = event.eta_seconds is None or event.done == event.total
    left = "" if is_done else f", about {format_left(event.eta_seconds or 0.0)} left"
    name = shown("/".join(PurePath(event.name).parts[-2:]))
    at = "" if not name or known.endswith(name) else f"  {name}"
    return f"{count}{left}{at}"


def format_left(seconds: float) -> str:
    """A time to wait, rounded as people would say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


DownloadListener = Callable[[int, int], None]


def download_bar(what: str, *, quiet: bool) -> AbstractContextManager[DownloadListener | None]:
    """A listener for bytes done and in all; None where `quiet`."""
    return watched(what, quiet=quiet, bar=_bytes_bar, lines=lines)


@contextmanager
def _bytes_bar(what: str) -> Iterator[DownloadListener]:
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


def lines(what: str) -> DownloadListener:
    """A listener that writes a line every few seconds, for log files."""
    began: float | None = None
    first = last = 0.0

    def listener(done: int, total: int) -> None:
        nonlocal began, first, last
        now = time.monotonic()
        if began is None:
            began, first, last = now, done, now
        # The pace counts from the first report: what an earlier try had fetched came at once.
        if now - last >= LINE_SECONDS and done > first:
            last = now
            left = (now - began) / (done - first) * (total - done)
            echo(
                f"{what}: {format_bytes(done)} of {format_bytes(total)}, about "
                f"{format_left(left)} left",
                err=True,
            )

    return listener
