"""Explanation: what a backbone said about a stretch of video, and what became of its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from hiprobe.errors import UsageError

Kind = Literal["event", "normal", "summary"]

Outcome = Literal["parsed", "text", "refused", "failed"]
"""Fields read out of the words; words alone; words that decline; no words at all."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
FIELDS = ("title", "what_happens", "why_unusual")
"""Fields of the JSON that a backbone is asked for, besides `confidence`."""


@dataclass(frozen=True)
class Explanation:
    """A backbone's words about a stretch of the video, verbatim, and the fields found in them.

    Attributes:
        kind: an event, the normal stretch nearest to one, or the whole video.
        start_seconds, end_seconds: the stretch, half-open.
        prompt: what was asked.
        text: the answer word for word; empty where there is none.
        outcome: "parsed" the fields below hold what the answer said in JSON; "text" it is no such
            JSON; "refused" it declines to look; "failed" there is no answer.
        title, what_happens, why_unusual: parts of the answer, None where it has none.
        confidence: the model's own claim in 0..1, not calibrated; None where it makes none.
        reason: why there is no answer, or that the model declined.
        event: number of the event that it belongs to, from 1; None for a summary.
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
