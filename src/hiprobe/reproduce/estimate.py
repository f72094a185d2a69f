"""Means over seeds, with intervals over sources that hold for all seeds together.

A draw takes sources with replacement, the same for every seed; its value is the mean over seeds.
So the interval says how much the result hangs on the recordings at hand, and the values of the
seeds how much it hangs on folds and draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frame_scores import ScoredFrames
from hiprobe.evaluation.metrics import Ranking, interval, within_video_auc
from hiprobe.reproduce.experiment_result import Row

_Floats = NDArray[np.float64]
Weigh = Callable[[_Floats], _Floats]
"""Values of a metric, `[draws]`, under weights of the units, float64 `[draws, units]`."""

DRAWS_AT_ONCE = 50
"""Draws that are weighed together: what they need stays within some tens of megabytes."""


@dataclass(frozen=True)
class Estimate:
    """A value, its interval over sources (None where undefined), and the value of each seed."""

    ours: float
    low: float | None
    high: float | None
    by_seed: tuple[float, ...]


@dataclass(frozen=True)
class Units:
    """What one seed scored, cut into units of one source each (clips, or parts of videos).

    Attributes:
        frames: its "videos" are the units; a clip is one frame.
        sources: of each unit.
    """

    frames: ScoredFrames
    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.sources) != self.frames.video_count:
            raise EvaluationError(
                f"{len(self.sources)} sources for {self.frames.video_count} units; one for each"
            )

    def with_scores(self, scores: _Floats) -> Units:
        """The same units with other scores of their frames."""
        return Units(self.frames.with_scores(scores), self.sources)


def clip_units(scores: Sequence[float], labels: Sequence[int], sources: Sequence[str]) -> Units:
    """Clips as units."""
    values, truth = np.asarray(scores, np.float64), np.asarray(labels, np.bool_)
    frames = ScoredFrames(values, truth, np.arange(len(values) + 1))
    return Units(frames, tuple(sources))


def auc_estimate(seeds: Sequence[Units], *, draws: int) -> Estimate:
    """ROC-AUC over all frames."""
    return _ranked(seeds, 0, draws)


def precision_estimate(seeds: Sequence[Units], *, draws: int) -> Estimate:
    """Average precision, step-wise, over all frames."""
    return _ranked(seeds, 1, draws)


def within_estimate(seeds: Sequence[ScoredFrames], *, draws: int) -> Estimate:
    """Mean AUC inside a video; the interval is over videos, since a video may hold many sources."""
    names = [tuple(str(v) for v in range(f.video_count)) for f in seeds]
    return estimate([_within(f) for f in seeds], names, draws=draws)


def estimate(
    metrics: Sequence[Weigh], sources: Sequence[Sequence[str]], *, draws: int, seed: int = 0
) -> Estimate:
    """Any metric of one or more seeds.

    Args:
        metrics: of each seed: weights of its units to a value.
        sources: of each seed: the source of each unit.
        draws: bootstrap draws.
    """
    place = {name: i for i, name in enumerate(sorted({s for own in sources for s in own}))}
    owners = [np.array([place[s] for s in own], dtype=np.intp) for own in sources]
    ones = np.ones((1, len(place)))
    by_seed = tuple(float(m(ones[:, o])[0]) for m, o in zip(metrics, owners, strict=True))
    drawn = (
        np.random.default_rng(seed)
        .multinomial(len(place), np.full(len(place), 1 / len(place)), size=draws)
        .astype(np.float64)
    )
    values = np.concatenate(
        [
            np.mean([m(block[:, o]) for m, o in zip(metrics, owners, strict=True)], axis=0)
            for block in np.split(drawn, range(DRAWS_AT_ONCE, draws, DRAWS_AT_ONCE))
        ]
    )
    found = interval(values)
    known = found.draws > 0 and len(place) > 1
    return Estimate(
        ours=float(np.mean(by_seed)),
        low=found.low if known else None,
        high=found.high if known else None,
        by_seed=by_seed,
    )


def _ranked(seeds: Sequence[Units], which: int, draws: int) -> Estimate:
    rankings = [Ranking.of(u.frames) for u in seeds]
    metrics = [_of_ranking(r, which) for r in rankings]
    return estimate(metrics, [u.sources for u in seeds], draws=draws)


def _of_ranking(ranking: Ranking, which: int) -> Weigh:
    return lambda weights: ranking.aucs_and_precisions(weights)[which]


def _within(frames: ScoredFrames) -> Weigh:
    return weighted_mean(within_video_auc(frames))


def weighted_mean(values: _Floats) -> Weigh:
    """Mean over the units that have a value; NaN in a draw without any of them."""
    known = ~np.isnan(values)

    def mean(weights: _Floats) -> _Floats:
        with np.errstate(invalid="ignore"):
            return np.asarray(weights[:, known] @ values[known] / weights[:, known].sum(axis=1))

    return mean


def row_of_estimate(metric: str, found: Estimate, common: Mapping[str, Any]) -> Row:
    """A row with the interval and the values of the seeds."""
    return Row(
        metric=metric,
        ours=found.ours,
        low=found.low,
        high=found.high,
        by_seed=found.by_seed,
        **common,
    )
