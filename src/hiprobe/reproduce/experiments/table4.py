"""Table 4: which layer, which scorer, and what the threshold does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hiprobe.paper import KAPPA
from hiprobe.probe.training_set import any_states
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.drawing import Curve, Panel, panels_drawing
from hiprobe.reproduce.estimate import (
    FRAME_AUC,
    HIGHEST_AUC,
    RowMaker,
    Units,
    auc_estimate,
    difference,
    precision_estimate,
)
from hiprobe.reproduce.experiment_result import (
    Figure,
    Findings,
    PaperNumber,
    ResultRow,
    paper_numbers,
)
from hiprobe.reproduce.held_out import VISION_ALONE, Variant
from hiprobe.reproduce.pooled import Pool
from hiprobe.reproduce.request import DataSource, Steps
from hiprobe.reproduce.rows import (
    EVENT_F1,
    EVENT_IOU,
    LAYER,
    SeedPools,
    event_scores,
    pools_of,
    ranking_rows,
)
from hiprobe.reproduce.scored import Scored, score_variants
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
    "distance its distance scorer uses: its number is shown in the first line of each kind.",
    "The oracle is the layer that is best on the test data, taken for each metric by itself: "
    "nobody has it in use. A layer at random is the mean over all layers.",
    "The fixed middle layer is half the depth; the paper's is layer 16 of 32.",
)


def run(bench: Bench) -> Findings:
    """All sections for every data set."""
    rows: list[ResultRow] = []
    figures: list[Figure] = []
    steps = Steps(bench.say, "table4", len(bench.request.data) * len(bench.request.seeds))
    for data in bench.request.data:
        bench, vision = bench.with_vision([bench.extraction.clips(data)[0].video])
        variants, found = _variants(bench, data), []
        for seed in bench.request.seeds:
            found.append(score_variants(bench, data, variants, seed=seed))
            steps.step(f"{data.name}, seed {seed}")
        rows += _layer_rows(bench, data, found)
        if vision is not None:
            rows += _vision_rows(vision, data)
        rows += _scorer_rows(bench, data, found)
        pools = pools_of(found, DLSP.name)
        rows += _threshold_rows(bench, data, pools)
        figures.append(_kappa_figure(data, pools))
    return Findings(tuple(rows), tuple(figures), NOTES)


def by_layer(examples: Sequence[LabelledStates]) -> list[Variant]:
    """One variant for each extracted layer but 0."""
    return [Variant(f"layer {n}", layer=n) for n in any_states(examples[0]).layers if n > 0]


def _variants(bench: Bench, data: DataSource) -> list[Variant]:
    normed = [Variant(NORMED, layer="last", normed=True)]
    offered = normed if bench.extraction.offers_final_norm else []
    return [*LAYERS, *offered, *SCORERS, *by_layer(bench.extraction.examples(data))]


def _layer_rows(bench: Bench, data: DataSource, found: Sequence[Scored]) -> list[ResultRow]:
    rows: list[ResultRow] = []
    for name in [*(v.name for v in LAYERS), *([NORMED] if NORMED in found[0] else [])]:
        pools = pools_of(found, name)
        table = pools.table(bench, data, "Layer", "logistic regression")
        paper = paper_numbers(LAYER_PAPER[name]) if name in LAYER_PAPER else ()
        rows += ranking_rows(table, name, pools, paper=paper)
    # Every layer is fitted anyway, so the oracle and the mean cost no further fit.
    numbered = [pools_of(found, n) for n in found[0] if n.startswith("layer ")]
    if numbered:
        table = numbered[0].table(bench, data, "Layer", "logistic regression")
        rows += _over_layers(table, numbered)
    return [*rows, *_differences(bench, data, found)]


def _vision_rows(bench: Bench, data: DataSource) -> list[ResultRow]:
    """The same folds on the features of the vision tower alone."""
    found = [score_variants(bench, data, [VISION_ALONE], seed=s) for s in bench.request.seeds]
    pools = pools_of(found, VISION_ALONE.name)
    table = pools.table(bench, data, "Layer", "logistic regression")
    rows = ranking_rows(table, VISION_ALONE.name, pools)
    # The vision tower's reading has one layer, so a median of layers says nothing.
    return [r for r in rows if r.metric != LAYER]


def _over_layers(table: RowMaker, numbered: Sequence[SeedPools]) -> list[ResultRow]:
    """The oracle and the layer at random, from the rows of every layer."""
    rows = []
    every = [ranking_rows(table, "layer", pools) for pools in numbered]
    for position, column in enumerate(zip(*every, strict=True)):
        metric = column[0].metric
        if metric == LAYER:
            continue
        # each metric has its own best layer, which favours the oracle, as an oracle should be
        best = max(column, key=lambda r: r.ours)
        rows.append(replace(best, setting="oracle layer", seconds=0.0))
        # the first metric stands for all fits: it has their time, and the layer that was best
        seconds = 0.0 if position else sum(p.seconds for p in numbered)
        mean = float(np.mean([r.ours for r in column]))
        rows.append(table.row("layer at random", metric, mean, seconds=seconds))
        if not position:
            layer = float(numbered[column.index(best)].layers[0])
            rows.append(table.row("oracle layer", LAYER, layer, count=True))
    return rows


def _differences(bench: Bench, data: DataSource, found: Sequence[Scored]) -> list[ResultRow]:
    """DLSP's layer minus each other choice, on the same draws of sources."""
    ours, rows = pools_of(found, DLSP.name), []
    table = ours.table(bench, data, "DLSP layer minus another", "same folds, same draws")
    for name in [v.name for v in LAYERS[1:]]:
        other = pools_of(found, name)
        pairs = {HIGHEST_AUC: (ours.clips, other.clips), FRAME_AUC: (ours.frames, other.frames)}
        for metric, (first, second) in pairs.items():
            if first:
                units = [p.units for p in first], [p.units for p in second]
                gap = difference(*units, draws=table.draws)
                rows.append(table.row(f"minus {name}", metric, gap))
    return rows


