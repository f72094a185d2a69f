"""What each kind of document must hold, as structs that `documents.checked` checks against.

A field that is missing here is not checked and may be there: later versions add some. Strings that
are one of a few, and fields that belong together, are checked by the values built from them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

# Counts and sizes; above it a float cannot hold them.
Whole = Annotated[int, Meta(ge=0, le=2**53)]

Layer = Annotated[int, Meta(ge=0, le=10_000)]
Width = Annotated[int, Meta(ge=1, le=10_000_000)]
# Scores and thresholds: room is left for what is computed from them.
Number = Annotated[float, Meta(ge=-1e300, le=1e300)]

# Thirty years on either side of a clock's zero.
Seconds = Annotated[float, Meta(ge=-1e9, le=1e9)]

# Of a scorer or a layer rule, which other packages may add to.
Name = Annotated[str, Meta(min_length=1, max_length=200)]

Label = Literal[0, 1]
Setting = str | int | float | bool
SmoothingName = Literal["gaussian", "ema", "none"]
OverlapName = Literal["none", "mean", "last"]
Share = Annotated[float, Meta(gt=0, le=1)]


# Structs and not the dataclasses that are built from them: those can neither bound a number nor
# forbid a field, which must be where all fields are passed on as keyword arguments.


class FingerprintFields(Struct, forbid_unknown_fields=True):
    """A `Fingerprint`."""

    model: str
    weights: str
    dtype: str
    prompt: str
    settings: dict[str, Setting]


class StatesHeader(Struct):
    """The note in a file of states."""

    fingerprint: FingerprintFields
    layer_count: Layer
    layers: list[Layer]
    outcome: Literal["end", "truncated"]
    notes: dict[str, str]


class SegmentFields(Struct):
    """A segment of a timeline; None where it has no score."""

    start_seconds: Seconds
    end_seconds: Seconds
    score: Number | None
    smoothed: Number | None
    reused: Annotated[int, Meta(ge=0, le=1)] = 0


class EventFields(Struct, forbid_unknown_fields=True):
    """An event of a timeline."""

    start_seconds: Seconds
    end_seconds: Seconds
    first_segment: Whole
    end_segment: Whole
    peak: Number
    mean: Number
    peak_seconds: Seconds
    explanation: str | None = None


class ExplanationFields(Struct, forbid_unknown_fields=True):
    """A model's words about a stretch."""

    kind: Literal["event", "normal", "summary"]
    start_seconds: Seconds
    end_seconds: Seconds
    prompt: str
    text: str
    outcome: Literal["parsed", "text", "refused", "failed"] = "text"
    title: str | None = None
    what_happens: str | None = None
    why_unusual: str | None = None
    confidence: float | None = None
    reason: str | None = None
    event: Whole | None = None
    guess: bool = False


class TimelineDocument(Struct):
    """A detection as JSON."""

    video: str
    ended: str
    threshold: Number
    sigma_segments: Number
    segments: list[SegmentFields]
    events: list[EventFields]
    explanations: list[ExplanationFields]
    smoothing: SmoothingName = "gaussian"
    ema_weight: Share = 0.25
    overlap: OverlapName = "none"


class SegmentScore(Struct):
    """What an evaluation takes of a timeline's segment."""

    start_seconds: Seconds
    end_seconds: Seconds
    smoothed: float | None
    score: float | None = None


class TimelineScores(Struct):
    """What an evaluation takes of a timeline."""

    video: str
    segments: list[SegmentScore]
    overlap: OverlapName = "none"


class SpanFields(Struct):
    """An abnormal stretch in frames."""

    start: int
    end: int


class ManifestCells(Struct):
    """A row of a manifest in Parquet."""

    video: str
    name: str
    split: str
    source: str
    class_name: str = field(name="class")
    label: int
    spans: list[SpanFields]
    frames: int | None
    fps: float | None


class ManifestAbout(Struct):
    """The facts of a manifest's set, in the schema's metadata."""

    dataset: str
    span_set: str
    end: Literal["inclusive", "half-open"]
    note: str = ""


class RemoteFileFields(Struct, forbid_unknown_fields=True):
    """A file of a hub repository."""

    name: str
    size: Whole
    sha256: str | None = None
    git_sha1: str | None = None


