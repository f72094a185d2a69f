"""Thresholds with a promise: at most so many false alarms an hour, from normal footage.

Normal footage is cut into blocks as long as the cool-down of an alarm, so a block alarms once at
most. Where the blocks to come are exchangeable with the n that were seen, the next one lies above
the k-th largest maximum of the n with a chance of at most k / (n + 1) (Vovk, Gammerman and Shafer
2005, split conformal prediction).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiprobe.errors import UsageError
from hiprobe.localize import Smoothing
from hiprobe.segment import without_gaps
from hiprobe.timeline import Timeline

_Floats = NDArray[np.float64]

# Exponents of the power martingale; their mean is a martingale too.
BETS = np.linspace(0.1, 0.9, 9)


def block_maxima(
    start_seconds: ArrayLike, end_seconds: ArrayLike, scores: ArrayLike, *, block_seconds: float
) -> _Floats:
    """Highest score of each block, float64 `[blocks]`; NaN where a block has no score.

    The clock stands still in gaps. A last part of less than half a block joins the block before
    it; footage shorter than a block is one block.

    Args:
        start_seconds, end_seconds, scores: `[segments]` of one recording, in order of time.
        block_seconds: the cool-down of an alarm.

    Raises:
        UsageError: the block is not longer than 0, or shapes differ.
    """
    values = np.asarray(scores, dtype=np.float64)
    owner = _owners(start_seconds, end_seconds, block_seconds)
    if owner.shape != values.shape:
        raise UsageError(f"{len(owner)} segments, scores {values.shape} differ")
    return _highest(owner, values)


def _owners(
    start_seconds: ArrayLike, end_seconds: ArrayLike, block_seconds: float
) -> NDArray[np.int64]:
    """Number of each segment's block, ascending; the last block is never empty."""
    if not 0 < block_seconds < math.inf:
        raise UsageError(f"a block of {block_seconds} s; give a cool-down above 0 seconds")
    start, end = without_gaps(start_seconds, end_seconds)
    if start.shape != end.shape or start.ndim != 1:
        raise UsageError(f"{len(start)} starts, {len(end)} ends differ")
    if not len(start):
        return np.zeros(0, np.int64)
    blocks = max(1, round(float(end[-1] - start[0]) / block_seconds))
    # A segment that ends in the next block raises its alarm there: a score is known at its end.
    known = np.nextafter(end - start[0], -np.inf)
    owner: NDArray[np.int64] = np.minimum((known / block_seconds).astype(np.int64), blocks - 1)
    return owner


def _highest(owner: NDArray[np.int64], values: _Floats) -> _Floats:
    """Highest score of each block, NaN where it has none."""
    # not NaN to begin with, which `maximum` would keep
    found = np.full(owner.max(initial=-1) + 1, -np.inf)
    np.maximum.at(found, owner, np.where(np.isnan(values), -np.inf, values))
    return np.where(np.isneginf(found), np.nan, found)


@dataclass(frozen=True)
class FootageBlocks:
    """Blocks of a camera's footage.

    Attributes:
        maxima: float64 `[blocks]`, highest causal score of each; NaN where it has none.
        hours: float64 `[blocks]`, hour of the day at which each begins, 0..24; NaN where the
            recording does not say when it was made.
    """

    maxima: _Floats
    hours: _Floats

    def during(self, part: DayPart) -> _Floats:
        """Maxima of the blocks that begin in a part of the day."""
        inside = (self.hours - part.from_hour) % 24 < (part.to_hour - part.from_hour) % 24
        found: _Floats = self.maxima[inside & np.isfinite(self.maxima)]
        return found

    @property
    def unknown(self) -> int:
        """Blocks with a score whose clock is not known."""
        return int((np.isnan(self.hours) & np.isfinite(self.maxima)).sum())


@dataclass(frozen=True)
class DayPart:
    """Hours of the day, half-open; from a later hour to an earlier one is over midnight."""

    from_hour: float
    to_hour: float

    def __post_init__(self) -> None:
        if not (0 <= self.from_hour < 24 and 0 <= self.to_hour < 24):
            raise UsageError(f"hours {self.from_hour} to {self.to_hour}; give 0 up to 24")
        if self.from_hour == self.to_hour:
            raise UsageError(f"the day from {self.from_hour} to {self.to_hour} is empty")

    @property
    def rest(self) -> DayPart:
        """The other hours."""
        return DayPart(self.to_hour, self.from_hour)