def _scorer_rows(bench: Bench, data: DataSource, found: Sequence[Scored]) -> list[ResultRow]:
    rows: list[ResultRow] = []
    for name in (DLSP.name, *(v.name for v in SCORERS)):
        pools = pools_of(found, name)
        table = pools.table(bench, data, "Scorer", "DLSP layer")
        # the same fit as in the first table, called by what this one varies
        shown = "logistic regression" if name == DLSP.name else name
        paper = paper_numbers(SCORER_PAPER[name]) if name in SCORER_PAPER else ()
        rows += ranking_rows(table, shown, pools, paper=paper)
    return rows


FIXED = (0.25, 0.5, 0.75)
# The sweep; the paper's own lies in it.
KAPPAS = (-1.0, -0.5, 0.0, KAPPA, 0.5, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class Rule:
    """How T is set.

    Attributes:
        threshold: T of each frame of a pool, float64 `[frames]`.
    """

    name: str
    threshold: Callable[[Pool], NDArray[np.float64]]
    paper: tuple[PaperNumber, ...] = ()

    def units(self, pool: Pool) -> dict[str, Units]:
        """The scores as they are, and after the threshold in both ways."""
        above = self.threshold(pool)
        return {
            "continuous": pool.units,
            "gated": pool.gated(above),
            "binary": pool.binary(above),
        }


def _fixed(threshold: float) -> Rule:
    name = f"T = {threshold:g}"
    return Rule(name, lambda pool: np.full(len(pool.mean), threshold), paper_numbers(name))


SWEEP = tuple(Rule(f"kappa {k:g}", partial(Pool.threshold, kappa=k)) for k in KAPPAS)


def rules() -> tuple[Rule, ...]:
    """The thresholds of the paper's table 4, and the literal reading of its equation 10."""
    adaptive = f"adaptive, kappa {KAPPA:g}"
    return (
        *(_fixed(t) for t in FIXED),
        Rule(adaptive, lambda pool: pool.threshold(KAPPA), paper_numbers("full")),
        Rule(
            f"{adaptive}, scores of the training fit",
            lambda pool: pool.threshold(KAPPA, training=True),
        ),
    )


def _threshold_rows(bench: Bench, data: DataSource, pools: SeedPools) -> list[ResultRow]:
    """The rules, then the sweep of kappa."""
    found: list[ResultRow] = []
    for section, own in (("Threshold", rules()), ("Sweep of kappa", SWEEP)):
        table = pools.table(bench, data, section, "DLSP layer, logistic regression")
        for rule in own:
            found += _rows_of(table, rule, pools)
    return found


def _rows_of(table: RowMaker, rule: Rule, pools: SeedPools) -> list[ResultRow]:
    rows = []
    for unit, own in _groups(pools):
        changed = [rule.units(p) for p in own]
        for variant in changed[0]:
            row = table.auc(rule.name, f"{unit} AUC, {variant}", [c[variant] for c in changed])
            rows.append(replace(row, paper=rule.paper))
    if pools.frames:
        gated = [p.gated(rule.threshold(p)) for p in pools.frames]
        precision = precision_estimate(gated, draws=table.draws)
        rows.append(table.row(rule.name, "frame AP, gated", precision))
        rows.append(table.row(rule.name, EVENT_F1, event_scores(pools.frames, rule.threshold)))
    shares = _alarms(rule, pools)
    return [*rows, *(table.row(rule.name, name, share) for name, share in shares.items())]


def _groups(pools: SeedPools) -> list[tuple[str, tuple[Pool, ...]]]:
    """What is scored, by its name in the tables."""
    groups: dict[str, tuple[Pool, ...]] = {"highest-segment": pools.clips, "frame": pools.frames}
    return [(unit, own) for unit, own in groups.items() if own]


def _alarms(rule: Rule, pools: SeedPools) -> dict[str, float]:
    """Share of clips of each kind above T, all seeds together."""
    if not pools.clips:
        return {}
    above = np.concatenate([p.units.frames.scores > rule.threshold(p) for p in pools.clips])
    labels = np.concatenate([p.units.frames.labels for p in pools.clips])
    return {
        "abnormal clips above T": float(above[labels].mean()),
        "normal clips above T": float(above[~labels].mean()),
    }


def _kappa_figure(data: DataSource, pools: SeedPools) -> Figure:
    """What the sweep of kappa moves: metrics after the threshold, and alarms."""
    panels = []
    for unit, own in _groups(pools):
        changed = [[rule.units(p) for p in own] for rule in SWEEP]
        curves = [
            Curve(
                name, KAPPAS, [auc_estimate([c[name] for c in of], draws=1).ours for of in changed]
            )
            for name in changed[0][0]
        ]
        panels.append(Panel(f"{unit} AUC", "kappa", "ROC-AUC", tuple(curves)))
    alarms = [_alarms(rule, pools) for rule in SWEEP]
    if alarms[0]:
        shares = tuple(Curve(n, KAPPAS, [a[n] for a in alarms]) for n in alarms[0])
        panels.append(Panel("Alarms", "kappa", "share above T", shares))
    if pools.frames:
        f1 = [event_scores(pools.frames, rule.threshold).ours for rule in SWEEP]
        curve = Curve(f"event F1, IoU {EVENT_IOU:g}", KAPPAS, f1)
        panels.append(Panel("Events", "kappa", "F1", (curve,)))
    return Figure(
        name=f"kappa-{data.name}",
        caption=(
            f"{data.name}: kappa moves metrics taken after the threshold, and the share of alarms. "
            "The AUC of the continuous scores cannot depend on it."
        ),
        draw=panels_drawing(panels, columns=2),
        inches=(9.0, 3.0 * (-(-len(panels) // 2)) + 0.4),
    )
