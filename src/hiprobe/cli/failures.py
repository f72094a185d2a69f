"""Files that could not be used: the rest goes on, they are listed at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from hiprobe.addresses import hide_credentials
from hiprobe.cli.terminal import echo
from hiprobe.errors import HiProbeError, VideoError
from hiprobe.failures import failure_of
from hiprobe.path_text import path_text, shown

EXIT_CODE = VideoError.exit_code
"""What a command returns when some files failed and the others are done."""


@dataclass
class Failures:
    """Collects what went wrong with which file.

    Attributes:
        last_exit_code: of the error that was met last, as if it had ended the command.
    """

    items: list[tuple[Path, str]] = field(default_factory=list)
    last_exit_code: int = EXIT_CODE

    @contextmanager
    def of(self, file: Path) -> Iterator[None]:
        """An error about this file, or one that nobody expected, ends the block, not the run."""
        try:
            yield
        except Exception as error:
            self.add(file, failure_of(file, error).reason)
            self.last_exit_code = _exit_code_of(error)

    def add(self, file: Path, reason: str) -> None:
        """Note a failure."""
        self.items.append((file, reason))

    def to_json(self) -> list[dict[str, str]]:
        """For a JSON document."""
        return [
            {"video": hide_credentials(path_text(file)), "reason": hide_credentials(reason)}
            for file, reason in self.items
        ]

    def report(self) -> None:
        """List the failures on stderr."""
        if self.items:
            files = "1 file" if len(self.items) == 1 else f"{len(self.items)} files"
            echo(f"error: {files} could not be used:", err=True)
        for _, reason in self.items:
            echo(f"  {shown(hide_credentials(reason))}", err=True)

    def finish(self, *, alone: bool = False) -> None:
        """List them and end the command with `EXIT_CODE` where there is one.

        A file that was asked for `alone` ends it with the exit code of its own error.
        """
        self.report()
        if self.items:
            click.get_current_context().exit(self.last_exit_code if alone else EXIT_CODE)


def _exit_code_of(error: Exception) -> int:
    if isinstance(error, OSError):
        return EXIT_CODE
    return error.exit_code if isinstance(error, HiProbeError) else HiProbeError.exit_code
