"""The part of table 4 on the threshold: the same scores before it, gated by it and cut by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe.localize import KAPPA
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.drawing import Curve, Panel, panels_drawing
from hiprobe.reproduce.estimate import Units, auc_estimate, precision_estimate
from hiprobe.reproduce.facts import paper_numbers
from hiprobe.reproduce.pooled import Pool
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.result import Figure, PaperNumber, Row
from hiprobe.reproduce.rows import EVENT_IOU, SeedPools, Table, event_match, event_scores, value

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
