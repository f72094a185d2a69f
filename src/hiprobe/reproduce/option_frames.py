"""What the width of the smoothing does by frame, on untrimmed videos of held-out sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hiprobe.localize import SIGMA_SEGMENTS, smooth
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.fits import Variant
from hiprobe.reproduce.option_grid import SIGMAS_SEGMENTS
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.result import Row
from hiprobe.reproduce.rows import FRAME_AP, FRAME_AUC, WITHIN, Table, pools_of
from hiprobe.reproduce.scored import Scored, ScoredTest, VideoScores, score_variants

SECTION = "Smoothing, by frame"
DEFAULT = Variant("default")


def sigma_frame_rows(bench: Bench, data: DataSource) -> list[Row]:
    """Frame metrics for each sigma; none where there are no videos to test by frame."""
    found = [score_variants(bench, data, [DEFAULT], seed=seed) for seed in bench.request.seeds]
    table = Table(bench, data, SECTION)
    rows: list[Row] = []
    for sigma in SIGMAS_SEGMENTS:
        told = f"sigma = {sigma:g} segments" + (" (default)" if sigma == SIGMA_SEGMENTS else "")
        smoothed = [{DEFAULT.name: _smoothed(own[DEFAULT.name], sigma)} for own in found]
        rows += _by_frame(table, told, smoothed)
    return rows


def _by_frame(table: Table, setting: str, found: Sequence[Scored]) -> list[Row]:
    pools = pools_of(found, DEFAULT.name)
    if not pools.frames:
        return []
    kept = (FRAME_AUC, FRAME_AP, WITHIN)
    return [r for r in table.ranking_rows(setting, pools) if r.metric in kept]


def _smoothed(tests: Sequence[ScoredTest], sigma_segments: float) -> list[ScoredTest]:
    return [replace(t, videos=tuple(_again(v, sigma_segments) for v in t.videos)) for t in tests]


def _again(video: VideoScores, sigma_segments: float) -> VideoScores:
    raw = video.raw
    if raw is None:  # `score_variants` keeps them
        return video
    times = {"start_seconds": video.start_seconds, "end_seconds": video.end_seconds}
    return replace(video, scores=smooth(raw, sigma_segments=sigma_segments, **times))
