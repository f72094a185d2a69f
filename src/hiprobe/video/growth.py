"""Tell a finished file from one that is still being written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

RECENT_SECONDS = 10.0
"""A recorder writes every few seconds; a file changed so lately may go on changing."""


@dataclass(frozen=True)
class FileStamp:
    """Size and time of change of a file at one moment; equal stamps mean equal content."""

    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path | str) -> FileStamp:
        """The stamp of a file as it is now; one that cannot be looked at has that of nothing."""
        try:
            found = Path(path).stat()
        except OSError:  # opening it says what is wrong
            return cls(-1, 0)
        return cls(found.st_size, found.st_mtime_ns)

    def is_outdated(self, path: Path | str) -> bool:
        """Whether the file has changed since, or is gone."""
        return FileStamp.of(path) != self


def seconds_since_change(path: Path | str) -> float:
    """How long ago a file was last changed; a clock that runs ahead counts as now."""
    return max(0.0, time.time() - FileStamp.of(path).modified_ns / 1e9)


def still_written_words(seconds: float) -> str:
    """What to say of a file changed so many seconds ago; empty where that is long ago."""
    if seconds > RECENT_SECONDS:
        return ""
    return (
        f"the file was changed {seconds:.0f} s ago: if it is still being written, run again when "
        "it is done"
    )
