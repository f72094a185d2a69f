"""Whether calibrated thresholds keep their promise, on anyone's scores of UCF-Crime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.calibration import block_maxima, conformal_threshold, unit_threshold
from hiprobe.datasets.ground_truth import load_truth
from hiprobe.datasets.score_files import RawScores, read_raw, video_finder
from hiprobe.errors import EvaluationError, UsageError
from hiprobe.evaluation.truth import Truth
from hiprobe.localize import Smoothing
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.experiment_result import Findings, ResultRow

_Floats = NDArray[np.float64]

SPLITS = 500
BLOCK_SECONDS = 60.0
RATES_PER_HOUR = (0.5, 1.0, 2.0, 4.0)
SMOOTHING = Smoothing(kind="ema")
# The only packaged test set with hours of normal video.
TRUTH = "ucf-crime"

PROTOCOL = (
    f"{SMOOTHING.words}; blocks of {BLOCK_SECONDS:g} s; the normal videos split in halves "
    f"{SPLITS} times, one half to calibrate, the other to count; every event of the abnormal videos"
)
NOTE = (
    "A percentile above the promise is no fault of a promise on average, which says nothing about "
    "a single camera; one with a confidence does. Blocks of one video are alike, so fewer "
    "independent blocks stand behind a promise by block than it counts."
)

# Block maxima of each normal video.
Units = Sequence[_Floats]

# Normal videos and alarms an hour to a threshold; None where the videos are too few.
Calibrate = Callable[[Units, float], float | None]


@dataclass(frozen=True)
class CausalScores:
    """What a file of scores says about normal videos and events, smoothed causally.

    Attributes:
        normal: block maxima of each normal video.
        events: float64 `[events]`, highest score within each.
    """

    normal: tuple[_Floats, ...]
    events: _Floats


@dataclass(frozen=True)
class SplitRates:
    """Alarms an hour in the half not seen, and share of events found.

    float64 `[splits with a threshold]` each.
    """

    per_hour: _Floats
    found: _Floats


def run(bench: Bench) -> Findings:
    """Each file of scores among the data: promised and seen, by block and by video.

    Raises:
        UsageError: a data set is a folder, or covers other videos than the test set.
        EvaluationError: a file cannot be read as scores.
    """
    rows: list[ResultRow] = []
    words: dict[str, str] = {}
    for data in bench.request.data:
        scores = read_causal(data.path)
        hours = sum(len(blocks) for blocks in scores.normal) * BLOCK_SECONDS / 3600
        words[data.name] = (
            f"scores of {TRUTH}: {len(scores.normal)} normal videos ({hours:.1f} hours), "
            f"{len(scores.events)} events"
        )
        for name, calibrate in CALIBRATIONS.items():
            bench.say(f"{data.name}: {name}")
            for rate in RATES_PER_HOUR:
                rows += _rows(data.name, name, rate, split_rates(scores, calibrate, rate))
    return Findings(rows=tuple(rows), notes=(NOTE,), data=words)


def read_causal(path: Path) -> CausalScores:
    """A file of scores as `hiprobe evaluate` takes it, with one for each segment.

    Raises:
        UsageError: it covers other videos than the test set, or its scores have no times.
        EvaluationError: it cannot be read as scores.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give --data a file of scores of {TRUTH}")
    truth = load_truth(TRUTH)
    find, raw = video_finder(truth), {}
    for name, scores in read_raw(path).items():
        video = find(name)
        if video is None or video.name in raw:
            raise EvaluationError(f"{path}: video {name!r} is not of {TRUTH}, or comes twice")
        raw[video.name] = scores.smoothed(SMOOTHING)
    missing = [v.name for v in truth.videos if v.name not in raw]
    if missing:
        raise UsageError(f"{path} lacks {len(missing)} videos of {TRUTH}, such as {missing[0]}")
    return _causal(truth, raw)


def _causal(truth: Truth, raw: dict[str, RawScores]) -> CausalScores:
    normal, events = [], []
    for video in truth.videos:
        one = raw[video.name]
        if one.starts is None or one.ends is None:
            raise UsageError(f"{video.name}: give scores of segments, with start and end")
        rate = 1.0 if one.in_seconds else truth.fps
        start, end = one.starts / rate, one.ends / rate
        if not video.spans:
            normal.append(block_maxima(start, end, one.scores, block_seconds=BLOCK_SECONDS))
        for first, stop in video.half_open(truth.end) / truth.fps:
            inside = one.scores[(end > first) & (start < stop)]
            # An event that no score reaches is below every threshold.
            events.append(np.nanmax(inside, initial=-np.inf))
    return CausalScores(tuple(normal), np.array(events))


def by_block(units: Units, per_hour: float, *, confidence: float | None) -> float | None:
    """A threshold from the blocks of all videos together.

    Args:
        per_hour: false alarms an hour to promise.
        confidence: that they are not exceeded; None promises the mean.
    """
    found = conformal_threshold(
        np.concatenate(units), per_hour=per_hour, block_seconds=BLOCK_SECONDS, confidence=confidence
    )
    return found.threshold if found.is_kept else None


CALIBRATIONS: dict[str, Calibrate] = {
    "by block, on average": partial(by_block, confidence=None),
    "by block, at 95 %": partial(by_block, confidence=0.95),
    "by video, on average": lambda units, rate: unit_threshold(
        units, per_hour=rate, block_seconds=BLOCK_SECONDS
    ),
}


def split_rates(
    scores: CausalScores, calibrate: Calibrate, per_hour: float, *, splits: int = SPLITS
) -> SplitRates:
    """Calibrate on one half of the normal videos and count in the other, once for each seed.

    Args:
        calibrate: gives a threshold from half of the normal videos.
        per_hour: false alarms an hour to promise.
        splits: seeds, each of which draws the halves.
    """
    rates, found = [], []
    for seed in range(splits):
        # Whole videos go to one half or the other: blocks of one video are alike.
        order = np.random.default_rng(seed).permutation(len(scores.normal))
        seen, new = ([scores.normal[i] for i in part] for part in np.array_split(order, 2))
        threshold = calibrate(seen, per_hour)
        if threshold is not None:
            rates.append(float((np.concatenate(new) > threshold).mean()) * 3600 / BLOCK_SECONDS)
            found.append(float((scores.events > threshold).mean()))
    return SplitRates(np.array(rates), np.array(found))


def _rows(data: str, unit: str, promised: float, found: SplitRates) -> list[ResultRow]:
    seen = found.per_hour
    nothing = float("nan")
    values = {
        "alarms an hour, mean": seen.mean() if len(seen) else nothing,
        "95th percentile": np.percentile(seen, 95) if len(seen) else nothing,
        "splits at or below": (seen <= promised).mean() if len(seen) else nothing,
        "splits with footage enough": len(seen) / SPLITS,
        "events found": found.found.mean() if len(seen) else nothing,
    }
    setting = f"{unit}, {promised:g} an hour promised"
    return [
        ResultRow(data=data, setting=setting, metric=metric, ours=float(value), protocol=PROTOCOL)
        for metric, value in values.items()
    ]
