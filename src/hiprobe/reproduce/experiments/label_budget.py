"""AUC against the number of labelled clips: how many does one need?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.drawing import Curve, Panel, panels_drawing
from hiprobe.reproduce.estimate import auc_estimate
from hiprobe.reproduce.experiment_result import Figure, Findings, Row
from hiprobe.reproduce.frame_probe import FrameTest
from hiprobe.reproduce.held_out import Variant
from hiprobe.reproduce.pooled import pool_clips, pool_frames
from hiprobe.reproduce.request import DataSource, Steps
from hiprobe.reproduce.rows import CLIP_AUC, FRAME_AUC
from hiprobe.reproduce.scored import ScoredTest, score_tests
from hiprobe.reproduce.video_folds import tests_of
from hiprobe.states import LabelledStates

DRAWS_OF_A_SEED = 4
PROBE = Variant("probe")
ALL = 10**6
NOTES = (
    "In each fold so many clips of each kind are drawn from the training sources, from as many "
    "sources as there are; layer and scorer see those alone. Held-out clips are the same for all "
    "budgets of a seed.",
    "The spread is over draws of clips and folds; it holds no uncertainty of which recordings "
    "were made at all.",
    "With one clip of each kind no variance can be estimated, so the middle layer is read.",
)


def run(bench: Bench) -> Findings:
    """Every budget on every data set."""
    rows: list[Row] = []
    for data in bench.request.data:
        rows += _rows(bench, data)  # says how far it is: data sets differ in budgets
    return Findings(tuple(rows), (_figure(bench, rows),), NOTES)


def budgets(examples: Sequence[LabelledStates], *, folds: int) -> list[int]:
    """1, 2, 4, ... as far as the rarer kind reaches in a training part, then all."""
    most = _rarer(examples, folds=folds)
    return [1, *(2**i for i in range(1, 20) if 2**i < most), ALL]


def draw_clips(
    examples: Sequence[LabelledStates], *, per_class: int, rng: np.random.Generator
) -> tuple[LabelledStates, ...]:
    """So many clips of each kind, no source twice while there are others; all where fewer."""
    found: list[LabelledStates] = []
    for label in (0, 1):
        own = [e for e in examples if e.label == label]
        order = [own[i] for i in rng.permutation(len(own))]
        seen: dict[str, int] = {}
        rank = []
        for example in order:
            seen[example.source] = seen.get(example.source, 0) + 1
            rank.append(seen[example.source])
        by_turn = sorted(range(len(order)), key=lambda i: rank[i])
        found += [order[i] for i in by_turn[:per_class]]
    return tuple(found)


def _rows(bench: Bench, data: DataSource) -> list[Row]:
    rows: list[Row] = []
    wanted = budgets(bench.extraction.examples(data), folds=bench.request.folds)
    seeds = len(bench.request.seeds)
    steps = Steps(bench.say, f"label-budget, {data.name}", seeds * _draw_count(wanted))
    for budget in wanted:
        values: dict[str, list[float]] = {}
        seconds, protocol = 0.0, ""
        for tests in _draws(bench, data, budget):
            steps.step(f"{words(budget)} of each kind")
            protocol = tests[0].test.protocol
            seconds += sum(t.seconds for t in tests)
            for metric, found in _aucs(tests).items():
                values.setdefault(metric, []).append(found)
        for number, (metric, drawn) in enumerate(values.items()):
            taken = 0.0 if number else seconds
            rows.append(_row(bench, data, budget, metric, drawn, protocol, taken))
    return rows


def _draw_count(wanted: Sequence[int]) -> int:
    return sum(1 if budget == ALL else DRAWS_OF_A_SEED for budget in wanted)


def _draws(bench: Bench, data: DataSource, budget: int) -> Iterator[list[ScoredTest]]:
    """Scored tests of each draw; with all clips there is one draw for each seed."""
    for seed in bench.request.seeds:
        for draw in range(_draw_count([budget])):
            rng = np.random.default_rng([seed, draw, budget])
            tests = (_fewer(t, budget, rng) for t in tests_of(bench, data, seed=seed))
            yield score_tests(bench, tests, [PROBE], seed=seed)[PROBE.name]


def _fewer(test: FrameTest, budget: int, rng: np.random.Generator) -> FrameTest:
    if budget == ALL:
        return test
    return replace(test, fit=draw_clips(test.fit, per_class=budget, rng=rng))


def _aucs(tests: Sequence[ScoredTest]) -> dict[str, float]:
    clips, frames = pool_clips(tests), pool_frames(tests)
    found = {}
    if clips is not None:
        found[CLIP_AUC] = auc_estimate([clips.units], draws=1).ours
    if frames is not None:
        found[FRAME_AUC] = auc_estimate([frames.units], draws=1).ours
    return found


def _row(
    bench: Bench,
    data: DataSource,
    budget: int,
    metric: str,
    drawn: Sequence[float],
    protocol: str,
    seconds: float,
) -> Row:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Row(
        data=data.name,
        setting=words(budget),
        metric=metric,
        ours=float(np.mean(drawn)),
        low=float(low),
        high=float(high),
        protocol=f"{protocol}; brackets hold the middle 95 % of the draws",
        seeds=bench.request.seeds,
        seconds=seconds,
        section="Labelled clips of each kind",
    )


def words(budget: int) -> str:
    """A budget as the table shows it."""
    return "all" if budget == ALL else str(budget)


def _figure(bench: Bench, rows: Sequence[Row]) -> Figure:
    metrics = list(dict.fromkeys(r.metric for r in rows))
    ticks = tuple((float(2**i), str(2**i)) for i in range(_most_doublings(rows) + 1))
    panels = [
        Panel(
            metric,
            "labelled clips of each kind",
            metric,
            tuple(_curve(bench, data, metric, rows) for data in bench.request.data),
            log_x=True,
            ticks=ticks,
        )
        for metric in metrics
    ]
    caption = (
        "AUC against the number of labelled clips of each kind; the band is the middle 95 % of "
        "draws. The last point of a curve takes all clips of the training folds: it stands at the "
        "count of the rarer kind."
    )
    drawing = panels_drawing(panels, columns=2)
    return Figure("label-budget", caption, drawing, (4.6 * len(panels) + 0.4, 3.6))


def _curve(bench: Bench, data: DataSource, metric: str, rows: Sequence[Row]) -> Curve:
    own = [r for r in rows if r.data == data.name and r.metric == metric]
    most = _rarer(bench.extraction.examples(data), folds=bench.request.folds)
    x = [float(most if r.setting == words(ALL) else int(r.setting)) for r in own]
    low = [r.ours if r.low is None else r.low for r in own]
    high = [r.ours if r.high is None else r.high for r in own]
    return Curve(data.name, x, [r.ours for r in own], low, high)


def _most_doublings(rows: Sequence[Row]) -> int:
    return max(int(r.setting).bit_length() - 1 for r in rows if r.setting != words(ALL))


def _rarer(examples: Sequence[LabelledStates], *, folds: int) -> int:
    """Clips of the rarer kind in a training part, about."""
    counts = np.bincount([e.label for e in examples], minlength=2)
    return max(1, int(counts.min() * (1 - 1 / folds)))
