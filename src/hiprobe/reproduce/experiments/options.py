"""What each choice that the paper leaves open does, to ranking and to what detection gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hiprobe.probe.selection import Recipe, choose_layer
from hiprobe.probe.training_set import Mode, TrainingSet, training_set
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.fits import Variant
from hiprobe.reproduce.held_out import HeldOut, folds_of, held_out
from hiprobe.reproduce.option_frames import sigma_frame_rows
from hiprobe.reproduce.option_grid import BINS_SECTION, Option, options
from hiprobe.reproduce.option_layers import layer_rows
from hiprobe.reproduce.option_rows import score_rows
from hiprobe.reproduce.option_thresholds import threshold_rows
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.result import Findings, Row
from hiprobe.reproduce.scored import states_digest
from hiprobe.states import LabelledStates

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
