"""Files that could not be used: the rest goes on, they are listed at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from hiprobe.errors import (
    BackboneMemoryError,
    FingerprintError,
    OutsideFolderError,
    ProbeFolderError,
    StatesError,
    VideoError,
)

EXIT_CODE = VideoError.exit_code
"""What a command returns when some files failed and the others are done."""

OF_ONE_FILE = (
    VideoError,
    StatesError,
    FingerprintError,
    ProbeFolderError,
    BackboneMemoryError,
    OutsideFolderError,
)
"""Errors that say something about one file only."""


@dataclass
class Failures:
    """Collects what went wrong with which file."""

    items: list[tuple[Path, str]] = field(default_factory=list)

    @contextmanager
    def of(self, file: Path) -> Iterator[None]:
        """An error about this file ends the block, not the run."""
        try:
            yield
        except OF_ONE_FILE as error:
            self.add(file, str(error))

    def add(self, file: Path, reason: str) -> None:
        """Note a failure."""
        self.items.append((file, reason))

    def to_json(self) -> list[dict[str, str]]:
        """For a JSON document."""
        return [{"video": str(file), "reason": reason} for file, reason in self.items]

    def report(self) -> None:
        """List the failures on stderr."""
        if self.items:
            files = "1 file" if len(self.items) == 1 else f"{len(self.items)} files"
            click.echo(f"error: {files} could not be used:", err=True)
        for _, reason in self.items:
            click.echo(f"  {reason}", err=True)

    def finish(self) -> None:
        """List them and end the command with `EXIT_CODE` where there is one."""
        self.report()
        if self.items:
            click.get_current_context().exit(EXIT_CODE)
