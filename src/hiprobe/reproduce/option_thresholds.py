"""Where T comes from and what kappa does, on clips that neither fit nor T has seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.localize import KAPPA
from hiprobe.probe.training_set import TrainingSet, training_set
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.estimate import (
    Estimate,
    auc_estimate,
    clip_units,
    estimate,
    row_of_estimate,
    weighted_mean,
)
from hiprobe.reproduce.held_out import (
    Thresholds,
    folds_of,
    threshold_folds,
    thresholds_of,
)
from hiprobe.reproduce.option_grid import KAPPAS
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.result import Row
from hiprobe.reproduce.scored import states_digest
from hiprobe.states import LabelledStates

BASIS, KAPPA_SECTION = "Scores that T comes from", "kappa"
BASES = {
    "cross_validated": "scores of clips held out in turn (default)",
    "training": "scores of the clips fitted on (equation 10 as written)",
}
PROTOCOL = (
    "T from the training part of each fold alone, applied to the clips held out; {folds} folds "
    "grouped by source; intervals over sources"
)
CONTINUOUS = "no threshold (continuous score)"

_Floats = NDArray[np.float64]


def threshold_rows(bench: Bench, data: DataSource, examples: Sequence[LabelledStates]) -> list[Row]:
    """Both bases at the default kappa, then the sweep of kappa on the default basis."""
    states = training_set(examples)
    seeds = [_folds(bench, data, examples, seed=seed) for seed in bench.request.seeds]
    rows: list[Row] = []
    for basis, setting in BASES.items():
        rows += _rows(bench, data, states, seeds, (BASIS, setting), basis, KAPPA)
    for kappa in KAPPAS:
        told = f"kappa = {kappa:g}" + (" (default)" if kappa == KAPPA else "")
        rows += _rows(bench, data, states, seeds, (KAPPA_SECTION, told), "cross_validated", kappa)
    rows.append(_continuous(bench, data, states, seeds))
    return rows


def _folds(
    bench: Bench, data: DataSource, examples: Sequence[LabelledStates], *, seed: int
) -> list[Thresholds]:
    request = bench.request
    bench.say(f"{data.name}: thresholds, seed {seed}")
    key = {
        "what": "thresholds",
        "states": states_digest(examples),
        "folds": request.folds,
        "seed": seed,
        "mode": request.mode,
    }
    pairs = folds_of(training_set(examples), request, seed=seed)
    return thresholds_of(
        bench.kept.piece(key, lambda: threshold_folds(examples, pairs, request=request, seed=seed))
    )


def _rows(
    bench: Bench,
    data: DataSource,
    states: TrainingSet,
    seeds: Sequence[Sequence[Thresholds]],
    names: tuple[str, str],
    basis: str,
    kappa: float,
) -> list[Row]:
    common = _common(bench, data, *names)
    above = [_joined(f, len(states), basis, kappa) for f in seeds]
    draws = bench.request.draws
    mean_t = tuple(
        float(np.mean([f.threshold(basis=basis, kappa=kappa) for f in folds])) for folds in seeds
    )
    return [
        Row(metric="T", ours=float(np.mean(mean_t)), by_seed=mean_t, **common),
        row_of_estimate("anomalous clips found", _share(above, states, 1, draws), common),
        row_of_estimate("normal clips flagged", _share(above, states, 0, draws), common),
        row_of_estimate(
            "gated AUC", _gated(seeds, states, basis=basis, kappa=kappa, draws=draws), common
        ),
    ]


def _continuous(
    bench: Bench, data: DataSource, states: TrainingSet, seeds: Sequence[Sequence[Thresholds]]
) -> Row:
    found = _gated(seeds, states, basis=None, kappa=0.0, draws=bench.request.draws)
    return row_of_estimate("gated AUC", found, _common(bench, data, KAPPA_SECTION, CONTINUOUS))


def _common(bench: Bench, data: DataSource, section: str, setting: str) -> dict[str, Any]:
    return {
        "data": data.name,
        "setting": setting,
        "section": section,
        "protocol": PROTOCOL.format(folds=bench.request.folds),
        "seeds": bench.request.seeds,
    }


def _joined(folds: Sequence[Thresholds], clips: int, basis: str, kappa: float) -> _Floats:
    """1 above T, 0 below, NaN where no fold held the clip out; float64 `[clips]`."""
    found = np.full(clips, np.nan)
    for fold in folds:
        found[list(fold.held)] = fold.above(basis=basis, kappa=kappa)
    return found


def _share(above: Sequence[_Floats], states: TrainingSet, label: int, draws: int) -> Estimate:
    metrics, sources = [], []
    for values in above:
        kind = np.flatnonzero(np.isfinite(values) & (states.labels == label))
        metrics.append(weighted_mean(values[kind]))
        sources.append([states.sources[i] for i in kind])
    return estimate(metrics, sources, draws=draws)


def _gated(
    seeds: Sequence[Sequence[Thresholds]],
    states: TrainingSet,
    *,
    basis: str | None,
    kappa: float,
    draws: int,
) -> Estimate:
    """AUC of the scores with those below T set to 0; a basis of None leaves them as they are."""
    units = []
    for folds in seeds:
        held = [i for fold in folds for i in fold.held]
        scores: list[float] = []
        for fold in folds:
            values = np.array(fold.highest)
            kept = values if basis is None else values * fold.above(basis=basis, kappa=kappa)
            scores += kept.tolist()
        labels = [int(states.labels[i]) for i in held]
        units.append(clip_units(scores, labels, [states.sources[i] for i in held]))
    return auc_estimate(units, draws=draws)
