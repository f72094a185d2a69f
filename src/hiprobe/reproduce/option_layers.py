"""Whether DLSP's choice of layer beats other rules, on the same folds and the same fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.evaluation.metrics import Ranking
from hiprobe.probe.training_set import TrainingSet, training_set
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.estimate import (
    Estimate,
    Units,
    Weigh,
    auc_estimate,
    estimate,
    row_of_estimate,
)
from hiprobe.reproduce.fits import Variant
from hiprobe.reproduce.held_out import folds_of
from hiprobe.reproduce.layer_choices import (
    ORACLE,
    RULES,
    assemble,
    chosen_layers,
    every_layer,
    oracle_layer,
    random_choices,
)
from hiprobe.reproduce.option_rows import CLIP_AUC, HIGHEST_AUC, known_units
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.result import Row
from hiprobe.reproduce.scored import states_digest
from hiprobe.states import LabelledStates

SECTION = "Choice of the layer"
PROTOCOL = (
    "the layer is chosen inside the training part of each of {folds} folds grouped by source; all "
    "rules share folds and fits; intervals over sources"
)
MINUS = "minus DLSP, {metric}"

_Floats = NDArray[np.float64]


def layer_rows(bench: Bench, data: DataSource, examples: Sequence[LabelledStates]) -> list[Row]:
    """AUC under each rule, and its difference to DLSP's on the same draws of sources."""
    states, digest = training_set(examples), states_digest(examples)
    pieces = []
    for seed in bench.request.seeds:
        bench.say(f"{data.name}: choice of the layer, seed {seed}")
        pieces.append(_piece(bench, states, digest, seed=seed))
    rows: list[Row] = []
    for kind, metric in (("vector", CLIP_AUC), ("highest", HIGHEST_AUC)):
        rules = [_by_rule(bench, states, p, kind) for p in pieces]
        for rule in (*RULES, ORACLE):
            rows += _rows(bench, data, states, [r[rule] for r in rules],
                          [r["DLSP"] for r in rules], rule, metric)  # fmt: skip
    rows.append(_chosen(bench, data, pieces))
    return rows


def _piece(bench: Bench, states: TrainingSet, digest: str, *, seed: int) -> dict[str, Any]:
    request = bench.request
    mode = states.modes[0] if request.mode == "auto" else request.mode
    key = {"what": "layer rules", "states": digest, "folds": request.folds, "seed": seed,
           "mode": mode}  # fmt: skip

    def compute() -> dict[str, Any]:
        pairs = folds_of(states, request, seed=seed)
        recipe = Variant("default").recipe(request, seed=seed)
        found = every_layer(states, pairs, mode=mode, recipe=recipe)
        return {
            "chosen": chosen_layers(states, pairs, recipe=recipe),
            "vector": {str(n): h.vector.tolist() for n, h in found.items()},
            "highest": {str(n): h.highest.tolist() for n, h in found.items()},
            "seed": seed,
        }

    found: dict[str, Any] = bench.kept.piece(key, compute)
    return found


def _by_rule(
    bench: Bench, states: TrainingSet, piece: dict[str, Any], kind: str
) -> dict[str, list[_Floats]]:
    """Held-out scores under each rule; several where the rule is random."""
    by_layer = {int(n): np.array(s, np.float64) for n, s in piece[kind].items()}
    pairs = folds_of(states, bench.request, seed=piece["seed"])
    found = {r: [assemble(by_layer, pairs, layers)] for r, layers in piece["chosen"].items()}
    picks = random_choices(sorted(by_layer), len(pairs), seed=piece["seed"])
    found["random layer"] = [assemble(by_layer, pairs, layers) for layers in picks]
    found[ORACLE] = [by_layer[oracle_layer(states.labels, by_layer)]]
    return found


def _rows(
    bench: Bench,
    data: DataSource,
    states: TrainingSet,
    scores: Sequence[Sequence[_Floats]],
    dlsp: Sequence[Sequence[_Floats]],
    rule: str,
    metric: str,
) -> list[Row]:
    common: dict[str, Any] = {
        "data": data.name,
        "setting": rule,
        "section": SECTION,
        "protocol": PROTOCOL.format(folds=bench.request.folds),
        "seeds": bench.request.seeds,
    }
    draws = bench.request.draws
    units = [[known_units(s, states) for s in own] for own in scores]
    single = all(len(u) == 1 for u in units)
    found = auc_estimate([u[0] for u in units], draws=draws) if single else _mean_auc(units, draws)
    rows = [row_of_estimate(metric, found, common)]
    if rule != "DLSP":
        base = [known_units(s[0], states) for s in dlsp]
        against = _difference(units, base, draws)
        rows.append(row_of_estimate(MINUS.format(metric=metric), against, common))
    return rows


def _mean_auc(seeds: Sequence[Sequence[Units]], draws: int) -> Estimate:
    return estimate([_mean_of(own) for own in seeds], [own[0].sources for own in seeds],
                    draws=draws)  # fmt: skip


def _difference(seeds: Sequence[Sequence[Units]], base: Sequence[Units], draws: int) -> Estimate:
    metrics = []
    for own, dlsp in zip(seeds, base, strict=True):
        mean, other = _mean_of(own), _mean_of([dlsp])
        metrics.append(lambda w, a=mean, b=other: a(w) - b(w))
    return estimate(metrics, [b.sources for b in base], draws=draws)


def _mean_of(units: Sequence[Units]) -> Weigh:
    rankings = [Ranking.of(u.frames) for u in units]
    return lambda weights: np.mean([r.aucs_and_precisions(weights)[0] for r in rankings], axis=0)


def _chosen(bench: Bench, data: DataSource, pieces: Sequence[dict[str, Any]]) -> Row:
    by_seed = tuple(float(np.median(p["chosen"]["DLSP"])) for p in pieces)
    return Row(
        data=data.name,
        setting="DLSP",
        metric="layer, median of folds",
        ours=float(np.median(by_seed)),
        by_seed=by_seed,
        count=True,
        protocol=PROTOCOL.format(folds=bench.request.folds),
        seeds=bench.request.seeds,
        section=SECTION,
    )
