"""UCSD Ped2 by frame: few labelled segments of some videos, tested on all of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.evaluation.metrics import interval
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.fits import Variant
from hiprobe.reproduce.labelled_segments import (
    DRAWS_OF_A_SEED,
    MOST_OF_A_KIND,
    Scores,
    SegmentedSet,
    draw_labelled,
    leave_one_out,
    score_others,
    segmented_set,
)
from hiprobe.reproduce.peers import peer_rows, source_note
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.result import Findings, Row

SEGMENT_FRAMES = (24, 8)
"""The paper's length, and one that fits events of a few seconds at 10 frames a second."""

BUDGETS = (1, 2, 4, 6)
"""Labelled test videos; as many normal training videos are labelled with them."""

VARIANTS = (
    Variant("DLSP layer", layer="dlsp"),
    Variant("last layer", layer="last"),
    Variant("layer by inner cross-validation", layer="cv"),
)
MICRO, MACRO = "frame AUC, all frames (micro)", "AUC within a video (macro)"
DRAWN = (
    "{per_seed} draws a seed of the labelled videos; up to {most} abnormal and {most} normal "
    "segments of each, and {most} of as many training videos, each labelled as a whole; tested on "
    "every frame of all other test videos; brackets hold the middle 95 % of the draws"
)
LEFT_OUT = (
    "every segment of one kind of all other videos labelled; each test video is tested by the "
    "fit that has not seen it; the most that labels can give here"
)


def run(bench: Bench) -> Findings:
    """Every budget at both lengths; `--data` is Ped2's manifest with spans.

    Raises:
        LabelError: the data have no videos with spans, or no normal videos.
    """
    rows: list[Row] = []
    words: dict[str, str] = {}
    for data in bench.request.data:
        for frames in SEGMENT_FRAMES:
            found = segmented_set(bench, data, segment_frames=frames)
            rows += _length(bench, data, found, frames)
            words[data.name] = found.words()
    rows += peer_rows("ucsd-ped2", data="UCSD Ped2", metric="frame AUC (micro)")
    return Findings(rows=tuple(rows), notes=(*_notes(), source_note("ucsd-ped2")), data=words)


def _length(bench: Bench, data: DataSource, found: SegmentedSet, frames: int) -> list[Row]:
    rows: list[Row] = []
    section = f"Segments of {frames} frames"
    for variant in VARIANTS:
        for budget in BUDGETS:
            if budget >= len(found.tested):
                continue
            seeds = [_draws(bench, found, variant, budget, seed) for seed in bench.request.seeds]
            setting = f"{budget} of {len(found.tested)} test videos labelled, {variant.name}"
            rows += _drawn_rows(bench, data, setting, section, seeds)
        rows += _whole_rows(bench, data, found, variant, section)
    return rows


def _draws(
    bench: Bench, found: SegmentedSet, variant: Variant, budget: int, seed: int
) -> list[Scores]:
    bench.say(f"{budget} labelled videos, {variant.name}, seed {seed}")
    key = {"what": "draws", "states": found.digest, "layer": variant.layer, "budget": budget,
           "seed": seed, "draws": DRAWS_OF_A_SEED, "folds": bench.request.folds}  # fmt: skip

    def compute() -> list[list[float]]:
        values = []
        for draw in range(DRAWS_OF_A_SEED):
            rng = np.random.default_rng([seed, draw, budget])
            labelled = draw_labelled(found, videos=budget, rng=rng)
            scores = score_others(found, labelled, variant, request=_one_row(bench), seed=seed)
            values.append([scores.micro, scores.macro])
        return values

    return [Scores(*v) for v in bench.kept.piece(key, compute)]


def _one_row(bench: Bench) -> Any:
    """The request with the only mode that single labelled segments allow."""
    return replace(bench.request, mode="clip")


def _drawn_rows(
    bench: Bench, data: DataSource, setting: str, section: str, seeds: Sequence[Sequence[Scores]]
) -> list[Row]:
    protocol = DRAWN.format(per_seed=DRAWS_OF_A_SEED, most=MOST_OF_A_KIND)
    rows = []
    for metric, name in ((MICRO, "micro"), (MACRO, "macro")):
        values = np.array([[getattr(s, name) for s in own] for own in seeds], np.float64)
        spread = interval(values.ravel())
        by_seed = tuple(_mean(own) for own in values)
        known = spread.draws > 0
        rows.append(
            Row(
                data=data.name,
                setting=setting,
                metric=metric,
                ours=_mean(values),
                low=spread.low if known else None,
                high=spread.high if known else None,
                by_seed=by_seed,
                protocol=protocol,
                seeds=bench.request.seeds,
                section=section,
            )
        )
    return rows


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of the draws that have a value: where all tested frames are of one kind none has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _whole_rows(
    bench: Bench, data: DataSource, found: SegmentedSet, variant: Variant, section: str
) -> list[Row]:
    bench.say(f"leave one out, {variant.name}")
    key = {"what": "leave one out", "states": found.digest, "layer": variant.layer,
           "folds": bench.request.folds, "draws": bench.request.draws}  # fmt: skip
    piece = bench.kept.piece(
        key,
        lambda: leave_one_out(found, variant, request=_one_row(bench), draws=bench.request.draws),
    )
    return [
        Row(
            data=data.name,
            setting=f"all other videos labelled, {variant.name}",
            metric=metric,
            ours=piece[name]["ours"],
            low=piece[name]["low"],
            high=piece[name]["high"],
            protocol=f"{LEFT_OUT}; interval over test videos",
            section=section,
        )
        for metric, name in ((MICRO, "micro"), (MACRO, "macro"))
    ]


def _notes() -> tuple[str, ...]:
    return (
        "Segments that hold both kinds of frame are not used as labels, but their frames are "
        "tested. Published methods are trained on the normal training videos and tested on all 12 "
        "test videos; here some test videos give labels and are then not tested, so the numbers "
        "are not of the same protocol.",
        "Four of the twelve test videos are abnormal throughout: they have no AUC of their own, "
        "and count in the micro AUC only.",
    )
