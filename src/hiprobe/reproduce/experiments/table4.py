"""Table 4: which layer, which scorer, and what the threshold does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe.paper import KAPPA
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.drawing import Curve, Panel, panels_drawing
from hiprobe.reproduce.estimate import Estimate, Units, auc_estimate, precision_estimate
from hiprobe.reproduce.experiment_result import Figure, Findings, PaperNumber, Row, paper_numbers
from hiprobe.reproduce.held_out import Variant
from hiprobe.reproduce.pooled import Pool
from hiprobe.reproduce.request import DataSource, Steps
from hiprobe.reproduce.rows import (
    CLIP_AUC,
    EVENT_IOU,
    FRAME_AUC,
    LAYER,
    SeedPools,
    Table,
    difference,
    event_match,
    event_scores,
    pools_of,
    value,
)
from hiprobe.reproduce.scored import Scored, score_variants
from hiprobe.states import LabelledStates

FIXED = (0.25, 0.5, 0.75)
KAPPAS = (-1.0, -0.5, 0.0, KAPPA, 0.5, 1.0, 1.5, 2.0)
"""The sweep; the paper's own lies in it."""

Threshold = Callable[[Pool], NDArray[np.float64]]


@dataclass(frozen=True)
class Rule:
    """How T is set."""

    name: str
    threshold: Threshold
    paper: tuple[PaperNumber, ...] = ()


def rules() -> tuple[Rule, ...]:
    """The thresholds of the paper's table 4, and the literal reading of its equation 10."""
    fixed = [Rule(f"T = {t:g}", _fixed(t), paper_numbers(f"T = {t:g}")) for t in FIXED]
    return (
        *fixed,
        Rule(f"adaptive, kappa {KAPPA:g}", _adaptive(KAPPA), paper_numbers("full")),
        Rule(f"adaptive, kappa {KAPPA:g}, scores of the training fit", _literal(KAPPA)),
    )


def threshold_rows(bench: Bench, data: DataSource, pools: SeedPools) -> list[Row]:
    """The rules, then the sweep of kappa."""
    found: list[Row] = []
    sweep = tuple(Rule(f"kappa {k:g}", _adaptive(k)) for k in KAPPAS)
    for section, own in (("Threshold", rules()), ("Sweep of kappa", sweep)):
        table = Table(bench, data, section, "DLSP layer, logistic regression")
        for rule in own:
            found += _rows_of(table, rule, pools)
    return found


def _rows_of(table: Table, rule: Rule, pools: SeedPools) -> list[Row]:
    draws, rows = table.bench.request.draws, []
    groups: tuple[tuple[str, tuple[Pool, ...]], ...] = (
        ("highest-segment", pools.clips),
        ("frame", pools.frames),
    )
    for unit, own in groups:
        for variant, change in _changes(rule) if own else ():
            units = [change(p) for p in own]
            name = f"{unit} AUC, {variant}"
            found = auc_estimate(units, draws=draws)
            rows.append(
                table.row(rule.name, name, found, protocol=pools.protocol, paper=rule.paper)
            )
    if pools.frames:
        gated = [p.gated(rule.threshold(p)) for p in pools.frames]
        found = precision_estimate(gated, draws=draws)
        rows.append(table.row(rule.name, "frame AP, gated", found, protocol=pools.protocol))
        events = event_scores(pools.frames, rule.threshold)
        name = f"event F1 at IoU {EVENT_IOU:g}"
        rows.append(table.row(rule.name, name, events, protocol=pools.protocol))
    for name, share in _alarms(rule, pools).items():
        rows.append(table.row(rule.name, name, value(share), protocol=pools.protocol))
    return rows


def _changes(rule: Rule) -> tuple[tuple[str, Callable[[Pool], Units]], ...]:
    return (
        ("continuous", lambda p: p.units),
        ("gated", lambda p: p.gated(rule.threshold(p))),
        ("binary", lambda p: p.binary(rule.threshold(p))),
    )


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


def kappa_figure(data: DataSource, pools: SeedPools) -> Figure:
    """What the sweep of kappa moves: metrics after the threshold, and alarms."""
    alarms = [_alarms(Rule("", _adaptive(k)), pools) for k in KAPPAS]
    panels = []
    for unit, own in (("highest-segment", pools.clips), ("frame", pools.frames)):
        if own:
            panels.append(_metric_panel(unit, own))
    if alarms[0]:
        curves = tuple(Curve(n, KAPPAS, [a[n] for a in alarms]) for n in alarms[0])
        panels.append(Panel("Alarms", "kappa", "share above T", curves))
    if pools.frames:
        f1 = [
            float(np.mean([event_match(p, _adaptive(k)(p)).f1 for p in pools.frames]))
            for k in KAPPAS
        ]
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


def _metric_panel(unit: str, own: tuple[Pool, ...]) -> Panel:
    curves = []
    for number, name in enumerate(("continuous", "gated", "binary")):
        changes = [_changes(Rule("", _adaptive(k)))[number][1] for k in KAPPAS]
        values = [auc_estimate([c(p) for p in own], draws=1).ours for c in changes]
        curves.append(Curve(name, KAPPAS, values))
    return Panel(f"{unit} AUC", "kappa", "ROC-AUC", tuple(curves))


def _fixed(threshold: float) -> Threshold:
    return lambda pool: np.full(len(pool.mean), threshold)


def _adaptive(kappa: float) -> Threshold:
    return lambda pool: pool.threshold(kappa)


def _literal(kappa: float) -> Threshold:
    return lambda pool: pool.threshold(kappa, training=True)


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
