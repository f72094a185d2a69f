"""The values that the review hands on: events with lasting ids, and what people said of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from hiprobe.errors import UsageError

LabelKind = Literal["anomaly", "normal", "class", "unsure"]
LABEL_KINDS: tuple[LabelKind, ...] = get_args(LabelKind)


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a reviewer said about a stretch of a video, half-open in seconds.

    Attributes:
        event_id: the event it was said of; None for a stretch that was chosen by hand.
        class_name: a class of the reviewer's own; only where `kind` is "class".
        made_at_utc: ISO 8601 with the offset.
    """

    id: str
    event_id: str | None
    video_id: str
    start_seconds: float
    end_seconds: float
    kind: LabelKind
    class_name: str | None
    note: str
    reviewer: str
    made_at_utc: str

    def __post_init__(self) -> None:
        if self.kind not in LABEL_KINDS:
            raise UsageError(f"label {self.kind!r}: choose one of {', '.join(LABEL_KINDS)}")
        if (self.kind == "class") != bool(self.class_name):
            raise UsageError(
                f"label {self.kind!r} with class {self.class_name!r}: a class has a name, "
                "and no other label has one"
            )
        check_stretch(self.start_seconds, self.end_seconds)


@dataclass(frozen=True, kw_only=True)
class KeptEvent:
    """An event of the store; its id stays when the video is segmented again.

    Attributes:
        score: highest smoothed score within it.
        label: what was said of it last; None where nothing was.
    """

    id: str
    video_id: str
    start_seconds: float
    end_seconds: float
    peak_seconds: float
    score: float
    label: Label | None = None
    explanation: str | None = None

    def __post_init__(self) -> None:
        check_stretch(self.start_seconds, self.end_seconds)


def check_stretch(start_seconds: float, end_seconds: float) -> None:
    """Refuse a stretch that is empty or has no finite ends.

    Raises:
        UsageError: it is not a stretch of time.
    """
    if not (math.isfinite(start_seconds) and math.isfinite(end_seconds)) or (
        end_seconds <= start_seconds
    ):
        raise UsageError(
            f"[{start_seconds}, {end_seconds}) is no stretch of time; "
            "give a start in seconds and a later end"
        )
