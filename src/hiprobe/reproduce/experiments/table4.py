"""Table 4: which layer is read, which scorer, and what the threshold does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.estimate import Estimate
from hiprobe.reproduce.experiments.table4_threshold import kappa_figure, threshold_rows
from hiprobe.reproduce.facts import paper_numbers
from hiprobe.reproduce.fits import Variant
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.result import Figure, Findings, Row
from hiprobe.reproduce.rows import (
    CLIP_AUC,
    FRAME_AUC,
    LAYER,
    SeedPools,
    Table,
    difference,
    pools_of,
)
from hiprobe.reproduce.scored import Scored, score_variants
from hiprobe.reproduce.steps import Steps
from hiprobe.states import LabelledStates

DLSP = Variant("DLSP layer", thresholds=True)
LAST, NORMED = Variant("last layer", layer="last"), "last layer, after the final norm"
LAYERS = (
    DLSP,
    LAST,
    Variant("fixed middle layer", layer="middle"),
    Variant("best layer by cross-validation in the training fold", layer="cv"),
)
SCORERS = (
    Variant("SVM, linear", scorer="svm"),
    Variant("distance to the normal mean, diagonal Mahalanobis", scorer="mahalanobis"),
    Variant("distance to the normal mean, Euclidean", scorer="euclidean"),
)
LAYER_PAPER = {
    "DLSP layer": "full",
    "last layer": "last layer",
    "fixed middle layer": "fixed layer",
}
SCORER_PAPER = {"DLSP layer": "full", SCORERS[0].name: "svm", SCORERS[1].name: "distance"}
NOTES = (
    "The paper does not say whether its last layer is taken after the final norm, nor which "
    "distance its distance scorer uses: its number stands beside the one in the first line of "
    "each kind.",
    "The oracle is the layer that is best on the test data, taken for each metric by itself: no "
    "one has it in use. A layer at random is the mean over all layers.",
    "The fixed middle layer is half the depth; the paper's is layer 16 of 32.",
)


def run(bench: Bench) -> Findings:
    """All sections for every data set."""
    rows: list[Row] = []
    figures: list[Figure] = []
    steps = Steps(bench.say, "table4", len(bench.request.data) * len(bench.request.seeds))
    for data in bench.request.data:
        found = _score(bench, data, steps)
        rows += _layer_rows(bench, data, found)
        rows += _scorer_rows(bench, data, found)
        pools = pools_of(found, DLSP.name)
        rows += threshold_rows(bench, data, pools)
        figures.append(kappa_figure(data, pools))
    return Findings(tuple(rows), tuple(figures), NOTES)


def by_layer(examples: Sequence[LabelledStates]) -> list[Variant]:
    """One variant for each extracted layer but 0."""
    states = examples[0].clip or examples[0].segments
    numbers = states.layers if states is not None else ()
    return [Variant(f"layer {n}", layer=n) for n in numbers if n > 0]


def _variants(bench: Bench, data: DataSource) -> list[Variant]:
    normed = [Variant(NORMED, layer="last", normed=True)]
    offered = normed if bench.extraction.offers_final_norm else []
    return [*LAYERS, *offered, *SCORERS, *by_layer(bench.extraction.examples(data))]


def _score(bench: Bench, data: DataSource, steps: Steps) -> list[Scored]:
    variants, found = _variants(bench, data), []
    for seed in bench.request.seeds:
        found.append(score_variants(bench, data, variants, seed=seed))
        steps.step(f"{data.name}, seed {seed}")
    return found


def _layer_rows(bench: Bench, data: DataSource, found: Sequence[Scored]) -> list[Row]:
    table = Table(bench, data, "Layer", "logistic regression")
    shown = [*(v.name for v in LAYERS), *([NORMED] if NORMED in found[0] else [])]
    rows: list[Row] = []
    for name in shown:
        paper = paper_numbers(LAYER_PAPER[name]) if name in LAYER_PAPER else ()
        rows += table.ranking_rows(name, pools_of(found, name), paper=paper)
    numbered = [pools_of(found, n) for n in found[0] if n.startswith("layer ")]
    rows += _over_layers(table, numbered)
    rows += _differences(bench, data, found)
    return rows


def _over_layers(table: Table, numbered: Sequence[SeedPools]) -> list[Row]:
    """The oracle and the layer at random, from the rows of every layer."""
    every = [table.ranking_rows("layer", pools) for pools in numbered]
    if not every:
        return []
    rows = []
    for position, first in enumerate(every[0]):
        if first.metric == LAYER:
            continue
        column = [own[position] for own in every]
        best = max(column, key=lambda r: r.ours)
        mean = float(np.mean([r.ours for r in column]))
        number = numbered[column.index(best)].layers[0]
        oracle = Estimate(best.ours, best.low, best.high, best.by_seed)
        rows += [
            table.row("oracle layer", first.metric, oracle, protocol=numbered[0].protocol),
            table.row(
                "layer at random",
                first.metric,
                Estimate(mean, None, None, ()),
                protocol=numbered[0].protocol,
                seconds=sum(p.seconds for p in numbered) if position == 0 else 0.0,
            ),
        ]
        if position == 0:
            layer = Estimate(float(number), None, None, ())
            row = table.row("oracle layer", LAYER, layer, protocol=numbered[0].protocol)
            rows.append(row)
    return rows


def _differences(bench: Bench, data: DataSource, found: Sequence[Scored]) -> list[Row]:
    """DLSP's layer minus each other choice, on the same draws of sources."""
    table = Table(bench, data, "DLSP layer minus another", "same folds, same draws")
    ours, rows = pools_of(found, DLSP.name), []
    for name in [v.name for v in LAYERS[1:]]:
        other = pools_of(found, name)
        for metric, a, b in (
            (CLIP_AUC, ours.clips, other.clips),
            (FRAME_AUC, ours.frames, other.frames),
        ):
            if a:
                gap = difference(
                    [p.units for p in a], [p.units for p in b], draws=bench.request.draws
                )
                rows.append(table.row(f"minus {name}", metric, gap, protocol=ours.protocol))
    return rows


def _scorer_rows(bench: Bench, data: DataSource, found: Sequence[Scored]) -> list[Row]:
    table = Table(bench, data, "Scorer", "DLSP layer")
    rows: list[Row] = []
    for name in (DLSP.name, *(v.name for v in SCORERS)):
        shown = "logistic regression" if name == DLSP.name else name
        paper = paper_numbers(SCORER_PAPER[name]) if name in SCORER_PAPER else ()
        rows += table.ranking_rows(shown, pools_of(found, name), paper=paper)
    return rows
