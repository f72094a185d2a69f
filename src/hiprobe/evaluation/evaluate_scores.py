"""Evaluates scores against frame-level truth, and trivial scores to compare with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frame_scores import ScoredFrames
from hiprobe.evaluation.metrics import (
    HEADLINES,
    AlarmRate,
    AtAlarmRate,
    Calibration,
    ClassRow,
    EventScores,
    HardNormals,
    Interval,
    PairedDifference,
    Ranking,
    at_alarm_rates,
    binary,
    calibration,
    class_table,
    false_alarms_per_hour,
    gated,
    hard_normals,
    interval,
    match_events,
    mean_and_median,
    metric_draws,
    runs,
    video_weights,
    within_video_auc,
)
from hiprobe.evaluation.truth import Truth

FORMAT = "hiprobe-evaluation"
VERSION = 1

# Metrics of the table and their headings.
TABLE_METRICS = {
    "auc": "ROC-AUC",
    "average_precision": "AP",
    "auc_anomalous": "AUC, anomalous videos",
    "average_precision_anomalous": "AP, anomalous videos",
    "within_video_mean": "AUC within a video, mean",
    "within_video_median": "median",
    "video_auc": "AUC by video",
}

DEFAULT_IOUS = (0.1, 0.3, 0.5)
DEFAULT_RECALLS = (0.5, 0.8)

# After an alarm a person looks for about a minute; a second one in that time adds nothing.
COOLDOWN_SECONDS = 60.0


@dataclass(frozen=True)
class AfterThreshold:
    """Metrics of scores after the threshold, by name of the variant, and of the events.

    Attributes:
        variants: `binary` and `gated` to (ROC-AUC, average precision).
        events: one for each IoU.
    """

    threshold: float
    variants: Mapping[str, tuple[float, float]]
    events: tuple[EventScores, ...]


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one set of scores, and the protocol they were taken under.

    Attributes:
        split, spans, end, source: of the truth; see `Truth`.
        fps: nominal frames a second, for rates per hour.
        anomalous_videos, whole_videos: with an abnormal frame, and abnormal in every frame.
        draws, seed: of the intervals.
        metrics: the names of `HEADLINES` and `within_video_median` to values; NaN where a
            metric is not defined, as without normal frames.
        intervals: the names of `HEADLINES` to 95 % intervals over videos; empty without draws.
        within_videos: how many videos have a within-video AUC.
        calibration: None where scores leave [0, 1].
        after: None without a threshold.
        cooldown_seconds: time after a false alarm in which no other is counted.
        at_rates: what is found at 1 false alarm a day, 1 an hour and 10 an hour.
        hard_normals: the normal videos with the highest scores; None where no video is normal.
        smoothing: what was done to the scores, in words; None where they were taken as given.
    """

    dataset: str
    split: str
    spans: str
    end: str
    source: str
    fps: float
    videos: int
    anomalous_videos: int
    whole_videos: int
    frames: int
    positive_frames: int
    draws: int
    seed: int
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval]
    within_videos: int
    classes: tuple[ClassRow, ...]
    alarms: tuple[AlarmRate, ...]
    calibration: Calibration | None
    after: AfterThreshold | None
    cooldown_seconds: float
    at_rates: tuple[AtAlarmRate, ...]
    hard_normals: HardNormals | None
    smoothing: str | None


def evaluate_frames(
    *,
    frames: ScoredFrames,
    truth: Truth,
    threshold: float | None = None,
    ious: Sequence[float] = DEFAULT_IOUS,
    recalls: Sequence[float] = DEFAULT_RECALLS,
    draws: int = 1000,
    seed: int = 0,
    cooldown_seconds: float = COOLDOWN_SECONDS,
    smoothing: str | None = None,
) -> Evaluation:
    """Take every metric of the scores of frames against a ground truth.

    Args:
        frames: the scores of all videos; `join_frames` joins them, and
            `hiprobe.datasets.score_files` reads them from files.
        truth: which of these frames are abnormal.
        threshold: T for the events and the variants after the threshold; None leaves them out.
        ious: least overlaps of a matched event.
        recalls: recalls of events at which to count false alarms.
        draws: bootstrap draws of videos; 0 leaves the intervals out.
        seed: of the draws.
        cooldown_seconds: time after a false alarm in which no other is counted.
        smoothing: what was done to the scores before, in words, to be printed with the figures.

    Raises:
        EvaluationError: the truth has other frames, or draws or the cool-down is below 0.
    """
    if not np.array_equal(frames.offsets, truth.offsets) or draws < 0:
        raise EvaluationError(
            f"{len(frames.scores)} frames of {frames.video_count} videos for {truth.name} with "
            f"{draws} draws; give the test set's own frames and at least 0 draws"
        )
    spans, within = truth.event_spans(), within_video_auc(frames)
    metrics, intervals = headline_metrics(frames, draws=draws, seed=seed)
    has_events = len(spans) > 0
    # Calibration has a meaning for probabilities only; other scores may have any range.
    probabilities = frames.scores.min() >= 0 and frames.scores.max() <= 1
    return Evaluation(
        dataset=truth.name,
        split=truth.split,
        spans=truth.spans,
        end=truth.end,
        source=truth.source,
        fps=truth.fps,
        videos=frames.video_count,
        anomalous_videos=int(frames.anomalous.sum()),
        whole_videos=int(np.logical_and.reduceat(frames.labels, frames.offsets[:-1]).sum()),
        frames=len(frames.scores),
        positive_frames=int(frames.labels.sum()),
        draws=draws,
        seed=seed,
        metrics={**metrics, "within_video_median": mean_and_median(within)[1]},
        intervals=intervals,
        within_videos=int((~np.isnan(within)).sum()),
        classes=class_table(frames, [v.classes for v in truth.videos]),
        alarms=tuple(
            false_alarms_per_hour(frames, true=spans, recall=r, fps=truth.fps)
            for r in (recalls if has_events else ())
        ),
        calibration=calibration(frames.scores, frames.labels) if probabilities else None,
        after=None if threshold is None else after_threshold(frames, truth, threshold, ious),
        cooldown_seconds=cooldown_seconds,
        at_rates=at_alarm_rates(
            frames, true=spans, fps=truth.fps, cooldown_seconds=cooldown_seconds
        ),
        hard_normals=hard_normals(frames, names=[v.name for v in truth.videos], fps=truth.fps),
        smoothing=smoothing,
    )


