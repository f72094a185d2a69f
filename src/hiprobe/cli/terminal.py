"""The one way of a text to the terminal: it is never obeyed, and always can be written.

Names and a model's words come from strangers: an escape sequence in them would move the cursor,
colour or overwrite what was said. Encodings of terminals lack most characters.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

import click

from hiprobe.path_text import shown_lines

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
    safe = shown_lines(text)
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
        yield from self._segments(console, options)

    def _segments(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        from rich.segment import Segment

        for segment in console.render(self._inner, options):
            is_text = not segment.control
            yield Segment(shown_lines(segment.text), segment.style) if is_text else segment
