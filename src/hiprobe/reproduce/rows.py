"""Rows of tables from pooled scores: the metrics that every experiment shows, worded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hiprobe.evaluation.metrics import EventScores, Ranking, match_events, runs
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.estimate import (
    Estimate,
    Units,
    Weigh,
    auc_estimate,
    estimate,
    precision_estimate,
    row_of_estimate,
    within_estimate,
)
from hiprobe.reproduce.experiment_result import PaperNumber, Row
from hiprobe.reproduce.pooled import FramePool, Pool, pool_clips, pool_frames
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.scored import Scored, ScoredTest

CLIP_AUC, FRAME_AUC, FRAME_AP = "highest-segment AUC", "frame AUC", "frame AP"
WITHIN, UNCUT_AUC = "AUC within a video", "frame AUC without segments across cuts"
LAYER = "layer, median"
"""Names of metrics; the first ranks clips by what detection gives them, their highest smoothed
segment."""

EVENT_IOU = 0.3
"""Least overlap of a matched event in the tables; JSON of `hiprobe evaluate` has more."""


@dataclass(frozen=True)
class SeedPools:
    """What one variant gave on one data set, a pool for each seed.

    Attributes:
        clips: empty where no clips were held out.
        frames: empty where no videos were tested by frame.
        layers: layer of each fit, all seeds together.
        protocol: of the tests.
        seconds: of fitting and scoring, all seeds together.
    """

    clips: tuple[Pool, ...]
    frames: tuple[FramePool, ...]
    layers: tuple[int, ...]
    protocol: str
    seconds: float


def pools_of(found: Sequence[Scored], name: str) -> SeedPools:
    """Pools of one variant from what `score_variants` gave for each seed."""
    tests = [scored[name] for scored in found]
    flat: list[ScoredTest] = [t for own in tests for t in own]
    clips = [pool_clips(own) for own in tests]
    frames = [pool_frames(own) for own in tests]
    return SeedPools(
        clips=tuple(p for p in clips if p is not None),
        frames=tuple(p for p in frames if p is not None),
        layers=tuple(t.layer for t in flat),
        protocol=flat[0].test.protocol,
        seconds=sum(t.seconds for t in flat),
    )


@dataclass(frozen=True)
class Table:
    """Makes rows of one section and data set.

    Attributes:
        what: said of the protocol beside that of the tests.
    """

    bench: Bench
    data: DataSource
    section: str
    what: str = ""

    def row(
        self,
        setting: str,
        metric: str,
        found: Estimate,
        *,
        protocol: str,
        paper: tuple[PaperNumber, ...] = (),
        seconds: float = 0.0,
    ) -> Row:
        """One row; an estimate of fewer seeds is of the first ones."""
        every = self.bench.request.seeds
        seeds = every[: len(found.by_seed)] if found.by_seed else every
        common = {
            "data": self.data.name,
            "setting": setting,
            "paper": paper,
            "protocol": "; ".join(p for p in (protocol, self.what) if p),
            "seeds": seeds,
            "seconds": seconds,
            "section": self.section,
            "count": metric == LAYER,
        }
        return row_of_estimate(metric, found, common)

    def ranking_rows(
        self, setting: str, pools: SeedPools, *, paper: tuple[PaperNumber, ...] = ()
    ) -> list[Row]:
        """AUC by clip; AUC, AP, within-video AUC by frame; and the layer that was read."""
        draws = self.bench.request.draws
        found: list[tuple[str, Estimate]] = []
        if pools.clips:
            found.append((CLIP_AUC, auc_estimate([p.units for p in pools.clips], draws=draws)))
        if pools.frames:
            units, videos = [p.units for p in pools.frames], [p.videos for p in pools.frames]
            found += [
                (FRAME_AUC, auc_estimate(units, draws=draws)),
                (FRAME_AP, precision_estimate(units, draws=draws)),
                (WITHIN, within_estimate(videos, draws=draws)),
            ]
            if not all(p.whole.all() for p in pools.frames):
                uncut = [p.uncut() for p in pools.frames]
                found.append((UNCUT_AUC, auc_estimate(uncut, draws=draws)))
        if pools.layers:
            found.append((LAYER, value(float(np.median(pools.layers)))))
        rows = [
            self.row(setting, metric, one, protocol=pools.protocol, paper=paper)
            for metric, one in found
        ]
        return [replace(rows[0], seconds=pools.seconds), *rows[1:]] if rows else []


def value(number: float) -> Estimate:
    """A number without an interval."""
    return Estimate(number, None, None, ())


def difference(first: Sequence[Units], second: Sequence[Units], *, draws: int) -> Estimate:
    """AUC of the first minus the second on the same draws of sources."""
    pairs = [
        (Ranking.of(a.frames), Ranking.of(b.frames)) for a, b in zip(first, second, strict=True)
    ]
    metrics = [_gap(a, b) for a, b in pairs]
    return estimate(metrics, [u.sources for u in first], draws=draws)


def event_scores(pools: Sequence[FramePool], threshold: Callable[[FramePool], object]) -> Estimate:
    """F1 of events at `EVENT_IOU`, mean over seeds; without an interval."""
    values = tuple(event_match(p, threshold(p)).f1 for p in pools)
    return Estimate(float(np.mean(values)), None, None, values)


def event_match(pool: FramePool, threshold: object) -> EventScores:
    """Detected stretches above T against the true ones."""
    above = pool.videos.scores > np.asarray(threshold, dtype=np.float64)
    detected = runs(above, pool.videos.offsets)
    return match_events(detected=detected, true=pool.spans, iou=EVENT_IOU)


def _gap(a: Ranking, b: Ranking) -> Weigh:
    return lambda weights: a.aucs_and_precisions(weights)[0] - b.aucs_and_precisions(weights)[0]
