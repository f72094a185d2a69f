"""Progress of a long run: how far it is, how fast, and when it will be done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ProgressEvent:
    """One moment of a run.

    Attributes:
        done: units finished (segments of a video, or clips of a set).
        total: units in all, None where unknown; an estimate for a video.
        seconds_of_video: length of what is finished, without the gaps in it.
        elapsed_seconds: time since the run began.
        skipped: units of `done` that were found finished from before.
        name: the video or clip at work.
    """

    done: int
    total: int | None
    seconds_of_video: float
    elapsed_seconds: float
    skipped: int = 0
    name: str = ""

    @property
    def eta_seconds(self) -> float | None:
        """Time left at the pace so far; None before the first unit or without a total."""
        fresh = self.done - self.skipped
        if self.total is None or fresh < 1:
            return None
        return self.elapsed_seconds / fresh * max(0, self.total - self.done)


Progress = Callable[[ProgressEvent], None]


@dataclass
class Clock:
    """Builds the events of one run and hands them on."""

    progress: Progress | None
    total: int | None
    name: str = ""
    skipped: int = 0
    began: float = field(default_factory=time.monotonic)

    def tell(self, done: int, *, seconds_of_video: float) -> None:
        """Report; does nothing where nobody listens."""
        if self.progress is not None:
            total = None if self.total is None else max(self.total, done)
            elapsed = time.monotonic() - self.began
            self.progress(
                ProgressEvent(done, total, seconds_of_video, elapsed, self.skipped, self.name)
            )