class FetchedDocument(Struct):
    """`hiprobe.json` of a fetched model."""

    format: str
    version: int
    hub: str
    revision: str
    endpoint: str
    files: list[RemoteFileFields]


class ListedFile(Struct):
    """A file of an assembled model."""

    bytes: Whole
    sha256: str


class LiteManifest(Struct):
    """`manifest.json` of the lite backbone."""

    files: dict[str, ListedFile]


class TensorEntry(Struct):
    """A tensor in the header of a safetensors file."""

    dtype: str
    shape: list[Whole]
    data_offsets: tuple[Whole, Whole]


class WeightIndex(Struct):
    """`model.safetensors.index.json`."""

    weight_map: dict[str, str]


class JoinedFacts(Struct):
    """What is written down about a joined video."""

    clips: list[str]
    frames: Whole
    fps: Annotated[float, Meta(gt=0, le=1e6)]
    spans: list[tuple[Whole, Whole]]
    parts: list[tuple[Whole, Whole, str]]


class StatesRow(Struct):
    """A row of `states.parquet`, as far as a layer is read by it."""

    unit: str
    reading: str
    layers: list[Layer]
    file: str
    tensor: str
    row: Whole
    failed: bool
    fingerprint: str


class HashNote(Struct):
    """The remembered hash of a file."""

    stamp: list[int]
    sha256: str


class MeasuredLine(Struct):
    """A kept measurement of a data set's file."""

    version: int
    key: tuple[str, int, int, int]
    mode: Literal["quick", "full"]
    frames: Whole | None
    fps: float | None
    problem: str
    picture: str | None


class PaperFields(Struct, forbid_unknown_fields=True):
    """A published number."""

    column: str
    value: float


# Unknown fields are refused: a row is made of these as they are, and a page of it is published.
class RowFields(Struct, forbid_unknown_fields=True):
    """A number of a table of `reproduce`."""

    data: str
    setting: str
    metric: str
    ours: float | None
    low: float | None
    high: float | None
    by_seed: list[float | None]
    paper: list[PaperFields]
    protocol: str
    seeds: list[Whole]
    seconds: float
    section: str
    count: bool


class FigureFields(Struct):
    """A picture of an experiment."""

    name: str
    caption: str


class ExperimentDocument(Struct):
    """The result of an experiment."""

    format: str
    version: int
    experiment: str
    title: str
    command: str
    machine: str
    backbone: str
    data: dict[str, str]
    seconds: float
    date: str
    notes: list[str]
    figures: list[FigureFields]
    rows: list[RowFields]


class DescribedLine(Struct):
    """Descriptions of one video's frames."""

    video: str
    descriptions: list[str]


class ReviewLabelFields(Struct):
    """A label of a review; `Label` checks its kind and its date."""

    video: str
    id: Annotated[str, Meta(pattern="^[a-z0-9]{8,32}$")]
    start_seconds: Seconds
    end_seconds: Seconds
    kind: str
    class_name: str | None
    note: Annotated[str, Meta(max_length=100_000)]
    reviewer: str
    made_at_utc: str
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None


class LabelsDocument(Struct):
    """What `hiprobe labels export` writes."""

    labels: list[ReviewLabelFields]


Positive = Annotated[float, Meta(gt=0, le=1e18)]
# Of a picture, in pixels.
Side = Annotated[int, Meta(ge=1, le=100_000)]


class RateDocument(Struct):
    """How fast a backbone was on a machine, as `hiprobe plan` keeps it."""

    format: Literal["hiprobe-rate"]
    version: Literal[1]
    machine: str
    backbone: str
    measured_at: str
    layer_count: Annotated[int, Meta(ge=1, le=10_000)]
    width: Width
    frame_pixels: Annotated[list[Side], Meta(min_length=2, max_length=2)]
    key_frames: Annotated[int, Meta(ge=1, le=100_000)]
    base_seconds: Annotated[float, Meta(ge=0, le=1e9)]
    layer_seconds: Annotated[float, Meta(ge=0, le=1e9)]
    decoding_factor: Positive
    process_bytes: Whole
    gpu_bytes: Whole
    load: Annotated[float, Meta(ge=0, le=1e6)]
