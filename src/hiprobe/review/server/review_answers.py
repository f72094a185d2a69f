"""What the server takes and gives, as OpenAPI describes it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from hiprobe.review.values import LabelKind

# What cannot be an id is refused before it reaches a look-up, or a message that repeats it.
ID_PATTERN = r"^[a-z0-9]{8,32}$"

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Threshold = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


def _finite(value: Any) -> float | None:
    """None for NaN, which JSON does not have: so a segment without a score is null."""
    number = None if value is None else float(value)
    return number if number is not None and abs(number) < float("inf") else None


def _list(value: Any) -> list[Any] | None:
    return None if value is None else list(value)


Number = Annotated[float | None, BeforeValidator(_finite)]
Numbers = Annotated[list[Number], BeforeValidator(_list)]
Spans = Annotated[list[tuple[float, float]] | None, BeforeValidator(_list)]


class _Given(BaseModel):
    """A body of a request; unknown fields are refused, since they are mostly misspelt ones."""

    model_config = ConfigDict(extra="forbid")


class _Told(BaseModel):
    """An answer, read by name from the values of other rooms.

    Only what is named here leaves the server: a path or a hash that a value holds does not.
    """

    model_config = ConfigDict(from_attributes=True)


class ErrorWords(_Told):
    """What went wrong, with which value, and what to do."""

    code: str
    message: str


class ErrorAnswer(_Told):
    """Every answer of 4xx."""

    error: ErrorWords


class LogIn(_Given):
    """Either the token of the address, or a name with its password."""

    token: Annotated[str, Field(max_length=200)] | None = Field(None, repr=False)
    user: Annotated[str, Field(max_length=200)] | None = None
    password: Annotated[str, Field(max_length=1024)] | None = Field(None, repr=False)


class SessionAnswer(_Told):
    """Who is logged in."""

    role: Literal["viewer", "reviewer", "admin"]
    reviewer: str
    csrf: str


class VideoAnswer(_Told):
    """A video; its path stays on the server."""

    id: str
    name: str
    camera: str | None
    duration_seconds: float
    threshold: Number
    kappa: Number
    start_clock: str | None
    truth: Spans


class VideosAnswer(_Told):
    """All videos."""

    videos: list[VideoAnswer]


class LabelAnswer(_Told):
    """A label as it is kept."""

    id: str
    event_id: str | None
    video_id: str
    start_seconds: float
    end_seconds: float
    kind: LabelKind
    class_name: str | None
    note: str | None
    reviewer: str
    made_at_utc: str


class LabelsAnswer(_Told):
    """Several labels."""

    labels: list[LabelAnswer]


class UndoneAnswer(_Told):
    """The labels that were taken back; none where there was nothing to undo."""

    undone: list[LabelAnswer]


class ImportedAnswer(_Told):
    """How many labels of an import were new."""

    imported: int


class EventAnswer(_Told):
    """A stretch above the threshold."""

    id: str
    video_id: str
    start_seconds: float
    end_seconds: float
    peak_seconds: float
    score: Number
    label: LabelAnswer | None
    explanation: str | None
    explained: bool


class EventsAnswer(_Told):
    """One page of the queue."""

    events: list[EventAnswer]
    next_cursor: str | None
    total: int


class AlarmsAnswer(_Told):
    """Alarms an hour, and in words the footage that they were counted on."""

    per_hour: float
    footage: str


class ResegmentedAnswer(_Told):
    """Events at a threshold that is tried out."""

    events: list[EventAnswer]
    alarms: AlarmsAnswer | None
    kept_labels: int
    lost_labels: int


class CurveAnswer(_Told):
    """The scores of a video, one value a segment."""

    video_id: str
    start_seconds: Numbers
    end_seconds: Numbers
    raw: Numbers
    smoothed: Numbers
    threshold: Number
    truth: Spans = None
    events: list[EventAnswer] = []


class ThumbnailsAnswer(_Told):
    """How many pictures there are of an event, and of which moments."""

    count: int
    seconds: list[float]


class MediaState(_Told):
    """Whether a video can be played now, and the job that is making a playable copy."""

    ready: bool
    job: str | None


class JobAnswer(_Told):
    """A job whose stream tells how it goes."""

    job: str


class VersionAnswer(_Told):
    """A version of the probe."""

    number: int
    made_at_utc: str
    reason: str
    cv_auc: Number
    threshold: Number
    label_count: int
    current: bool


class VersionsAnswer(_Told):
    """All versions of the probe."""

    versions: list[VersionAnswer]


class FiguresAnswer(_Told):
    """Figures of a probe before or after a refit."""

    cv_auc: Number = None
    threshold: Number = None
    label_count: int | None = None


class DoubtAnswer(_Told):
    """A label that disagrees with what the other labels teach."""

    name: str
    label: str
    score: float


class RefitAnswer(_Told):
    """What a refit would change."""

    id: str
    before: FiguresAnswer
    after: FiguresAnswer
    appearing: list[EventAnswer]
    vanishing: list[EventAnswer]
    alarms_before: AlarmsAnswer | None
    alarms_after: AlarmsAnswer | None
    stale_cameras: list[str]
    doubtful: list[DoubtAnswer]
    seconds: float


class LayerAnswer(_Told):
    """A layer in the choice of layers."""

    layer: int
    saliency: Number = None
    cv_auc: Number = None


class ProbeAnswer(_Told):
    """The probe in use."""

    name: str
    recipe: str
    layer: int | None
    cv_auc: Number
    threshold: Number
    layers: list[LayerAnswer]
    classes: list[str]


class GainStep(_Told):
    """Labels, and the held-out AUC with them."""

    label_count: int
    cv_auc: Number


class GainAnswer(_Told):
    """What labels have gained so far."""

    gain: list[GainStep]


class ProposalAnswer(_Told):
    """Something worth labelling: an event, or a stretch of a video."""

    event_id: str | None = None
    video_id: str
    start_seconds: float
    end_seconds: float
    why: str
    score: Number


class ProposalsAnswer(_Told):
    """What is most worth labelling next."""

    proposals: list[ProposalAnswer]


class NeighbourAnswer(_Told):
    """A labelled clip near an event."""

    name: str
    label: str
    class_name: str | None
    distance: float


class NeighboursAnswer(_Told):
    """Labelled clips nearest to an event."""

    neighbours: list[NeighbourAnswer]


class MemberAnswer(_Told):
    """The vote of a member of a committee."""

    name: str
    weight: float
    log_odds: float


class MembersAnswer(_Told):
    """All votes on an event."""

    members: list[MemberAnswer]


class FormatAnswer(_Told):
    """A format of export."""

    name: str
    extension: str
    about: str


class FormatsAnswer(_Told):
    """All formats of export."""

    formats: list[FormatAnswer]


class HealthAnswer(_Told):
    """That the server is there."""

    version: str


class NewThreshold(_Given):
    """A threshold to try or to keep."""

    threshold: Threshold


class _Judgement(_Given):
    kind: LabelKind
    class_name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    note: Annotated[str, Field(max_length=4000)] | None = None


class NewLabel(_Judgement):
    """A label of an event, or of a stretch of a video."""

    event_id: Id | None = None
    video_id: Id | None = None
    start_seconds: Seconds | None = None
    end_seconds: Seconds | None = None


class NewLabels(_Judgement):
    """One label for several events."""

    event_ids: Annotated[list[Id], Field(min_length=1, max_length=1000)]


class Seen(_Given):
    """Whether the reviewer has seen an event."""

    seen: bool


class NewExport(_Given):
    """The format that is wanted."""

    format: Annotated[str, Field(min_length=1, max_length=50)]
