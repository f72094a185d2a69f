"""What an evaluation found, and the protocol it was taken under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hiprobe.evaluation.metrics import (
    AlarmRate,
    Calibration,
    ClassRow,
    EventScores,
    Interval,
)


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
