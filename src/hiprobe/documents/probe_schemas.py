"""What the files of a probe's folder must hold: `probe.json`, its examples, its calibration."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from hiprobe.documents.schemas import (
    FingerprintFields,
    Label,
    Layer,
    Name,
    Number,
    Share,
    SmoothingName,
    Whole,
    Width,
)
from hiprobe.states import Reading

Mode = Literal["clip", "segment_mean", "segment", "mil"]


# Unknown fields are refused here, since all of them are passed on to `Probe` as they are.
class ProbeSettings(Struct, forbid_unknown_fields=True):
    """The settings of a `Probe`."""

    layer: Annotated[int, Meta(ge=1, le=10_000)] | Name = "dlsp"
    scorer: Name = "logistic"
    c: Number | None = None
    penalty: Literal["l2", "none"] = "l2"
    balance: Literal["weights", "resample", "none"] = "weights"
    mode: Mode | Literal["auto"] = "auto"
    standardise: bool = True
    reading: Reading | None = None
    bins: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    kappa: Number = 0.0
    sigma_segments: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    smoothing: SmoothingName = "gaussian"
    ema_weight: Share = 0.25
    threshold: Number | None = None
    threshold_scores: Literal["cross_validated", "training"] = "cross_validated"
    folds: Annotated[int, Meta(ge=2, le=1_000_000)] = 2
    seed: Whole = 0
    draws: Annotated[int, Meta(ge=1, le=10_000)] = 1
    recipe: Literal["paper", "committee"] = "paper"
    members: Annotated[list[tuple[Reading, Layer, Width]], Meta(max_length=10_000)] = field(
        default_factory=list
    )


# No refusal of unknown fields: those that are read are picked out by name, so one that a later
# version adds does no harm.
class ScorerFields(Struct):
    """What of a fitted scorer is no array."""

    kind: Literal["linear", "distance", "classifier"]
    slope: Number
    bias: Number
    convergence: ConvergenceFields | None = None
    name: Name | None = None


class ConvergenceFields(Struct, forbid_unknown_fields=True):
    """How a minimisation ended."""

    iterations: Whole
    converged: bool
    minimum_exists: bool


class MemberFields(Struct, forbid_unknown_fields=True):
    """What a member of a committee brought to the fit."""

    reading: Reading
    layer: Layer
    auc: Number | None
    weight: Number


class ThresholdFields(Struct, forbid_unknown_fields=True):
    """What a threshold means on the clips."""

    threshold: Number
    basis: Literal["cross_validated", "training", "given"]
    measured_on: Literal["cross_validated", "training", "given"]
    found: Whole
    anomalous: Whole
    flagged: Whole
    normal: Whole


class ViewFields(Struct, forbid_unknown_fields=True):
    """A prompt and reading that was compared."""

    prompt: str
    reading: Reading
    cv_auc: Number | None
    folds: Whole
    chosen: bool


class ClipFields(Struct):
    """A clip of a fit."""

    name: str
    label: Label
    source: str


class ProbeDocument(Struct):
    """`probe.json`."""

    settings: ProbeSettings
    fingerprint: FingerprintFields
    reading: Reading
    layer_count: Layer
    width: Width
    layer: Layer
    mode: Mode
    mode_auc: dict[Mode, Number | None]
    cv_auc: Number | None
    fold_layers: list[Layer]
    fold_modes: list[Mode]
    views: list[ViewFields]
    scorer: ScorerFields
    threshold: Number
    threshold_summary: ThresholdFields
    layers: list[Layer]
    has_saliency: bool
    clips: list[ClipFields]
    warnings: list[str]
    tensors_sha256: str
    examples_sha256: str | None
    members: list[MemberFields] = field(default_factory=list)
    draw_aucs: list[Number | None] = field(default_factory=list)
    # two, since a probe knows normal and abnormal; older folders have none and mean 0 and 1
    classes: Annotated[list[bool | Number], Meta(min_length=2, max_length=2)] = field(
        default_factory=lambda: [0, 1]
    )


class ExampleFields(ClipFields):
    """A clip whose states are kept; how many rows of each kind are its own."""

    class_name: str
    clip: Whole | None
    segments: Whole | None


class ExamplesNotes(Struct):
    """The note in `examples.safetensors`."""

    fingerprint: FingerprintFields
    reading: Reading
    layers: list[Layer]
    layer_count: Layer
    clips: list[ExampleFields]


class FailureFields(Struct):
    """A file that could not be used."""

    video: str
    reason: str


class ReadingDocument(Struct):
    """`reading.json`."""

    format: str
    version: int
    backbone: str
    segment_seconds: Annotated[float, Meta(gt=0, le=1e9)] | None
    # msgspec copies an empty list for each document
    failures: list[FailureFields] = []


class PromiseFields(Struct, forbid_unknown_fields=True):
    """A threshold, and what normal footage promises of it."""

    asked_per_hour: Annotated[float, Meta(gt=0, le=1e9)]
    promised_per_hour: Annotated[float, Meta(gt=0, le=1e9)]
    confidence: Annotated[float, Meta(gt=0, lt=1)] | None
    threshold: Number
    rank: Annotated[int, Meta(ge=1, le=2**53)]
    blocks: Annotated[int, Meta(ge=1, le=2**53)]
    block_seconds: Annotated[float, Meta(gt=0, le=1e9)]
    needed_hours: Annotated[float, Meta(ge=0, le=1e12)]


# as in `ProbeSettings`: all fields are passed on as they are
class CameraFields(Struct, forbid_unknown_fields=True):
    """A camera's calibration."""

    promise: PromiseFields
    maxima: list[Number]
    ema_weight: Share
    segment_seconds: Annotated[float, Meta(gt=0, le=1e9)] | None
    segment_frames: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    hop_seconds: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    skip_still: bool = False
    # A key of the cache or a file of states; nothing else may be opened by what a probe's folder
    # says.
    footage: list[Annotated[str, Meta(pattern=r"^([0-9a-f]{40}|.+\.safetensors)$")]] = []


class CalibrationDocument(Struct):
    """`calibration.json` of a probe folder."""

    format: str
    version: Whole
    probe_sha256: str
    cameras: dict[Name, CameraFields]
