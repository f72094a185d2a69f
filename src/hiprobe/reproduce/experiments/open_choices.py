"""What each choice that the paper leaves open does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hiprobe.localize import smooth
from hiprobe.paper import SIGMA_SEGMENTS
from hiprobe.probe.selection import Recipe, choose_layer
from hiprobe.probe.training_set import Mode, TrainingSet, training_set
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.experiment_result import Findings, Row
from hiprobe.reproduce.held_out import HeldOut, Variant, folds_of, held_out
from hiprobe.reproduce.option_trials import (
    BINS_SECTION,
    SIGMAS_SEGMENTS,
    Option,
    layer_rows,
    options,
    score_rows,
    threshold_rows,
)
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.rows import FRAME_AP, FRAME_AUC, WITHIN, Table, pools_of
from hiprobe.reproduce.scored import Scored, ScoredTest, VideoScores, score_variants, states_digest
from hiprobe.states import LabelledStates

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


PROTOCOL = (
    "one setting changed at a time; layer chosen and scorer fitted in {folds} folds grouped by "
    "source, scored on the part held out; intervals over sources"
)
READING = "Reading position"


def run(bench: Bench) -> Findings:
    """Every option on every data set."""
    rows: list[Row] = []
    for data in bench.request.data:
        examples = bench.extraction.examples(data)
        rows += _grid(bench, data, examples)
        rows += _readings(bench, data)
        rows += sigma_frame_rows(bench, data)
        rows += threshold_rows(bench, data, examples)
        rows += layer_rows(bench, data, examples)
    return Findings(rows=tuple(rows), notes=_notes(bench))


def _grid(bench: Bench, data: DataSource, examples: Sequence[LabelledStates]) -> list[Row]:
    rows: list[Row] = []
    states, digest = training_set(examples), states_digest(examples)
    for option in options():
        if (option.mode or _mode(bench, states)) not in states.modes:
            continue
        bench.say(f"{data.name}: {option.section}, {option.setting}")
        pieces = [_piece(bench, states, digest, option, seed=seed) for seed in bench.request.seeds]
        rows += _rows(bench, data, states, option, pieces)
    return rows


def _readings(bench: Bench, data: DataSource) -> list[Row]:
    rows: list[Row] = []
    for reading in bench.request.readings:
        examples = bench.extraction.examples(data, reading=reading)
        states, digest = training_set(examples), states_digest(examples)
        option = Option(READING, reading, lambda r: r)
        pieces = [_piece(bench, states, digest, option, seed=seed) for seed in bench.request.seeds]
        rows += _rows(bench, data, states, option, pieces)
    return rows


def _piece(
    bench: Bench, states: TrainingSet, digest: str, option: Option, *, seed: int
) -> dict[str, Any]:
    mode = option.mode or _mode(bench, states)
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
        recipe = option.change(default_recipe(bench, mode, seed=seed))
        pairs = folds_of(states, bench.request, seed=seed)
        layers = _layers(bench, states, digest, recipe)
        scores = held_out(
            states,
            pairs,
            layers,
            mode=mode,
            scorer=recipe.scorer,
            sigma_segments=recipe.sigma_segments,
        )
        return {"layers": layers, **scores.to_json()}

    found: dict[str, Any] = bench.kept.piece(key, compute)
    return found


def _layers(bench: Bench, states: TrainingSet, digest: str, recipe: Recipe) -> list[int]:
    """Layer of each fold; only the bins and the folds decide it, so it is kept by those."""
    key = {
        "what": "layers",
        "states": digest,
        "bins": recipe.bins,
        "folds": recipe.folds,
        "seed": recipe.seed,
    }
    pairs = folds_of(states, bench.request, seed=recipe.seed)
    found: list[int] = bench.kept.piece(
        key, lambda: [choose_layer(states, train, recipe=recipe) for train, _ in pairs]
    )
    return found


def default_recipe(bench: Bench, mode: Mode, *, seed: int) -> Recipe:
    """The probe's defaults, with the mode of the run."""
    recipe = Variant("default").recipe(bench.request, seed=seed)
    return Recipe(**{**vars(recipe), "mode": mode})


def _mode(bench: Bench, states: TrainingSet) -> Mode:
    wanted = bench.request.mode
    return states.modes[0] if wanted == "auto" else wanted


def _rows(
    bench: Bench,
    data: DataSource,
    states: TrainingSet,
    option: Option,
    pieces: Sequence[dict[str, Any]],
) -> list[Row]:
    common: dict[str, Any] = {
        "data": data.name,
        "setting": option.setting,
        "section": option.section,
        "protocol": PROTOCOL.format(folds=bench.request.folds),
        "seeds": bench.request.seeds,
    }
    scores = [HeldOut.of_json(p) for p in pieces]
    rows = score_rows(scores, states, common, draws=bench.request.draws)
    if option.section == BINS_SECTION:
        by_seed = tuple(float(np.median(p["layers"])) for p in pieces)
        rows.append(
            Row(
                metric="l*, median of folds",
                ours=float(np.median(by_seed)),
                by_seed=by_seed,
                count=True,
                **common,
            )
        )
    return rows


def _notes(bench: Bench) -> tuple[str, ...]:
    told = (
        "'clip AUC' ranks clips by the score of their own vector, from key frames over the whole "
        "clip; 'highest-segment AUC' by the highest smoothed segment score, which is what "
        "detection gives. The means are of that highest score: what a threshold is compared with.",
    )
    if len(bench.request.readings) > 1:
        return told
    return (*told, "One reading position was extracted; ask for more to compare them.")
