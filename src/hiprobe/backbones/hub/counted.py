"""A file that tells how much is written to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any


class Counted:
    """A file that tells how much is written to it; the rest it leaves to the file."""

    def __init__(self, stream: IO[bytes], count: Callable[[int], None]) -> None:
        self._stream, self._count = stream, count

    def write(self, data: bytes) -> int:
        """Write and tell."""
        self._count(len(data))
        return self._stream.write(data)

    def truncate(self, size: int | None = None) -> int:
        """The server began anew: what was there counts no longer."""
        place = self._stream.tell()
        before = self._stream.seek(0, 2)
        self._stream.seek(place)
        kept = self._stream.truncate(size)
        self._count(kept - before)
        return kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
