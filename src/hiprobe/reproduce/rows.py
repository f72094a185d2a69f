"""Rows of tables from pooled scores: the metrics that every experiment shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hiprobe.evaluation.metrics import EventScores, match_events, runs
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.estimate import FRAME_AUC, HIGHEST_AUC, Estimate, RowMaker
from hiprobe.reproduce.experiment_result import PaperNumber, ResultRow
from hiprobe.reproduce.pooled import FramePool, Pool, pool_clips, pool_frames
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.scored import Scored

UNCUT_AUC = f"{FRAME_AUC} without segments across cuts"
LAYER = "layer, median"

# Least overlap of a matched event in the tables; JSON of `hiprobe evaluate` has more.
EVENT_IOU = 0.3
EVENT_F1 = f"event F1 at IoU {EVENT_IOU:g}"


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

    def table(self, bench: Bench, data: DataSource, section: str, what: str = "") -> RowMaker:
        """A maker of rows; `what` is added to the protocol of the tests."""
        return bench.table(data, section, "; ".join(p for p in (self.protocol, what) if p))


def pools_of(found: Sequence[Scored], name: str) -> SeedPools:
    """Pools of one variant from what `score_variants` gave for each seed."""
    tests = [scored[name] for scored in found]
    flat = [t for own in tests for t in own]
    clips = [pool_clips(own) for own in tests]
    frames = [pool_frames(own) for own in tests]
    return SeedPools(
        clips=tuple(p for p in clips if p is not None),
        frames=tuple(p for p in frames if p is not None),
        layers=tuple(t.layer for t in flat),
        protocol=flat[0].test.protocol,
        seconds=sum(t.seconds for t in flat),
    )


def ranking_rows(
    table: RowMaker, setting: str, pools: SeedPools, *, paper: tuple[PaperNumber, ...] = ()
) -> list[ResultRow]:
    """AUC by clip; AUC, AP, within-video AUC by frame; and the layer that was read.

    Args:
        table: makes the rows; its protocol is theirs.
        setting: what was varied.
        paper: the paper's numbers, which all rows carry.
    """
    rows = []
    if pools.clips:
        rows.append(table.auc(setting, HIGHEST_AUC, [p.units for p in pools.clips]))
    if pools.frames:
        units, videos = [p.units for p in pools.frames], [p.videos for p in pools.frames]
        rows += table.by_frame(setting, units, videos)
        # A cut is itself a change, so joined videos are ranked once more without it.
        if not all(p.whole.all() for p in pools.frames):
            rows.append(table.auc(setting, UNCUT_AUC, [p.uncut() for p in pools.frames]))
    if pools.layers:
        rows.append(table.row(setting, LAYER, float(np.median(pools.layers)), count=True))
    seconds = [pools.seconds] + [0.0] * len(rows)  # the time stands in the first row alone
    return [replace(r, paper=paper, seconds=s) for r, s in zip(rows, seconds, strict=False)]


def event_scores(pools: Sequence[FramePool], threshold: Callable[[FramePool], object]) -> Estimate:
    """F1 of events at `EVENT_IOU`, mean over seeds; without an interval."""
    return Estimate.of_seeds(event_match(p, threshold(p)).f1 for p in pools)


def event_match(pool: FramePool, threshold: object) -> EventScores:
    """Detected stretches above T against the true ones."""
    above = pool.videos.scores > np.asarray(threshold, dtype=np.float64)
    detected = runs(above, pool.videos.offsets)
    return match_events(detected=detected, true=pool.spans, iou=EVENT_IOU)
