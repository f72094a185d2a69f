"""Means over seeds, with intervals over sources that hold for all seeds together.

A draw takes sources with replacement, the same for every seed; its value is the mean over seeds.
So the interval says how much the result depends on the recordings at hand, and the values of the
seeds how much it depends on folds and draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frame_scores import ScoredFrames
from hiprobe.evaluation.metrics import Ranking, interval, within_video_auc
from hiprobe.reproduce.experiment_result import PaperNumber, ResultRow

# Names of metrics. The first ranks clips by the score of one vector, the second by what detection
# gives them: their highest smoothed segment.
CLIP_AUC, HIGHEST_AUC = "clip AUC", "highest-segment AUC"
FRAME_AUC, FRAME_AP, WITHIN = "frame AUC", "frame AP", "AUC within a video"

_Floats = NDArray[np.float64]
# Values of a metric, `[draws]`, under weights of the units, float64 `[draws, units]`.
Weigh = Callable[[_Floats], _Floats]

# Draws that are weighed together: what they need stays within some tens of megabytes.
DRAWS_AT_ONCE = 50


@dataclass(frozen=True)
class Estimate:
    """A value, its interval (None where undefined), and the value of each seed."""

    ours: float
    low: float | None = None
    high: float | None = None
    by_seed: tuple[float, ...] = ()

    @classmethod
    def of_seeds(cls, values: Iterable[float], middle: Callable[..., Any] = np.mean) -> Estimate:
        """The mean (or what `middle` makes) of one value a seed, without an interval."""
        by_seed = tuple(float(v) for v in values)
        return cls(float(middle(by_seed)), by_seed=by_seed)


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
    """Clips as units, each with one score as its only frame."""
    values, truth = np.asarray(scores, np.float64), np.asarray(labels, np.bool_)
    frames = ScoredFrames(values, truth, np.arange(len(values) + 1))
    return Units(frames, tuple(sources))


def known_clips(
    scores: _Floats, labels: NDArray[np.int64], sources: Sequence[str], only: int | None = None
) -> Units:
    """Clips as units, without those that have no score because no fold held them out.

    Args:
        scores: float64 `[clips]`, NaN where there is none.
        labels: int64 `[clips]`.
        only: take clips of this label alone.
    """
    known = np.isfinite(scores) if only is None else np.isfinite(scores) & (labels == only)
    own = [source for source, there in zip(sources, known, strict=True) if there]
    return clip_units(scores[known].tolist(), labels[known].tolist(), own)


def auc_estimate(seeds: Sequence[Units], *, draws: int) -> Estimate:
    """ROC-AUC over all frames, with an interval over draws of sources."""
    return estimate([_ranked(u, 0) for u in seeds], [u.sources for u in seeds], draws=draws)


def precision_estimate(seeds: Sequence[Units], *, draws: int) -> Estimate:
    """Step-wise average precision over all frames, with an interval over draws of sources."""
    return estimate([_ranked(u, 1) for u in seeds], [u.sources for u in seeds], draws=draws)


def within_estimate(seeds: Sequence[ScoredFrames], *, draws: int) -> Estimate:
    """Mean AUC inside a video; the interval is over videos, since a video may hold many sources."""
    names = [tuple(str(v) for v in range(f.video_count)) for f in seeds]
    return estimate([weighted_mean(within_video_auc(f)) for f in seeds], names, draws=draws)


def difference(first: Sequence[Units], second: Sequence[Units], *, draws: int) -> Estimate:
    """AUC of the first minus the second on the same draws of sources.

    Args:
        first, second: one for each seed, on the same clips or frames.
    """
    return mean_difference([[u] for u in first], second, draws=draws)


def mean_difference(
    several: Sequence[Sequence[Units]], other: Sequence[Units], *, draws: int
) -> Estimate:
    """Mean AUC of several scorings of each seed, minus that of another on the same draws.

    Args:
        several: for each seed, the scorings that a mean is taken over.
        other: one for each seed, on the same clips or frames.
    """
    metrics = []
    for own, base in zip(several, other, strict=True):
        mean, level = mean_auc(own), _ranked(base, 0)
        # The defaults bind the values of this seed: a plain closure would see those of the last
        # one.
        metrics.append(lambda w, a=mean, b=level: a(w) - b(w))
    return estimate(metrics, [u.sources for u in other], draws=draws)


def estimate(metrics: Sequence[Weigh], sources: Sequence[Sequence[str]], *, draws: int) -> Estimate:
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
        # Always seed 0: two rows of one table are then compared on the same draws.
        np.random.default_rng(0)
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
    # Draws of a single source are all the same; an interval of width 0 would look like certainty.
    known = found.draws > 0 and len(place) > 1
    return Estimate(
        ours=float(np.mean(by_seed)),
        low=found.low if known else None,
        high=found.high if known else None,
        by_seed=by_seed,
    )


def mean_auc(scorings: Sequence[Units]) -> Weigh:
    """Mean of the AUCs of several scorings of the same units."""
    areas = [_ranked(u, 0) for u in scorings]
    return lambda weights: np.mean([area(weights) for area in areas], axis=0)


def _ranked(units: Units, which: int) -> Weigh:
    """AUC (0) or average precision (1)."""
    ranking = Ranking.of(units.frames)
    return lambda weights: ranking.aucs_and_precisions(weights)[which]


def weighted_mean(values: _Floats) -> Weigh:
    """Mean over the units that have a value; NaN in a draw without any of them."""
    known = ~np.isnan(values)

    def mean(weights: _Floats) -> _Floats:
        with np.errstate(invalid="ignore"):
            return np.asarray(weights[:, known] @ values[known] / weights[:, known].sum(axis=1))

    return mean


@dataclass(frozen=True)
class RowMaker:
    """What the rows of one table share; makes rows of estimates, and estimates of scores.

    Attributes:
        data: name of the data set.
        section: heading of the table.
        protocol: in one line: what was fitted, what was tested, over what the interval is.
        seeds: of the run; a row with fewer values is of the first ones.
        draws: bootstrap draws of sources.
    """

    data: str
    section: str = ""
    protocol: str = ""
    seeds: tuple[int, ...] = (0,)
    draws: int = 1

    def row(
        self,
        setting: str,
        metric: str,
        found: Estimate | float,
        *,
        paper: tuple[PaperNumber, ...] = (),
        seconds: float = 0.0,
        count: bool = False,
    ) -> ResultRow:
        """One row; see `ResultRow` for what is given besides the estimate.

        Args:
            setting: what was varied.
            metric: what was measured.
            found: a number without interval, or an estimate.
        """
        known = found if isinstance(found, Estimate) else Estimate(found)
        return ResultRow(
            data=self.data,
            setting=setting,
            metric=metric,
            ours=known.ours,
            low=known.low,
            high=known.high,
            by_seed=known.by_seed,
            paper=paper,
            protocol=self.protocol,
            seeds=self.seeds[: len(known.by_seed)] or self.seeds,
            seconds=seconds,
            section=self.section,
            count=count,
        )

    def auc(self, setting: str, metric: str, seeds: Sequence[Units]) -> ResultRow:
        """ROC-AUC of the units of each seed, with its interval over sources."""
        return self.row(setting, metric, auc_estimate(seeds, draws=self.draws))

    def by_frame(
        self, setting: str, units: Sequence[Units], videos: Sequence[ScoredFrames]
    ) -> list[ResultRow]:
        """AUC and AP of all frames, and the mean AUC inside a video.

        Args:
            units: frames of each seed, in the units that intervals are over.
            videos: the same frames, by video.
        """
        return [
            self.auc(setting, FRAME_AUC, units),
            self.row(setting, FRAME_AP, precision_estimate(units, draws=self.draws)),
            self.row(setting, WITHIN, within_estimate(videos, draws=self.draws)),
        ]
