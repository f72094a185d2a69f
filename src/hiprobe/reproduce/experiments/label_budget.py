"""AUC against the number of labelled clips: how many does one need?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.drawing import metric_panels, panels_drawing
from hiprobe.reproduce.estimate import FRAME_AUC, HIGHEST_AUC, Estimate, auc_estimate
from hiprobe.reproduce.experiment_result import Figure, Findings, ResultRow
from hiprobe.reproduce.frame_probe import FrameTest
from hiprobe.reproduce.held_out import Variant
from hiprobe.reproduce.pooled import pool_clips, pool_frames
from hiprobe.reproduce.request import DataSource, Steps
from hiprobe.reproduce.scored import ScoredTest, score_tests
from hiprobe.reproduce.video_folds import tests_of
from hiprobe.states import LabelledStates

DRAWS_OF_A_SEED = 4
PROBE = Variant("probe")
# Stands for all clips of a training part: more than any data set has.
ALL = 10**6
NOTES = (
    "In each fold this number of clips of each kind is drawn from the training sources, from as "
    "many sources as there are; layer and scorer see those alone. Held-out clips are the same for "
    "all budgets of a seed.",
    "The spread is over draws of clips and folds; it holds no uncertainty of which recordings "
    "were made at all.",
    "With one clip of each kind no variance can be estimated, so the middle layer is read.",
)


def run(bench: Bench) -> Findings:
    """Every budget on every data set."""
    rows: list[ResultRow] = []
    for data in bench.request.data:
        rows += _rows(bench, data)  # says how far it is: data sets differ in budgets
    return Findings(tuple(rows), (_figure(bench, rows),), NOTES)


def _rows(bench: Bench, data: DataSource) -> list[ResultRow]:
    rows: list[ResultRow] = []
    wanted = budgets(bench.extraction.examples(data), folds=bench.request.folds)
    draws = len(bench.request.seeds) * sum(_draw_count(budget) for budget in wanted)
    steps = Steps(bench.say, f"label-budget, {data.name}", draws)
    for budget in wanted:
        values: dict[str, list[float]] = {}
        seconds, protocol = 0.0, ""
        for tests in _draws(bench, data, budget):
            steps.step(f"{words(budget)} of each kind")
            protocol = tests[0].test.protocol
            seconds += sum(t.seconds for t in tests)
            for metric, found in _aucs(tests).items():
                values.setdefault(metric, []).append(found)
        spread = f"{protocol}; brackets hold the middle 95 % of the draws"
        table = bench.table(data, "Labelled clips of each kind", spread)
        for metric, drawn in values.items():
            low, high = np.quantile(drawn, (0.025, 0.975))
            value = Estimate(float(np.mean(drawn)), float(low), float(high))
            rows.append(table.row(words(budget), metric, value, seconds=seconds))
            seconds = 0.0  # all metrics of a budget take one pass
    return rows


def budgets(examples: Sequence[LabelledStates], *, folds: int) -> list[int]:
    """1, 2, 4, ... as far as the rarer kind reaches in a training part, then all."""
    most = _rarer(examples, folds=folds)
    return [1, *(2**i for i in range(1, 20) if 2**i < most), ALL]


def _draw_count(budget: int) -> int:
    """How many draws a seed has: with all clips only one."""
    return 1 if budget == ALL else DRAWS_OF_A_SEED


def _draws(bench: Bench, data: DataSource, budget: int) -> Iterator[list[ScoredTest]]:
    """Scored tests of each draw."""
    for seed in bench.request.seeds:
        for draw in range(_draw_count(budget)):
            # The budget is part of the seed: small draws are not parts of the larger ones, so that
            # points of the curve are independent.
            rng = np.random.default_rng([seed, draw, budget])
            tests = (_fewer(t, budget, rng) for t in tests_of(bench, data, seed=seed))
            yield score_tests(bench, tests, [PROBE], seed=seed)[PROBE.name]


def _fewer(test: FrameTest, budget: int, rng: np.random.Generator) -> FrameTest:
    if budget == ALL:
        return test
    return replace(test, fit=draw_clips(test.fit, per_class=budget, rng=rng))


def draw_clips(
    examples: Sequence[LabelledStates], *, per_class: int, rng: np.random.Generator
) -> tuple[LabelledStates, ...]:
    """`per_class` clips of each kind, no source twice while there are others; all where fewer.

    Args:
        rng: decides which clips, and which sources first.
    """
    found: list[LabelledStates] = []
    for label in (0, 1):
        own = [e for e in examples if e.label == label]
        order = [own[i] for i in rng.permutation(len(own))]
        seen: dict[str, int] = {}
        rank = []
        for example in order:
            seen[example.source] = seen.get(example.source, 0) + 1
            rank.append(seen[example.source])
        # First one clip of every source, then a second one of each, and so on.
        by_turn = sorted(range(len(order)), key=lambda i: rank[i])
        found += [order[i] for i in by_turn[:per_class]]
    return tuple(found)


def _aucs(tests: Sequence[ScoredTest]) -> dict[str, float]:
    pools = {HIGHEST_AUC: pool_clips(tests), FRAME_AUC: pool_frames(tests)}
    return {
        metric: auc_estimate([pool.units], draws=1).ours
        for metric, pool in pools.items()
        if pool is not None
    }


def words(budget: int) -> str:
    """A budget as the table shows it."""
    return "all" if budget == ALL else str(budget)


def _figure(bench: Bench, rows: Sequence[ResultRow]) -> Figure:
    most = {
        data.name: _rarer(bench.extraction.examples(data), folds=bench.request.folds)
        for data in bench.request.data
    }
    counts = [int(r.setting) for r in rows if r.setting != words(ALL)]
    ticks = tuple((float(2**i), str(2**i)) for i in range(max(counts).bit_length()))
    panels = metric_panels(
        rows,
        lambda r: float(most[r.data] if r.setting == words(ALL) else int(r.setting)),
        x_label="labelled clips of each kind",
        ticks=ticks,
    )
    caption = (
        "AUC against the number of labelled clips of each kind; the band is the middle 95 % of "
        "draws. The last point of a curve takes all clips of the training folds: it stands at the "
        "count of the rarer kind."
    )
    drawing = panels_drawing(panels, columns=2)
    return Figure("label-budget", caption, drawing, (4.6 * len(panels) + 0.4, 3.6))


def _rarer(examples: Sequence[LabelledStates], *, folds: int) -> int:
    """About how many clips of the rarer kind a training part has."""
    counts = np.bincount([e.label for e in examples], minlength=2)
    return max(1, int(counts.min() * (1 - 1 / folds)))
