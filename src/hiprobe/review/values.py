"""The values that the review hands on: events with lasting ids, and what people said of them."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, get_args

from hiprobe.errors import UsageError

LabelKind = Literal["anomaly", "normal", "class", "unsure"]
LABEL_KINDS: tuple[LabelKind, ...] = get_args(LabelKind)


class UnknownIdError(UsageError, LookupError):
    """No video, event, label, refit or version has this id.

    Wrong input for the command line, and for the server a look-up that is answered with 404.
    """


def new_id() -> str:
    """An id of 64 random bits, so that two reviews can be merged without a clash."""
    return uuid.uuid4().hex[:16]


def utc_now() -> str:
    """This moment as ISO 8601 with the offset."""
    return datetime.now(UTC).isoformat()


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a reviewer said about a stretch of a video, half-open in seconds.

    Attributes:
        event_id: the event it was said of; None for a stretch that was chosen by hand.
        class_name: a class of the reviewer's own; only where `kind` is "class".
        made_at_utc: ISO 8601 with the offset.

    Raises:
        UsageError: the kind is unknown, a class has no name or another kind has one, or the stretch
            is empty.
    """

    id: str = field(default_factory=new_id)
    event_id: str | None = None
    video_id: str
    start_seconds: float
    end_seconds: float
    kind: LabelKind
    class_name: str | None = None
    note: str = ""
    reviewer: str
    made_at_utc: str = field(default_factory=utc_now)

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

    @property
    def explained(self) -> bool:
        """Whether the model's words on it are known."""
        return self.explanation is not None


@dataclass(frozen=True, kw_only=True)
class ReviewedVideo:
    """A scored video.

    Attributes:
        camera: name of the folder that the file lies in; None where it lies in none.
        threshold: smoothed score above which there is an event now.
        kappa: the kappa that gives this threshold with the probe in use; None without a probe.
        start_clock: ISO 8601 of its first picture, if the file's name says it; else None.
        truth: known events, half-open in seconds; None where they are not known.
    """

    id: str
    name: str
    path: str
    camera: str | None
    duration_seconds: float
    threshold: float
    kappa: float | None = None
    start_clock: str | None = None
    truth: tuple[tuple[float, float], ...] | None = None


@dataclass(frozen=True, kw_only=True)
class EventPage:
    """Some events of a queue.

    Attributes:
        next_cursor: pass it on to get the next page; None at the end.
        total: how many events the queue holds on all pages.
    """

    events: tuple[KeptEvent, ...]
    next_cursor: str | None
    total: int


@dataclass(frozen=True, kw_only=True)
class ProbeVersion:
    """A version of the probe.

    Attributes:
        number: from 1; 0 where the review has no probe folder.
        cv_auc: cross-validated AUC of its clips; None where there were no folds.
        label_count: how many of its clips are labels of the review.
        current: whether it is in use.
    """

    number: int
    made_at_utc: str
    reason: str
    cv_auc: float | None
    threshold: float
    label_count: int
    current: bool


@dataclass(frozen=True, kw_only=True)
class ProbeLayer:
    """A layer in the choice of layers; None where a measure could not be taken."""

    layer: int
    saliency: float | None
    cv_auc: float | None


@dataclass(frozen=True, kw_only=True)
class ProbeCard:
    """What the page shows of the probe in use.

    Attributes:
        recipe: what is read and what it is fitted on, in words.
        classes: names of the clips' classes.
    """

    name: str
    recipe: str
    layer: int
    cv_auc: float | None
    threshold: float
    layers: tuple[ProbeLayer, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CountedAlarms:
    """Alarms an hour on footage.

    Attributes:
        footage: which footage, in words.
        hours: how much of it.
    """

    per_hour: float
    footage: str
    hours: float


@dataclass(frozen=True, kw_only=True)
class ProbeFigures:
    """The figures of a probe that a refit is compared by.

    Attributes:
        cv_auc: cross-validated AUC of its clips; None where there were no folds.
        label_count: how many of these clips are labels of the review.
    """

    cv_auc: float | None
    threshold: float
    label_count: int


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A label that disagrees with what the other labels teach.

    Attributes:
        name: of the clip, or of the labelled stretch.
        label: "normal" or "anomaly", as it was given.
        score: by a probe that has not seen its recording.
    """

    name: str
    label: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Refit:
    """What a fit on all labels would change; nothing is kept until it is accepted.

    Attributes:
        appearing, vanishing: events that would be new or gone, in videos whose states are kept.
        alarms_before, alarms_after: on calibrated footage whose states are kept, else on videos
            whose events are known; None where there is neither.
        stale_cameras: names of cameras that must be calibrated again if it is accepted.
        doubtful: the most doubtful first.
        left_out: labelled stretches whose states are not kept, so that they taught nothing.
        seconds: how long the fit took.
    """

    id: str
    before: ProbeFigures
    after: ProbeFigures
    appearing: tuple[KeptEvent, ...]
    vanishing: tuple[KeptEvent, ...]
    alarms_before: CountedAlarms | None
    alarms_after: CountedAlarms | None
    stale_cameras: tuple[str, ...]
    doubtful: tuple[Doubt, ...]
    left_out: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Something worth labelling: an event, or a stretch below the threshold.

    Attributes:
        event_id: None for a stretch.
        why: in words.
        score: highest smoothed score within it.
    """

    event_id: str | None
    video_id: str
    start_seconds: float
    end_seconds: float
    why: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A labelled clip near an event.

    Attributes:
        label: "normal" or "anomaly".
        distance: root mean square over the dimensions, each divided by its deviation.
    """

    name: str
    label: str
    class_name: str | None
    distance: float


@dataclass(frozen=True, kw_only=True)
class MemberVote:
    """How a member of a committee votes on an event.

    Attributes:
        name: reading and layer.
        weight: its share of the committee; all shares add up to 1.
        log_odds: what it adds to the committee's log-odds.
    """

    name: str
    weight: float
    log_odds: float


def check_stretch(start_seconds: float, end_seconds: float) -> None:
    """Refuse a stretch that is empty or has no finite ends.

    Raises:
        UsageError: it is not a stretch of time.
    """
    if not (math.isfinite(start_seconds) and math.isfinite(end_seconds)) or (
        end_seconds <= start_seconds
    ):
        raise UsageError(
            f"[{start_seconds}, {end_seconds}) is not a stretch of time; "
            "give a start in seconds and a later end"
        )
