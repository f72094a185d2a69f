"""Git's own progress on one line of the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from hiprobe.path_text import shown


@contextmanager
def git_progress(*, quiet: bool) -> Iterator[Callable[[str], None] | None]:
    """Takes lines of progress, each in the place of the one before; None where nobody watches."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    try:
        yield lambda line: click.echo(f"\r\x1b[K{shown(line)}", nl=False, err=True)
    finally:
        click.echo(err=True)
