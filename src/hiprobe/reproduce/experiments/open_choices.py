"""What each choice that the paper leaves open does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hiprobe.localize import smooth
from hiprobe.probe.fold_fits import Recipe
from hiprobe.probe.selection import choose_layer
from hiprobe.probe.training_set import Mode, TrainingSet, training_set
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.estimate import Estimate
from hiprobe.reproduce.experiment_result import Findings, ResultRow
from hiprobe.reproduce.held_out import HeldOut, Variant, folds_of, held_out
from hiprobe.reproduce.option_trials import (
    BINS_SECTION,
    SIGMAS_SEGMENTS,
    Option,
    layer_rows,
    options,
    score_rows,
    sigma_words,
    threshold_rows,
)
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.rows import pools_of
from hiprobe.reproduce.scored import ScoredTest, VideoScores, score_variants, states_digest
from hiprobe.states import LabelledStates

SIGMA_BY_FRAME = "Smoothing, by frame"
READING = "Reading position"
DEFAULT = Variant("default")
PROTOCOL = (
    "one setting changed at a time; layer chosen and scorer fitted in {folds} folds grouped by "
    "source, scored on the part held out; intervals over sources"
)
NOTE = (
    "'clip AUC' ranks clips by the score of their own vector, from key frames over the whole "
    "clip; 'highest-segment AUC' by the highest smoothed segment score, which is what "
    "detection gives. The means are of that highest score: what a threshold is compared with."
)
ONE_READING = "One reading position was extracted; ask for more to compare them."


def run(bench: Bench) -> Findings:
    """Every option on every data set."""
    rows: list[ResultRow] = []
    readings = bench.request.readings
    for data in bench.request.data:
        examples = bench.extraction.examples(data)
        rows += _option_rows(bench, data, examples, options())
        for reading in readings:
            read = bench.extraction.examples(data, reading=reading)
            rows += _option_rows(bench, data, read, [Option(READING, reading)])
        # Smoothing is tried by frame too: the highest segment of a short clip hardly shows what it
        # does.
        rows += sigma_frame_rows(bench, data)
        rows += threshold_rows(bench, data, examples)
        rows += layer_rows(bench, data, examples)
    return Findings(tuple(rows), notes=(NOTE,) if len(readings) > 1 else (NOTE, ONE_READING))


def sigma_frame_rows(bench: Bench, data: DataSource) -> list[ResultRow]:
    """Frame metrics for each sigma; none where there are no videos to test by frame."""
    found = [score_variants(bench, data, [DEFAULT], seed=seed) for seed in bench.request.seeds]
    rows: list[ResultRow] = []
    for sigma in SIGMAS_SEGMENTS:
        smoothed = [{DEFAULT.name: _smoothed(own[DEFAULT.name], sigma)} for own in found]
        pools = pools_of(smoothed, DEFAULT.name)
        if pools.frames:
            table = pools.table(bench, data, SIGMA_BY_FRAME)
            units, videos = [p.units for p in pools.frames], [p.videos for p in pools.frames]
            rows += table.by_frame(sigma_words(sigma), units, videos)
    return rows


def _smoothed(tests: Sequence[ScoredTest], sigma_segments: float) -> list[ScoredTest]:
    return [replace(t, videos=tuple(_again(v, sigma_segments) for v in t.videos)) for t in tests]


def _again(video: VideoScores, sigma_segments: float) -> VideoScores:
    if video.raw is None:  # `score_variants` gives them
        return video
    times = {"start_seconds": video.start_seconds, "end_seconds": video.end_seconds}
    return replace(video, scores=smooth(video.raw, sigma_segments=sigma_segments, **times))


def _option_rows(
    bench: Bench,
    data: DataSource,
    examples: Sequence[LabelledStates],
    compared: Sequence[Option],
) -> list[ResultRow]:
    """Rows of the options that these states allow."""
    rows: list[ResultRow] = []
    states, digest = training_set(examples), states_digest(examples)
    wanted = bench.request.mode
    usual = states.modes[0] if wanted == "auto" else wanted
    for option in compared:
        # one mode for all options, as with "auto" an option could change the mode and not only
        # itself
        mode = option.mode or usual
        if mode not in states.modes:  # such as whole clips of states by segment alone
            continue
        bench.say(f"{data.name}: {option.section}, {option.setting}")
        seeds = bench.request.seeds
        pieces = [_piece(bench, states, digest, option, mode, seed=seed) for seed in seeds]
        table = bench.table(data, option.section, PROTOCOL.format(folds=bench.request.folds))
        rows += score_rows(table, option.setting, [HeldOut.of_json(p) for p in pieces], states)
        # what bins change is the layer, and often not even that; the AUC alone would not show it
        if option.section == BINS_SECTION:
            layer = Estimate.of_seeds((np.median(p["layers"]) for p in pieces), np.median)
            rows.append(table.row(option.setting, "l*, median of folds", layer, count=True))
    return rows


def _piece(
    bench: Bench, states: TrainingSet, digest: str, option: Option, mode: Mode, *, seed: int
) -> dict[str, Any]:
    """Layer of each fold and held-out scores under one option."""
    key = {
        "what": "option",
        "states": digest,
        "section": option.section,
        "setting": option.setting,
        "mode": mode,
        "folds": bench.request.folds,
        "seed": seed,
    }

    def compute() -> dict[str, Any]:
        recipe = option.change(replace(DEFAULT.recipe(bench.request, seed=seed), mode=mode))
        pairs = folds_of(states, bench.request, seed=seed)
        # Choosing layers takes most of the time, and few options change them.
        layers = _layers(bench, states, digest, recipe)
        scores = held_out(states, pairs, layers, mode=mode, recipe=recipe)
        return {"layers": layers, **scores.to_json()}

    return bench.finished.piece(key, compute)


def _layers(bench: Bench, states: TrainingSet, digest: str, recipe: Recipe) -> list[int]:
    """Layer of each fold; only the bins and the folds decide it, so options share it."""
    key = {
        "what": "layers",
        "states": digest,
        "bins": recipe.bins,
        "folds": recipe.folds,
        "seed": recipe.seed,
    }
    pairs = folds_of(states, bench.request, seed=recipe.seed)
    return bench.finished.piece(
        key, lambda: [choose_layer(states, train, recipe=recipe) for train, _ in pairs]
    )
