"""Warnings of our own as one line each, without the place in the code."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from hiprobe.cli.terminal import echo
from hiprobe.path_text import shown

_OURS = Path(__file__).parent.parent


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Within the block HiProbe's own warnings are told on stderr; others stay as they are.

    Each is told once: a file is opened many times, and libraries make Python forget what it told.
    """
    told: set[str] = set()
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if _OURS in Path(filename).parents:
                if str(message) not in told:
                    told.add(str(message))
                    echo(f"warning: {shown(message)}", err=True)
            else:
                others(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield
