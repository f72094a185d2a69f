"""From segment scores to events: smoothing, threshold, runs above it (paper, section 3.4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiprobe.errors import UsageError
from hiprobe.overlap import spans_of_windows
from hiprobe.paper import KAPPA, SIGMA_SEGMENTS
from hiprobe.segment import pieces
from hiprobe.timeline import EMA_WEIGHT, Event, SmoothingKind, Timeline

MAX_SIGMA_SEGMENTS = 1e6

# The Gaussian ends after this many sigmas (two segments on either side at the default sigma).
TRUNCATE_SIGMAS = 4.0


@dataclass(frozen=True, kw_only=True)
class Smoothing:
    """How the scores of segments are smoothed over time.

    Attributes:
        kind: "gaussian" looks at both neighbours (paper, section 3.4); "ema", the exponential
            mean, looks back only, so that a live camera can have it; "none" changes nothing.
        sigma_segments: standard deviation of the Gaussian.
        ema_weight: weight of the newest segment in the exponential mean, above 0 and at most 1.

    Raises:
        UsageError: no such kind, or a number is out of its range.
    """

    kind: SmoothingKind = "gaussian"
    sigma_segments: float = SIGMA_SEGMENTS
    ema_weight: float = EMA_WEIGHT

    def __post_init__(self) -> None:
        if self.kind not in get_args(SmoothingKind):
            raise UsageError(f"smoothing is {self.kind!r}; choose gaussian, ema or none")
        _check_sigma(self.sigma_segments)
        if not 0 < self.ema_weight <= 1:
            raise UsageError(
                f"the weight of the newest segment is {self.ema_weight}; give a number above 0 "
                "and at most 1"
            )

    @classmethod
    def of(cls, timeline: Timeline) -> Self:
        """The smoothing that a timeline's scores had."""
        return cls(
            kind=timeline.smoothing,
            sigma_segments=timeline.sigma_segments,
            ema_weight=timeline.ema_weight,
        )

    @property
    def gaussian_segments(self) -> float:
        """Standard deviation of the Gaussian that is used; 0 where there is none."""
        return self.sigma_segments if self.kind == "gaussian" else 0.0

    @property
    def is_causal(self) -> bool:
        """Whether a score depends on what came before it only."""
        return self.gaussian_segments == 0

    @property
    def words(self) -> str:
        """The smoothing as a phrase for reports."""
        if self.kind == "ema":
            return f"exponential mean, weight {self.ema_weight:g} on the newest (causal)"
        if self.gaussian_segments == 0:
            return "none (causal)"
        return f"Gaussian of {self.sigma_segments:g} segments (not causal: it looks ahead)"


def smooth_as(
    scores: ArrayLike,
    smoothing: Smoothing,
    *,
    start_seconds: ArrayLike | None = None,
    end_seconds: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Scores smoothed in the way that is asked for.

    The exponential mean starts at the first score, and again behind a gap; a failed segment (NaN)
    stays NaN and leaves the mean as it is.

    Args:
        scores: `[segments]`, NaN where the backbone gave up.
        start_seconds, end_seconds: `[segments]`; without them all segments touch.

    Raises:
        UsageError: arrays are not `[segments]`.
    """
    times = {"start_seconds": start_seconds, "end_seconds": end_seconds}
    if smoothing.kind != "ema":
        return smooth(scores, sigma_segments=smoothing.gaussian_segments, **times)
    # For the checks only: sigma 0 changes nothing.
    values = smooth(scores, sigma_segments=0, **times)
    whole = start_seconds is None or end_seconds is None
    parts = [slice(None)] if whole else pieces(*times.values())  # type: ignore[arg-type]
    for part in parts:
        values[part] = _exponential_mean(values[part], smoothing.ema_weight)
    return values


def _exponential_mean(values: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    found, mean = np.full(len(values), np.nan), math.nan
    for i, value in enumerate(values.tolist()):
        if math.isfinite(value):
            mean = value if math.isnan(mean) else mean + weight * (value - mean)
            found[i] = mean
    return found


def smooth(
    scores: ArrayLike,
    *,
    sigma_segments: float = SIGMA_SEGMENTS,
    start_seconds: ArrayLike | None = None,
    end_seconds: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Gaussian smoothing over neighbouring segments.

    Edge rule: neighbours that do not exist, before the first, after the last, behind a gap, or
    failed ones (NaN), are left out and the remaining weights are brought back to a sum of 1. A
    failed segment stays NaN. The Gaussian is cut at `TRUNCATE_SIGMAS`; sigma 0 changes nothing.

    Args:
        scores: `[segments]`, NaN where the backbone gave up.
        sigma_segments: standard deviation in segments.
        start_seconds, end_seconds: `[segments]`; without them all segments touch.

    Raises:
        UsageError: sigma is negative or not finite, or arrays are not `[segments]`.
    """
    values = np.array(scores, dtype=np.float64)
    if values.ndim != 1:
        raise UsageError(f"scores have shape {values.shape}, expected [segments]")
    _check_sigma(sigma_segments)
    if start_seconds is None or end_seconds is None:
        return _smooth_piece(values, sigma_segments)
    _check_shapes(start_seconds, end_seconds, values)
    parts = [values[p] for p in pieces(start_seconds, end_seconds)]
    return np.concatenate([_smooth_piece(part, sigma_segments) for part in parts] or [values])


def _check_sigma(sigma_segments: float) -> None:
    if not 0 <= sigma_segments <= MAX_SIGMA_SEGMENTS:
        raise UsageError(
            f"sigma is {sigma_segments} segments; give 0 to {MAX_SIGMA_SEGMENTS:g} (beyond it a "
            "Gaussian is flat over every video)"
        )


def _smooth_piece(values: NDArray[np.float64], sigma_segments: float) -> NDArray[np.float64]:
    """Smoothing of segments without a gap between them."""
    # As scipy's gaussian_filter1d rounds it.
    radius = min(int(TRUNCATE_SIGMAS * sigma_segments + 0.5), len(values))
    if radius == 0:
        return values
    kernel = np.exp(-0.5 * np.square(np.arange(-radius, radius + 1) / sigma_segments))
    valid = np.isfinite(values)
    # The weights that fell on segments which are there: dividing by them is the edge rule.
    weight = _spread(valid.astype(np.float64), kernel)
    total = _spread(np.where(valid, values, 0.0), kernel)
    return np.where(valid, total / np.where(valid, weight, 1.0), np.nan)


def adaptive_threshold(few_shot_scores: ArrayLike, *, kappa: float = KAPPA) -> float:
    """T = mu + kappa sigma of the few-shot scores (paper, eq. 10), sigma of the population.

    NaN scores are left out. T is not clipped: it may lie above 1 for a large kappa.

    Raises:
        UsageError: no score is left, or kappa is not finite.
    """
    values = np.asarray(few_shot_scores, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not values.size or not math.isfinite(kappa):
        raise UsageError(
            f"no threshold from {values.size} finite scores and kappa {kappa}; "
            "give scores of labelled clips and a finite kappa"
        )
    return float(values.mean() + kappa * values.std())


def out_of_reach(threshold: float) -> str | None:
    """What is wrong with a threshold that separates no scores; None where nothing is.

    Scores are probabilities, 0 to 1, and an event lies strictly above the threshold.
    """
    if not threshold < 1:
        return "scores go from 0 to 1, so none can lie above it"
    return "scores go from 0 to 1, so all of them lie above it" if threshold < 0 else None


def check_threshold(threshold: float, *, named: str = "the threshold is") -> None:
    """Refuse a threshold that no score, or every score, lies above.

    Args:
        named: how the message begins, before the value.

    Raises:
        UsageError: it is not within `[0, 1)`.
    """
    wrong = out_of_reach(threshold)
    if wrong is not None:
        raise UsageError(f"{named} {threshold:g}; {wrong}: choose 0 or more and less than 1")


def find_events(
    start_seconds: ArrayLike,
    end_seconds: ArrayLike,
    smoothed: ArrayLike,
    threshold: float,
) -> tuple[Event, ...]:
    """Runs of consecutive segments strictly above the threshold, in order of time.

    A failed segment (NaN) is above nothing, so it ends an event, and so does a gap. The time of
    the peak is the middle of its segment, the earliest of equals.

    Args:
        start_seconds, end_seconds, smoothed: `[segments]`.
        threshold: T, on the smoothed score.

    Raises:
        UsageError: shapes differ, or the threshold is NaN.
    """
    start, end, score = (
        np.asarray(a, dtype=np.float64) for a in (start_seconds, end_seconds, smoothed)
    )
    _check_shapes(start, end, score)
    if math.isnan(threshold):
        raise UsageError("the threshold is NaN; give a number between 0 and 1")
    # Strictly: where all few-shot scores are equal T is that very score, and a video without any
    # sign of an event would be one event.
    above = np.greater(score, threshold)
    runs = [run for piece in pieces(start, end) for run in _runs(above, piece)]
    return tuple(_event(first, stop, start, end, score) for first, stop in runs)


def scored_timeline(
    start_seconds: ArrayLike,
    end_seconds: ArrayLike,
    scores: ArrayLike,
    *,
    smoothing: Smoothing,
    threshold: float,
    reused: NDArray[np.bool_] | None = None,
) -> Timeline:
    """From scores of segments, or of windows that overlap, to smoothed scores and events.

    Windows become spans first (`hiprobe.overlap`), by the mean where the smoothing looks ahead, so
    that a causal smoothing stays causal.

    Args:
        start_seconds, end_seconds, scores: `[segments]`, NaN where the backbone gave up.
        threshold: T, on the smoothed score.
        reused: `[segments]`, which were still and not read. A span of windows that overlap is
            reused where all windows that give its score were.

    Raises:
        UsageError: as `smooth_as` and `find_events`.
    """
    spans = spans_of_windows(start_seconds, end_seconds, scores, is_causal=smoothing.is_causal)
    start, end = spans.start_seconds, spans.end_seconds
    smoothed = smooth_as(spans.scores, smoothing, start_seconds=start, end_seconds=end)
    # Flags go the way of the scores: a span's flag is 1 where all windows behind its score have it.
    still = np.zeros(len(spans.scores))
    if reused is not None:
        looks_back = smoothing.is_causal
        still = spans_of_windows(start_seconds, end_seconds, reused, is_causal=looks_back).scores
    return Timeline(
        start_seconds=start,
        end_seconds=end,
        scores=spans.scores,
        smoothed=smoothed,
        threshold=threshold,
        sigma_segments=smoothing.gaussian_segments,
        smoothing=smoothing.kind,
        ema_weight=smoothing.ema_weight,
        overlap=spans.overlap,
        reused_segments=tuple(np.flatnonzero(still == 1).tolist()),
        events=find_events(start, end, smoothed, threshold),
    )


def _runs(above: NDArray[np.bool_], piece: slice) -> list[tuple[int, int]]:
    """Half-open runs of True within a piece."""
    padded = np.concatenate([[False], above[piece], [False]])
    # Ends come in pairs, since both sides are padded with False.
    edges = np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2) + piece.start
    return [(int(first), int(stop)) for first, stop in edges]


def _check_shapes(start: ArrayLike, end: ArrayLike, scores: ArrayLike) -> None:
    shapes = [np.shape(a) for a in (start, end, scores)]
    if len(set(shapes)) != 1 or len(shapes[0]) != 1:
        raise UsageError(f"starts {shapes[0]}, ends {shapes[1]}, scores {shapes[2]} differ")


def _event(first: int, stop: int, start: Any, end: Any, score: Any) -> Event:
    peak = first + int(np.argmax(score[first:stop]))
    return Event(
        start_seconds=float(start[first]),
        end_seconds=float(end[stop - 1]),
        first_segment=first,
        end_segment=stop,
        peak=float(score[peak]),
        mean=float(score[first:stop].mean()),
        peak_seconds=float((start[peak] + end[peak]) / 2),
    )


def _spread(values: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    radius = len(kernel) // 2
    # not mode "same", which gives as many values as the longer of the two has: the kernel may be it
    return np.convolve(values, kernel, mode="full")[radius : len(values) + radius]
