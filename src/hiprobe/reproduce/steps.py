"""How far an experiment is, said now and then with an estimate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

SAY_SECONDS = 10.0
"""Least distance in time of two lines."""


@dataclass
class Steps:
    """Counts equal steps of a known number; a step found finished from before is quick."""

    say: Callable[[str], None]
    what: str
    total: int
    _done: int = 0
    _began: float = field(default_factory=time.monotonic)
    _said: float = field(default_factory=time.monotonic)

    def step(self, name: str) -> None:
        """One more step is done."""
        self._done += 1
        now = time.monotonic()
        if now - self._said < SAY_SECONDS or self._done >= self.total:
            return
        self._said = now
        left = (now - self._began) / self._done * (self.total - self._done)
        shown = f"{left:.0f} s" if left < 90 else f"{left / 60:.0f} min"
        self.say(f"{self.what}: {self._done} of {self.total} ({name}), about {shown} left")
