"""A scored video: the scores of its segments, its events, and the model's words about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiprobe.errors import UsageError
from hiprobe.segment import Span, after_gap, gap_spans

Kind = Literal["event", "normal", "summary"]

# How scores are smoothed over time: over both neighbours, looking back only, or not at all.
SmoothingKind = Literal["gaussian", "ema", "none"]

# How windows that overlap gave each moment one score (`hiprobe.overlap`): there were none, their
# mean, or the last one that had ended.
Overlap = Literal["none", "mean", "last"]

# Of the newest segment: it lost nothing against a Gaussian on published scores of UCF-Crime.
EMA_WEIGHT = 0.25

# How an answer came out: "parsed" as JSON with fields, "text" as plain words, "refused" as words
# that decline, "failed" without any words.
Outcome = Literal["parsed", "text", "refused", "failed"]

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
# Fields of the JSON that a backbone is asked for, besides `confidence`.
FIELDS = ("title", "what_happens", "why_unusual")


@dataclass(frozen=True)
class Explanation:
    """A backbone's words about a stretch of the video, unchanged, and the fields found in them.

    Attributes:
        kind: an event, the normal stretch nearest to one, or the whole video.
        start_seconds, end_seconds: the stretch, half-open.
        prompt: what was asked.
        text: the answer word for word; empty where there is none.
        outcome: "parsed" where the answer is JSON, whose fields follow; "text" where it is not;
            "refused" where it declines to look; "failed" where there is no answer.
        title, what_happens, why_unusual: parts of the answer, None where it has none.
        confidence: the model's own claim in 0..1, not calibrated; None where it makes none.
        reason: why there is no answer, or that the model declined.
        event: number of the event that it belongs to, from 1; None for a summary.
        guess: the words are those of a small model, which often contradict the score.
    """

    kind: Kind
    start_seconds: float
    end_seconds: float
    prompt: str
    text: str
    outcome: Outcome = "text"
    title: str | None = None
    what_happens: str | None = None
    why_unusual: str | None = None
    confidence: float | None = None
    reason: str | None = None
    event: int | None = None
    guess: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind) or self.outcome not in OUTCOMES:
            raise UsageError(
                f"explanation of kind {self.kind!r} with outcome {self.outcome!r}: expected one of "
                f"{get_args(Kind)} and of {OUTCOMES}"
            )
        if self.confidence is not None and not 0.0 <= self.confidence <= 1.0:
            raise UsageError(f"confidence {self.confidence} is not within 0..1")
        if (self.outcome in ("refused", "failed")) != (self.reason is not None):
            raise UsageError(f"an explanation that is {self.outcome} has the reason {self.reason}")
        if self.outcome == "parsed" and not self.parts:
            raise UsageError("an explanation that is parsed holds none of its fields")

    @property
    def parts(self) -> tuple[str, ...]:
        """The fields that the answer filled, in order."""
        return tuple(part for name in FIELDS if (part := getattr(self, name)))

    @property
    def words(self) -> str:
        """The answer as plain text, the model's words only: its fields, or all that it said."""
        return "\n".join(self.parts) if self.outcome == "parsed" else self.text


@dataclass(frozen=True)
class Event:
    """Consecutive segments above the threshold.

    Attributes:
        start_seconds, end_seconds: half-open `[start_seconds, end_seconds)`.
        first_segment, end_segment: numbers of the segments, half-open too.
        peak, mean: highest and mean smoothed score.
        peak_seconds: middle of the segment with the highest score.
        explanation: the backbone's own words, None where there are none.
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
            one starts, except before a gap. Where the video was cut into windows that overlap, its
            segments are the spans between their edges, mostly of the length of the hop.
        scores: float64 `[segments]`, anomaly probability of each segment (paper, eq. 9);
            NaN where the backbone gave up on a segment, or it is `waiting`.
        smoothed: float64 `[segments]`, after smoothing.
        threshold: T (paper, eq. 10), which smoothed scores above it exceed.
        sigma_segments: width of the Gaussian, in segments; 0 where there was none.
        events: in order of time.
        ended: "end" where the video was read to its end, "truncated" where it broke off (damaged
            file), "interrupted" where the run was stopped.
        explanations: the model's words about events, normal stretches and the whole video.
        smoothing: how the scores were smoothed.
        ema_weight: of the newest segment where that was the exponential mean; not used otherwise.
        overlap: how windows that overlap gave each segment its score.
        reused_segments: numbers of the segments in which nothing changed, ascending; each has the
            state, and so the score, of the last one before it that is not among them.
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
    smoothing: SmoothingKind = "gaussian"
    ema_weight: float = EMA_WEIGHT
    overlap: Overlap = "none"
    reused_segments: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        shapes = {
            a.shape for a in (self.start_seconds, self.end_seconds, self.scores, self.smoothed)
        }
        if len(shapes) != 1 or self.scores.ndim != 1:
            raise UsageError(f"timeline arrays differ in shape: {shapes}")
        reused = self.reused_segments
        if list(reused) != sorted(set(reused)) or not set(reused) <= set(range(len(self))):
            raise UsageError(
                f"reused segments {list(reused[:5])} are not ascending numbers of segments, of "
                f"which there are {len(self)}"
            )
        if self.ended not in ("end", "truncated", "interrupted"):
            raise UsageError(f"ended is {self.ended!r}; expected end, truncated or interrupted")
        if self.overlap not in get_args(Overlap):
            raise UsageError(f"overlap is {self.overlap!r}; expected one of {get_args(Overlap)}")

    @property
    def waiting(self) -> NDArray[np.bool_]:
        """Segments, bool `[segments]`, before whose end no window has ended: no score is due."""
        return waiting_segments(self.start_seconds, self.end_seconds, self.scores, self.overlap)

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Segments, bool `[segments]`, that have no score since the backbone gave up."""
        return np.isnan(self.scores) & ~self.waiting

    @property
    def gaps(self) -> tuple[Span, ...]:
        """Stretches between segments for which the video has no pictures, half-open, in seconds."""
        return gap_spans(self.start_seconds, self.end_seconds)

    def __len__(self) -> int:
        return len(self.scores)


def waiting_segments(
    start_seconds: ArrayLike, end_seconds: ArrayLike, scores: ArrayLike, overlap: str
) -> NDArray[np.bool_]:
    """Segments that wait for the first window after a gap or the start to end, bool `[segments]`.

    Args:
        start_seconds, end_seconds, scores: `[segments]`, NaN where there is no score.
        overlap: one of `Overlap`.
    """
    first = after_gap(start_seconds, end_seconds)
    first[:1] = True
    return first & np.isnan(np.asarray(scores, dtype=np.float64)) & (overlap == "last")