def footage_blocks(
    timelines: Sequence[Timeline],
    *,
    block_seconds: float,
    recorded: Sequence[datetime | None] | None = None,
) -> FootageBlocks:
    """Blocks of recordings one after the other, on their smoothed scores, as `block_maxima`.

    The clock runs on from one recording to the next, so that many short files count with their
    own length and not with a block each.

    Args:
        timelines: in order of time; their smoothing must be causal.
        recorded: when each begins; without a time zone, or with one, the hours are the local
            hours of that moment as given.

    Raises:
        UsageError: a timeline's smoothing looks ahead, or as `block_maxima`.
    """
    starts, ends, hours, clock = [], [], [], 0.0
    moments = recorded if recorded is not None else [None] * len(timelines)
    for timeline, moment in zip(timelines, moments, strict=True):
        if not Smoothing.of(timeline).is_causal:
            raise UsageError(
                "the scores were smoothed by a Gaussian, which looks ahead; detect with "
                "smoothing ema, as a live camera will have it"
            )
        start, end = without_gaps(timeline.start_seconds, timeline.end_seconds)
        shift = clock - float(start[0]) if len(start) else 0.0
        starts.append(start + shift)
        ends.append(end + shift)
        clock = float(ends[-1][-1]) if len(end) else clock
        hours.append(_hours(timeline.start_seconds, moment))
    scores = [timeline.smoothed for timeline in timelines]
    parts = (np.concatenate([np.zeros(0), *own]) for own in (starts, ends, scores, hours))
    start, end, score, hour = parts
    owner = _owners(start, end, block_seconds)
    maxima = _highest(owner, score)
    # A segment longer than a block leaves some blocks without one: they begin within the next.
    first = np.searchsorted(owner, np.arange(len(maxima)))
    return FootageBlocks(maxima, hour[first])


def _hours(start_seconds: _Floats, moment: datetime | None) -> _Floats:
    """Hour of the day at which each segment begins."""
    if moment is None:
        return np.full(len(start_seconds), np.nan)
    first = moment.hour + moment.minute / 60 + moment.second / 3600
    return (first + np.asarray(start_seconds, dtype=np.float64) / 3600) % 24


@dataclass(frozen=True, kw_only=True)
class AlarmPromise:
    """A threshold, and what can be promised of it.

    Attributes:
        asked_per_hour: false alarms an hour that were asked for.
        promised_per_hour: what the footage can promise; above what was asked where it is short.
        confidence: None where the rate holds on average over draws of the footage; otherwise the
            share of such draws in which it holds for all time to come.
        threshold: alarms are causal scores above it.
        rank: the threshold is the block maximum of this rank, 1 for the largest.
        blocks, block_seconds: of the footage seen.
        needed_hours: footage that the asked rate takes.
    """

    asked_per_hour: float
    promised_per_hour: float
    confidence: float | None
    threshold: float
    rank: int
    blocks: int
    block_seconds: float
    needed_hours: float

    @property
    def hours(self) -> float:
        """Hours of footage seen."""
        return self.blocks * self.block_seconds / 3600

    @property
    def is_kept(self) -> bool:
        """Whether the footage is enough for what was asked."""
        return self.promised_per_hour <= self.asked_per_hour

    @property
    def text(self) -> str:
        """What is promised, in words."""
        sure = "on average" if self.confidence is None else f"at {self.confidence:.0%}"
        if self.is_kept:
            return (
                f"{self.hours:.2g} hours of footage promise at most {self.asked_per_hour:.3g} "
                f"alarms an hour {sure}, as long as what comes is like what was seen"
            )
        return (
            f"{self.hours:.2g} hours of footage certify no less than "
            f"{self.promised_per_hour:.2g} alarms an hour {sure}; for "
            f"{self.asked_per_hour:.3g} an hour bring {math.ceil(self.needed_hours)} hours"
        )


