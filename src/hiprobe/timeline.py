"""Timeline and Event: a scored video, as detection returns and reports show it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import UsageError
from hiprobe.explanation import Explanation
from hiprobe.gaps import Span, gap_spans


@dataclass(frozen=True)
class Event:
    """Consecutive segments above the threshold, half-open `[start_seconds, end_seconds)`.

    `first_segment` and `end_segment` are half-open too. Peak and mean are smoothed scores.
    `explanation` holds the backbone's own words, None where there are none.
    """

    start_seconds: float
    end_seconds: float
    first_segment: int
    end_segment: int
    peak: float
    mean: float
    peak_seconds: float
    explanation: str | None = None

    def __post_init__(self) -> None:
        if not self.end_seconds > self.start_seconds or self.end_segment <= self.first_segment:
            raise UsageError(f"event [{self.start_seconds}, {self.end_seconds}) is empty")


@dataclass(frozen=True)
class Timeline:
    """Scores of one video's segments and the events found in them.

    Attributes:
        start_seconds, end_seconds: float64 `[segments]`, half-open; a segment ends where the next
            one starts, except before a gap.
        scores: float64 `[segments]`, anomaly probability of each segment (paper, eq. 9);
            NaN where the backbone gave up on a segment.
        smoothed: float64 `[segments]`, after Gaussian smoothing.
        threshold: T (paper, eq. 10), on the smoothed score.
        events: in order of time.
        ended: "end" the video was read to its end; "truncated" it broke off (damaged file);
            "interrupted" the run was stopped.
    """

    start_seconds: NDArray[np.float64]
    end_seconds: NDArray[np.float64]
    scores: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    threshold: float
    sigma_segments: float
    events: tuple[Event, ...]
    ended: str = "end"
    explanations: tuple[Explanation, ...] = field(default=())

    def __post_init__(self) -> None:
        shapes = {
            a.shape for a in (self.start_seconds, self.end_seconds, self.scores, self.smoothed)
        }
        if len(shapes) != 1 or self.scores.ndim != 1:
            raise UsageError(f"timeline arrays differ in shape: {shapes}")
        if self.ended not in ("end", "truncated", "interrupted"):
            raise UsageError(f"ended is {self.ended!r}; expected end, truncated or interrupted")

    @property
    def gaps(self) -> tuple[Span, ...]:
        """Stretches between segments for which the video has no pictures, half-open, in seconds."""
        return gap_spans(self.start_seconds, self.end_seconds)

    def __len__(self) -> int:
        return len(self.scores)
