"""Alarms as a person on duty gets them: how many an hour, how soon, in which normal videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frame_scores import ScoredFrames
from hiprobe.evaluation.metrics.event_metrics import Spans
from hiprobe.evaluation.metrics.ranking import Ranking

# Rates at which recall is reported, in false alarms an hour.
ALARM_RATES = {"1/day": 1 / 24, "1/hour": 1.0, "10/hour": 10.0}

DELAYS_SECONDS = (1.0, 5.0, 10.0)

# The hardest fifth of the normal videos.
HARD_SHARE = 0.2

# Videos that a report lists.
LISTED = 10


@dataclass(frozen=True)
class AtAlarmRate:
    """What is found at the lowest threshold that keeps to a rate of false alarms.

    Attributes:
        rate: how it was asked for, such as "1/day"; `allowed_per_hour` is the same in numbers.
        threshold: alarms are scores above it.
        normal_hours: of the normal videos; of all normal frames where no video is normal.
        false_alarms, per_hour: in these hours, with the cool-down.
        event_recall: share of the events with a frame above the threshold.
        video_recall: share of the abnormal videos with such a frame in one of their events.
        delay_seconds: median over the events found, from the first abnormal frame to the first
            one above the threshold; NaN where none is found.
        found_within: share of all events found within each of `DELAYS_SECONDS`.
    """

    rate: str
    allowed_per_hour: float
    threshold: float
    normal_hours: float
    false_alarms: int
    per_hour: float
    event_recall: float
    video_recall: float
    delay_seconds: float
    found_within: tuple[float, ...]


@dataclass(frozen=True)
class HardNormal:
    """A normal video with a high score, and where in it that lies."""

    video: str
    highest: float
    at_seconds: float


@dataclass(frozen=True)
class HardNormals:
    """The normal videos that look most abnormal.

    Attributes:
        listed: at most `LISTED`, hardest first.
        videos: how many videos are the hardest fifth.
        auc: ROC-AUC of the frames of the abnormal videos and of that fifth.
    """

    listed: tuple[HardNormal, ...]
    videos: int
    auc: float


def alarm_frames(
    above: NDArray[np.bool_], offsets: NDArray[np.int64], *, cooldown_frames: int
) -> NDArray[np.int64]:
    """Frames that raise an alarm: the first above the threshold, and the next after the cool-down.

    Each video starts without an alarm before it. No choice of frames above the threshold that lie a
    cool-down apart holds more of them, so the count never falls when the threshold does.

    Args:
        above: bool `[frames]`.
        offsets: int64 `[videos + 1]`, as in `ScoredFrames`.
        cooldown_frames: frames after an alarm without another, its own counted.
    """
    marked = np.flatnonzero(above)
    ends = offsets[np.searchsorted(offsets, marked, side="right")]
    # One step an alarm, not one a frame: scores of a whole test set have millions of frames.
    found, at = [], 0
    while at < len(marked):
        frame = int(marked[at])
        found.append(frame)
        silent_until = min(frame + max(cooldown_frames, 1), int(ends[at]))
        at = int(np.searchsorted(marked, silent_until, side="left"))
    return np.array(found, dtype=np.int64)


def at_alarm_rates(
    frames: ScoredFrames, *, true: Spans, fps: float, cooldown_seconds: float
) -> tuple[AtAlarmRate, ...]:
    """Recall and delay at each of `ALARM_RATES`; none without normal frames.

    False alarms are counted in the normal videos, which stand for a camera on which nothing
    happens: a score that is up a second before or after an event disturbs nobody. Where no video
    is normal, all normal frames count.

    Args:
        true: the events, int64 `[spans, 2]`, in frames of the joined test set.
        fps: frames a second.
        cooldown_seconds: time after a false alarm in which no other is counted.

    Raises:
        EvaluationError: the cool-down is below 0.
    """
    if not 0 <= cooldown_seconds < np.inf:
        raise EvaluationError(f"the cool-down is {cooldown_seconds} s; give 0 or more")
    counted = ~frames.anomalous[frames.video_index]
    if not counted.any():
        counted = ~frames.labels
    normal = frames.scores[counted]
    if not len(normal):
        return ()
    hours, cooldown = len(normal) / fps / 3600, round(min(cooldown_seconds * fps, 2.0**53))
    # Between two scores of normal frames no threshold changes the count, so these are enough.
    levels = np.unique(normal)

    def count(threshold: float) -> int:
        above = (frames.scores > threshold) & counted
        return len(alarm_frames(above, frames.offsets, cooldown_frames=cooldown))

    found = []
    for name, allowed in ALARM_RATES.items():
        threshold = _lowest(levels, count, most=int(allowed * hours + 1e-9))
        alarms = count(threshold)
        found.append(
            AtAlarmRate(
                name,
                allowed,
                threshold,
                hours,
                alarms,
                alarms / hours,
                *_found(frames, true, threshold, fps),
            )
        )
    return tuple(found)


def hard_normals(frames: ScoredFrames, *, names: Sequence[str], fps: float) -> HardNormals | None:
    """The normal videos with the highest scores; None where no video is normal.

    Args:
        names: `[videos]`.
    """
    normal = np.flatnonzero(~frames.anomalous)
    if not len(normal):
        return None
    peaks = np.maximum.reduceat(frames.scores, frames.offsets[:-1])
    order = normal[np.argsort(-peaks[normal], kind="stable")]
    keep = frames.anomalous.copy()
    hardest = order[: max(1, round(HARD_SHARE * len(order)))]
    keep[hardest] = True
    auc = Ranking.of(frames.of_videos(keep)).auc_and_precision()[0]
    listed = []
    for video in order[:LISTED]:
        own = frames.scores[frames.offsets[video] : frames.offsets[video + 1]]
        listed.append(HardNormal(names[video], float(own.max()), float(own.argmax() / fps)))
    return HardNormals(tuple(listed), len(hardest), auc)


def _lowest(levels: NDArray[np.float64], count: Callable[[float], int], *, most: int) -> float:
    """The lowest level with few enough alarms; none lies above the highest level."""
    low, high = 0, len(levels) - 1
    while low < high:
        # Bisection works since the count never falls when the threshold does, see `alarm_frames`.
        middle = (low + high) // 2
        if count(float(levels[middle])) <= most:
            high = middle
        else:
            low = middle + 1
    return float(levels[high])


def _found(
    frames: ScoredFrames, true: Spans, threshold: float, fps: float
) -> tuple[float, float, float, tuple[float, ...]]:
    """Recall of events and of videos, the median delay, and the shares found in time."""
    if not len(true):
        return np.nan, np.nan, np.nan, tuple(np.nan for _ in DELAYS_SECONDS)
    above = frames.scores > threshold
    delays = np.full(len(true), np.inf)
    for i, (start, end) in enumerate(true):
        if above[start:end].any():
            delays[i] = np.argmax(above[start:end]) / fps
    hit = np.isfinite(delays)
    owners = np.searchsorted(frames.offsets, true[:, 0], side="right") - 1
    videos = len(np.unique(owners[hit])) / len(np.unique(owners))
    median = float(np.median(delays[hit])) if hit.any() else np.nan
    return (
        float(hit.mean()),
        videos,
        median,
        tuple(float((delays <= limit).mean()) for limit in DELAYS_SECONDS),
    )