def conformal_threshold(
    maxima: ArrayLike, *, per_hour: float, block_seconds: float, confidence: float | None = None
) -> AlarmPromise:
    """The lowest threshold that keeps to a rate of false alarms, or the best the footage gives.

    Without a confidence, k is the largest rank with k / (n + 1) at most the chance of an alarm in
    a block. With one, the chance above the k-th largest of n, whose distribution is
    Beta(k, n + 1 - k) for continuous scores, must be that small with this probability.

    Args:
        maxima: `[blocks]`, highest causal score of each block of normal footage; NaN is left out.
        per_hour: false alarms an hour, above 0.
        confidence: above 0 and below 1.

    Raises:
        UsageError: no block has a score, or a number is out of range.
    """
    values = np.sort(np.asarray(maxima, dtype=np.float64))[::-1]
    values = values[np.isfinite(values)]
    if not len(values):
        raise UsageError("no block of the footage has a score; give longer normal footage")
    chance = per_hour * block_seconds / 3600
    if not 0 < chance < 1:
        raise UsageError(
            f"{per_hour:g} alarms an hour with a cool-down of {block_seconds:g} s; give a rate "
            f"above 0 and below {3600 / block_seconds:g} an hour"
        )
    if confidence is not None and not 0 < confidence < 1:
        raise UsageError(f"confidence is {confidence}; give a number above 0 and below 1")
    n = len(values)
    rank = _largest_rank(n, chance, confidence)
    if confidence is None:
        # rank 1 promises 1 / (n + 1), so that is the least; solved for n it is what is needed
        least, needed = 1 / (n + 1), 1 / chance - 1
    else:
        # the chance above the largest of n is Beta(1, n); the same two, of its quantile
        least = 1 - (1 - confidence) ** (1 / n)
        needed = math.log(1 - confidence) / math.log1p(-chance)
    return AlarmPromise(
        asked_per_hour=per_hour,
        promised_per_hour=per_hour if rank else least * 3600 / block_seconds,
        confidence=confidence,
        threshold=float(values[max(rank, 1) - 1]),
        rank=max(rank, 1),
        blocks=n,
        block_seconds=block_seconds,
        needed_hours=needed * block_seconds / 3600,
    )


def _largest_rank(n: int, chance: float, confidence: float | None) -> int:
    """The largest rank that keeps the promise, 0 where not even the highest block does."""
    if confidence is None:
        # 1e-9: rounding may put a product that is whole just below its number
        return min(int(chance * (n + 1) + 1e-9), n)
    from scipy.special import betainc

    # the quantile grows with the rank, so the ranks that hold are the first ones: counting finds
    # the last
    ranks = np.arange(1, n + 1)
    return int((betainc(ranks, n + 1 - ranks, chance) >= confidence).sum())


def unit_threshold(
    units: Sequence[_Floats], *, per_hour: float, block_seconds: float
) -> float | None:
    """A threshold from whole recordings, where blocks of one recording are alike.

    Recordings need to be exchangeable, their blocks do not. The excess of one, its blocks above
    the threshold less what its length allows, falls as the threshold rises, so conformal risk
    control holds (Angelopoulos and others, ICLR 2024): with sum of excess + bound <= 0 the
    expected alarms of the next recording keep to its expected length. The bound is the length of
    the longest recording seen: the next one must not be longer.

    Args:
        units: block maxima of each recording; NaN is left out.

    Returns:
        The threshold, or None where the recordings are too few for this rate.
    """
    chance = per_hour * block_seconds / 3600
    units = [unit[np.isfinite(unit)] for unit in units]
    lengths = np.array([len(unit) for unit in units])
    # As if the next recording were as long as the longest and alarmed in each of its blocks.
    allowed = chance * lengths.sum() - (1 - chance) * lengths.max(initial=0)
    if not len(units) or allowed < 0:
        return None
    joined = np.sort(np.concatenate(units))[::-1]
    over = int(allowed + 1e-9)
    return float(joined[min(over, len(joined) - 1)])


def drift(known: ArrayLike, new: ArrayLike) -> _Floats:
    """Evidence, float64 `[new]`, that new blocks score higher than the calibrated ones did.

    A conformal test martingale: each new block bets on a small p-value among all blocks before it
    (power martingale, mean over `BETS`; Vovk, Nouretdinov and Gammerman 2003). Ties count
    against drift. While the promise's conditions hold, it reaches 1 / a with a chance of a at
    most, however long one looks.

    Args:
        known, new: block maxima, `[blocks]`, in order of time; NaN is left out of `known`, and
            adds no evidence in `new`.
    """
    bag = sorted(v for v in np.asarray(known, dtype=np.float64).tolist() if math.isfinite(v))
    logs, found = np.zeros(len(BETS)), []
    for value in np.asarray(new, dtype=np.float64).tolist():
        if math.isfinite(value):
            at = int(np.searchsorted(bag, value, side="left"))
            p = (len(bag) - at + 1) / (len(bag) + 1)
            logs += np.log(BETS) + (BETS - 1) * math.log(p)
            # The block joins what the next ones are ranked among, whatever it scored: left out
            # where it is high, a drift would be counted again with every block.
            bag.insert(at, value)
        # exp overflows beyond 709
        found.append(float(np.exp(np.minimum(logs, 700)).mean()))
    return np.array(found)
