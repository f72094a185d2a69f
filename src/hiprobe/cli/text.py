"""Plain text on the screen: tables, sizes and times. Results go to stdout, the rest to stderr."""

from __future__ import annotations

from collections.abc import Sequence

from hiprobe.addresses import hide_credentials
from hiprobe.cli.terminal import Harmless, console, echo
from hiprobe.path_text import shown


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, mark: str = "") -> None:
    """A table in aligned columns on stdout; numbers to the right, words to the left.

    Rows whose first cell ends with `mark` stand out in bold where the terminal can.
    """
    header, rows = list(map(shown, header)), [list(map(shown, row)) for row in rows]
    widths = [max(len(r[i]) for r in [header, *rows]) for i in range(len(header))]
    numeric = [bool(rows) and all(_is_number(r[i]) for r in rows) for i in range(len(header))]
    echo(_line(header, widths, numeric))
    echo("  ".join("-" * w for w in widths))
    for row in rows:
        bold = bool(mark) and row[0].endswith(mark)
        echo(_line(row, widths, numeric), bold=bold)


def say(line: str) -> None:
    """A line about the course of a run, on stderr."""
    echo(hide_credentials(line), err=True)


def print_rich(what: object) -> None:
    """A rich table on stdout; wide where stdout is no terminal, so that nothing is cut off."""
    import sys

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
    return cell.lstrip("-").split(" ")[0].rstrip("*%").replace(".", "", 1).isdigit() or cell == "-"
