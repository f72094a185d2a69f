"""The probe beside what the same backbone says or holds without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hiprobe.reproduce.baselines import Contest, head_scores, probe_scores, read_contest
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.estimate import (
    Estimate,
    Units,
    auc_estimate,
    clip_units,
    estimate,
    weighted_mean,
)
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.result import Findings, Row
from hiprobe.reproduce.rows import Table, difference
from hiprobe.reproduce.scored import states_digest
from hiprobe.zero_label.heads import STABILITY, TOP_HEADS
from hiprobe.zero_label.questions import (
    CALM_QUESTION,
    HEAD_PROMPTS,
    NUMBER_QUESTION,
    ODD_QUESTION,
)
from hiprobe.zero_label.views import VERSION

AUC, GAIN = "clip AUC", "probe minus this, clip AUC"
NO_NUMBER, MASS = "answers without a number", "probability of Yes and No"
PROBE = "probe, DLSP layer (labels)"
HEADS = f"{TOP_HEADS} attention heads (labels)"
FIRST, ODD = "first token, two questions (no labels)", "first token, one question (no labels)"
NUMBER = "decoded number (no labels)"
PROTOCOL = (
    "{folds} folds grouped by source; with labels: fitted on the training sources, tested on the "
    "others; intervals over sources"
)

_Floats = NDArray[np.float64]

NOTES = (
    "Every method sees the same key frames of a clip in one look, so the table compares what is "
    "read of the backbone, not how a video is cut.",
    f"First token: log-odds of Yes against No for {ODD_QUESTION!r}, less those for "
    f"{CALM_QUESTION!r}, each less those of a grey clip; one question: the first alone.",
    f"Decoded number: {NUMBER_QUESTION!r}; an answer without a number ranks in the middle (0.5).",
    f"Attention heads use labels: the {TOP_HEADS} heads with the highest mean saliency less "
    f"{STABILITY:g} deviations over {len(HEAD_PROMPTS)} prompts, chosen inside each training fold, "
    "with the probe's own scorer.",
)


def run(bench: Bench) -> Findings:
    """Every method on every data set of videos."""
    rows: list[Row] = []
    left_out = []
    for data in bench.request.data:
        if bench.extraction.is_extracted(data):
            left_out.append(f"{data.name}: left out, extracted states answer no questions.")
        else:
            rows += _rows(bench, data)
    return Findings(tuple(rows), (), (*NOTES, *left_out))


def _rows(bench: Bench, data: DataSource) -> list[Row]:
    contest = read_contest(bench, data)
    probe = _by_seed(bench, data, contest, "probe", probe_scores)
    heads = _by_seed(bench, data, contest, "heads", head_scores)
    first, number = contest.answers["first-token"], contest.answers["decoded"]
    without = {FIRST: first.scores, ODD: contest.odd, NUMBER: number.neutral}
    maker = _Maker(Table(bench, data, "The probe beside its own backbone"), contest, probe)
    rows = [maker.area(PROBE, probe), *maker.rival(HEADS, heads)]
    for name, scores in without.items():
        rows += maker.rival(name, [scores] * len(probe))
    rows.append(maker.mean(NUMBER, NO_NUMBER, number.unanswered))
    if first.mass is not None:
        rows.append(maker.mean(FIRST, MASS, first.mass))
    return rows


def _by_seed(
    bench: Bench,
    data: DataSource,
    contest: Contest,
    what: str,
    score: Callable[[Contest, Bench, int], list[float]],
) -> list[_Floats]:
    """Held-out scores of each seed; finished seeds are kept."""
    digest = states_digest(bench.extraction.examples(data))
    key = {"zero-label": what, "states": digest, "clips": contest.states.names, "views": VERSION}
    found = []
    for seed in bench.request.seeds:
        own = {**key, "seed": seed, "folds": bench.request.folds}
        found.append(bench.kept.piece(own, partial(score, contest, bench, seed)))
        bench.say(f"{data.name}, {what}: seed {seed} is done")
    return [np.array(values, dtype=np.float64) for values in found]


@dataclass(frozen=True)
class _Maker:
    """Rows of one data set; `probe` holds the scores that all others are compared with."""

    table: Table
    contest: Contest
    probe: Sequence[_Floats]

    def area(self, name: str, seeds: Sequence[_Floats]) -> Row:
        """AUC over clips."""
        units = [self._units(scores, np.isfinite(scores)) for scores in seeds]
        found = auc_estimate(units, draws=self.table.bench.request.draws)
        return self._row(name, AUC, found)

    def rival(self, name: str, seeds: Sequence[_Floats]) -> list[Row]:
        """AUC, and the probe's gain over it on the same clips and draws of sources."""
        mine, theirs = [], []
        for own, other in zip(self.probe, seeds, strict=True):
            known = np.isfinite(own) & np.isfinite(other)
            mine.append(self._units(own, known))
            theirs.append(self._units(other, known))
        gain = difference(mine, theirs, draws=self.table.bench.request.draws)
        return [self.area(name, seeds), self._row(name, GAIN, gain)]

    def mean(self, name: str, metric: str, values: NDArray[np.bool_] | _Floats) -> Row:
        """Mean over clips; sources are drawn as for the others."""
        over = weighted_mean(np.asarray(values, dtype=np.float64))
        draws, count = self.table.bench.request.draws, len(self.probe)
        found = estimate([over] * count, [self.contest.states.sources] * count, draws=draws)
        return self._row(name, metric, found)

    def _row(self, name: str, metric: str, found: Estimate) -> Row:
        protocol = PROTOCOL.format(folds=self.table.bench.request.folds)
        return self.table.row(name, metric, found, protocol=protocol)

    def _units(self, scores: _Floats, known: NDArray[np.bool_]) -> Units:
        data, rows = self.contest.states, np.flatnonzero(known)
        sources = [data.sources[i] for i in rows]
        return clip_units(scores[rows].tolist(), data.labels[rows].tolist(), sources)
