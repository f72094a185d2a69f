"""The probe beside what its backbone says without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hiprobe.baselines.asked import (
    CALM_QUESTION,
    HEAD_PROMPTS,
    NUMBER_QUESTION,
    ODD_QUESTION,
    VERSION,
    Answered,
    Method,
    answered,
)
from hiprobe.baselines.attention_heads import (
    STABILITY,
    TOP_HEADS,
    HeadsView,
    columns,
    fit_heads,
    head_states_of,
    stacked,
)
from hiprobe.baselines.zero_label_video import view_of
from hiprobe.errors import LabelError
from hiprobe.pipeline import Failure, extract_examples
from hiprobe.probe.selection import choose_layer
from hiprobe.probe.training_set import Indices, TrainingSet, grouped_folds, training_set
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.estimate import (
    Estimate,
    Units,
    auc_estimate,
    clip_units,
    estimate,
    weighted_mean,
)
from hiprobe.reproduce.experiment_result import Findings, Row
from hiprobe.reproduce.held_out import Variant
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.rows import Table, difference
from hiprobe.reproduce.scored import states_digest
from hiprobe.states import LabelledStates

_Floats = NDArray[np.float64]
_Heads = NDArray[np.float32]


@dataclass(frozen=True)
class Contest:
    """One data set as all methods saw it; clips that one of them could not read are left out.

    Attributes:
        states: of the clips' key frames, for the probe.
        heads: for each prompt `[clips, layers, heads, width]`.
        answers: of the methods without labels.
        odd: score of the first question alone, not calibrated, `[clips]`.
    """

    states: TrainingSet
    heads: tuple[_Heads, ...]
    answers: Mapping[Method, Answered]
    odd: _Floats

    @property
    def labels(self) -> NDArray[np.int64]:
        """0 normal, 1 anomalous."""
        return self.states.labels


def read_contest(bench: Bench, data: DataSource) -> Contest:
    """Ask and read every clip; what was read before comes from the cache.

    Raises:
        BackboneError: the backbone does not offer what a method reads.
        LabelError: too little can be read of a kind.
    """
    own = _clip_alone(bench.extraction.examples(data))
    asked: tuple[Method, ...] = ("first-token", "decoded")
    given = {method: _answers(bench, data, method) for method in asked}
    views = _heads(bench, data)
    names = {e.name for e in own}
    for others in (*given.values(), *views):
        names &= {e.name for e in others}
    kept = [e for e in own if e.name in names]
    if {e.label for e in kept} != {0, 1}:
        raise LabelError(f"{data.name}: one kind has no clip that every method could read")
    order = [e.name for e in kept]
    count = HeadsView(bench.extraction.backbone).heads_backbone.head_count
    first = _stack(given["first-token"], order)
    return Contest(
        states=training_set(kept),
        heads=tuple(stacked(_ordered(view, order), head_count=count) for view in views),
        answers={method: _answered(given[method], order, method) for method in asked},
        odd=first[:, 0],
    )


def pairs_of(contest: Contest, bench: Bench, *, seed: int) -> list[tuple[Indices, Indices]]:
    """Folds of a seed, grouped by source."""
    data = contest.states
    return grouped_folds(data.labels, data.sources, folds=bench.request.folds, seed=seed)


def probe_scores(contest: Contest, bench: Bench, seed: int) -> list[float]:
    """Held-out scores of the probe: layer by saliency on each training part."""
    recipe = Variant("probe").recipe(bench.request, seed=seed)
    data, found = contest.states, np.full(len(contest.labels), np.nan)
    for train, held in pairs_of(contest, bench, seed=seed):
        layer = choose_layer(data, train, recipe=replace(recipe, mode="clip"))
        x = data.vectors("clip", layer)
        found[held] = recipe.scorer.fit(x[train], data.labels[train]).probability(x[held])
    return [float(v) for v in found]


def head_scores(contest: Contest, bench: Bench, seed: int) -> list[float]:
    """Held-out scores of the chosen heads: chosen and fitted on each training part."""
    found = np.full(len(contest.labels), np.nan)
    for train, held in pairs_of(contest, bench, seed=seed):
        parts = [states[train] for states in contest.heads]
        fitted = fit_heads(parts, contest.labels[train])
        chosen = columns(contest.heads[0][held], fitted.heads)
        found[held] = fitted.scorer.probability(chosen)
    return [float(v) for v in found]


def _clip_alone(examples: Sequence[LabelledStates]) -> list[LabelledStates]:
    """Without segments: what is compared is one look at each clip."""
    return [replace(e, segments=None) for e in examples if e.clip is not None]


def _answers(bench: Bench, data: DataSource, method: Method) -> list[LabelledStates]:
    read = bench.extraction
    with read.listen(f"{data.name}, {method}") as progress:
        found, failures = extract_examples(
            read.clips(data),
            backbone=view_of(read.backbone, method=method),
            settings=replace(read.settings(), layers=None, readings=("last",)),
            want=("clip",),
            cache=read.cache,
            progress=progress,
        )
    _note(bench, failures)
    return found


def _heads(bench: Bench, data: DataSource) -> list[list[LabelledStates]]:
    read = bench.extraction
    with read.listen(f"{data.name}, heads") as progress:
        views, failures = head_states_of(
            read.clips(data),
            backbone=read.backbone,
            settings=read.settings(),
            cache=read.cache,
            progress=progress,
        )
    _note(bench, failures)
    return views


def _note(bench: Bench, failures: Sequence[Failure]) -> None:
    known = {f.video for f in bench.extraction.failures}
    bench.extraction.failures += [f for f in failures if f.video not in known]


def _ordered(found: Sequence[LabelledStates], order: Sequence[str]) -> list[LabelledStates]:
    by_name = {e.name: e for e in found}
    return [by_name[name] for name in order]


def _stack(found: Sequence[LabelledStates], order: Sequence[str]) -> _Floats:
    rows = [e.clip.values[0, 0] for e in _ordered(found, order) if e.clip is not None]
    return np.stack(rows).astype(np.float64)


def _answered(found: Sequence[LabelledStates], order: Sequence[str], method: Method) -> Answered:
    parts = [answered(e.clip, method=method) for e in _ordered(found, order) if e.clip is not None]
    masses = [p.mass for p in parts if p.mass is not None]
    return Answered(
        scores=np.concatenate([p.scores for p in parts]),
        unanswered=np.concatenate([p.unanswered for p in parts]),
        mass=np.concatenate(masses) if masses else None,
    )


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