def headline_metrics(
    frames: ScoredFrames, *, draws: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[dict[str, float], dict[str, Interval]]:
    """The metrics of `HEADLINES`, and their intervals over videos (none without draws).

    Args:
        draws: bootstrap draws of videos; 0 leaves the intervals out.
        level: of the intervals, between 0 and 1.
    """
    # The first row counts every video once: the metrics of the test set itself.
    weights = np.ones((1, frames.video_count))
    if draws:
        drawn = video_weights(videos=frames.video_count, draws=draws, seed=seed)
        weights = np.concatenate((weights, drawn))
    values = metric_draws(frames, weights)
    metrics = {name: float(values[name][0]) for name in HEADLINES}
    if not draws:
        return metrics, {}
    return metrics, {name: interval(values[name][1:], level=level) for name in HEADLINES}


# In the order of the table.
FLOORS = ("video-label oracle", "oracle x centre prior", "centre prior", "constant")


def floors(truth: Truth) -> dict[str, ScoredFrames]:
    """Four scores that use no picture, by name.

    The oracle is 1 in every frame of an anomalous video and 0 elsewhere: perfect video labels,
    no localisation. The centre prior is a Gaussian bump in the middle of every video.
    """
    frames = ScoredFrames(np.zeros(int(truth.offsets[-1])), truth.labels(), truth.offsets)
    oracle = np.repeat(frames.anomalous.astype(np.float64), np.diff(truth.offsets))
    centre = np.concatenate([centre_prior(v.frames) for v in truth.videos])
    # Published code has multiplied scores by such a bump; what that gains must be known.
    scores = (oracle, oracle * centre, centre, np.full(len(oracle), 0.5))
    return {name: frames.with_scores(s) for name, s in zip(FLOORS, scores, strict=True)}


def floor_metrics(truth: Truth) -> dict[str, dict[str, float]]:
    """Metrics of each floor, by the names that `Evaluation.metrics` has."""
    return {
        name: {
            **headline_metrics(frames, draws=0)[0],
            "within_video_median": mean_and_median(within_video_auc(frames))[1],
        }
        for name, frames in floors(truth).items()
    }


def centre_prior(frames: int) -> NDArray[np.float64]:
    """exp(-x^2 / (2 sigma^2)), float64 `[frames]`, at x in (-1, 1) over the video, sigma 1/2.

    Sigma does not move a ranking metric: only the order of the distances counts.
    """
    place = (2 * np.arange(frames) + 1) / frames - 1
    bump: NDArray[np.float64] = np.exp(-(place**2) / (2 * 0.5**2))
    return bump


def after_threshold(
    frames: ScoredFrames, truth: Truth, threshold: float, ious: Sequence[float] = DEFAULT_IOUS
) -> AfterThreshold:
    """Metrics that depend on the threshold; a frame is detected where its score exceeds it.

    Args:
        ious: least overlaps of a matched event.

    Raises:
        EvaluationError: the threshold is no number.
    """
    if not np.isfinite(threshold):
        raise EvaluationError(f"the threshold is {threshold}; give a number")
    variants = {}
    for name, change in (("binary", binary), ("gated", gated)):
        changed = frames.with_scores(change(frames.scores, threshold=threshold))
        variants[name] = Ranking.of(changed).auc_and_precision()
    found, spans = runs(frames.scores > threshold, frames.offsets), truth.event_spans()
    events = tuple(match_events(detected=found, true=spans, iou=iou) for iou in ious)
    return AfterThreshold(threshold, variants, events)


def evaluation_document(
    evaluation: Evaluation,
    *,
    floors: Mapping[str, Mapping[str, float]] | None = None,
    compared: Sequence[tuple[str, Mapping[str, PairedDifference]]] = (),
) -> dict[str, Any]:
    """An evaluation as a dictionary of JSON values; a metric without a value is None.

    Args:
        floors: metrics of scores that use no picture, by their names.
        compared: name of other scores, and the differences to them by metric. All of them stand
            under `comparisons`; `compared` holds the first alone, as in earlier versions.
    """
    facts = asdict(evaluation)
    facts["floors"] = {name: dict(own) for name, own in (floors or {}).items()}
    differences = [
        {"other": other, "metrics": {name: asdict(one) for name, one in found.items()}}
        for other, found in compared
    ]
    # its readers are older than comparisons with several others
    facts["compared"] = differences[0]["metrics"] if differences else {}
    facts["comparisons"] = differences
    if evaluation.after is not None:
        rates = [
            {"precision": e.precision, "recall": e.recall, "f1": e.f1}
            for e in evaluation.after.events
        ]
        for event, own in zip(facts["after"]["events"], rates, strict=True):
            event.update(own)
    plain: dict[str, Any] = _plain(facts)
    return {"format": FORMAT, "version": VERSION, **plain}


def _plain(value: Any) -> Any:
    # JSON knows no NaN.
    if isinstance(value, dict):
        return {key: _plain(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(own) for own in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
