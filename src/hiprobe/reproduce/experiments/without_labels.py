"""The probe compared with what its backbone says without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hiprobe.baselines.asked import (
    CALM_QUESTION,
    HEAD_PROMPTS,
    LADDER,
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
    head_states_of,
    held_out_heads,
    stacked,
)
from hiprobe.baselines.zero_label_video import view_of
from hiprobe.errors import LabelError
from hiprobe.joined import COMMITTEE_READINGS, Member, join_states, members_of
from hiprobe.pipeline import extract_examples
from hiprobe.probe.committee import DESIGN, CommitteeScorer
from hiprobe.probe.selection import choose_layer
from hiprobe.probe.training_set import Indices, TrainingSet, training_set
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.estimate import (
    CLIP_AUC,
    Units,
    difference,
    estimate,
    known_clips,
    weighted_mean,
)
from hiprobe.reproduce.experiment_result import Findings, ResultRow
from hiprobe.reproduce.held_out import Variant, folds_of, held_out, held_out_scores
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.scored import states_digest
from hiprobe.states import LabelledStates

_Floats = NDArray[np.float64]

GAIN = f"probe minus this, {CLIP_AUC}"
ASKED_GAIN = f"gain by the questions, {CLIP_AUC}"
NO_NUMBER, MASS = "answers without a number", "probability of Yes and No"
PROBE = "probe, DLSP layer (labels)"
HEADS = f"{TOP_HEADS} attention heads (labels)"
COMMITTEE, ASKED_COMMITTEE = "committee (labels)", "committee with ten graded questions (labels)"
FIRST, ODD = "first token, two questions (no labels)", "first token, one question (no labels)"
ORDINAL = "first token, ten graded questions (no labels)"
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
    f"Ten graded questions: the mean of P(yes) over steps from {LADDER[0]!r} to {LADDER[-1]!r}, "
    "after COVAS-VAD (arXiv 2609.17211), in our own words.",
    f"Decoded number: {NUMBER_QUESTION!r}; an answer without a number ranks in the middle (0.5).",
    f"Attention heads use labels: the {TOP_HEADS} heads with the highest mean saliency less "
    f"{STABILITY:g} deviations over {len(HEAD_PROMPTS)} prompts, chosen inside each training fold, "
    "with the probe's own scorer.",
    "A committee with the ten graded questions has one more reading, their mean, which counts as "
    "much as any other reading before the members are weighed by held-out evidence.",
)


def run(bench: Bench) -> Findings:
    """Every method on every data set of videos."""
    rows: list[ResultRow] = []
    left_out = []
    for data in bench.request.data:
        if bench.extraction.is_extracted(data):
            left_out.append(f"{data.name}: left out, extracted states answer no questions.")
        else:
            rows += _rows(bench, data)
    return Findings(tuple(rows), (), (*NOTES, *left_out))


def _rows(bench: Bench, data: DataSource) -> list[ResultRow]:
    contest = read_contest(bench, data)
    probe = _by_seed(bench, data, contest, "probe", probe_scores)
    heads = _by_seed(bench, data, contest, "heads", head_scores)
    first, number = contest.answers["first-token"], contest.answers["decoded"]
    graded = contest.answers["ordinal"]
    committee = _by_seed(bench, data, contest, "committee", committee_scores)
    asked = _by_seed(bench, data, contest, "asked committee", asked_committee_scores)
    rivals = {HEADS: heads, COMMITTEE: committee, ASKED_COMMITTEE: asked}
    unlabelled = ((FIRST, first.scores), (ODD, contest.odd), (ORDINAL, graded.scores))
    for name, scores in (*unlabelled, (NUMBER, number.neutral)):
        # without labels nothing is fitted, so no seed moves these scores
        rivals[name] = [scores] * len(probe)
    protocol = PROTOCOL.format(folds=bench.request.folds)
    table = bench.table(data, "The probe beside its own backbone", protocol)
    rows = [table.auc(PROBE, CLIP_AUC, [_units(contest, scores) for scores in probe])]
    for name, seeds in rivals.items():
        rows.append(table.auc(name, CLIP_AUC, [_units(contest, scores) for scores in seeds]))
        pairs = list(zip(probe, seeds, strict=True))
        # the same clips on both sides: those that both have a score for
        mine = [_units(contest, np.where(np.isfinite(b), a, np.nan)) for a, b in pairs]
        theirs = [_units(contest, np.where(np.isfinite(a), b, np.nan)) for a, b in pairs]
        rows.append(table.row(name, GAIN, difference(mine, theirs, draws=table.draws)))
    with_it, without = ([_units(contest, s) for s in own] for own in (asked, committee))
    gain = difference(with_it, without, draws=table.draws)
    rows.append(table.row(ASKED_COMMITTEE, ASKED_GAIN, gain))
    means = [(NUMBER, NO_NUMBER, number.unanswered.astype(np.float64))]
    for name, given in ((FIRST, first), (ORDINAL, graded)):
        if given.mass is not None:
            means.append((name, MASS, given.mass))
    for name, metric, values in means:
        over = [weighted_mean(values)] * len(probe)
        found = estimate(over, [contest.states.sources] * len(probe), draws=table.draws)
        rows.append(table.row(name, metric, found))
    return rows


def _units(contest: Contest, scores: _Floats) -> Units:
    return known_clips(scores, contest.labels, contest.states.sources)


def _by_seed(
    bench: Bench,
    data: DataSource,
    contest: Contest,
    what: str,
    score: Callable[[Contest, Bench, int], list[float]],
) -> list[_Floats]:
    """Held-out scores of each seed; finished seeds are kept.

    Args:
        what: name of the method, under which finished seeds are found again.
        score: gives the scores of one seed.
    """
    digest = states_digest(bench.extraction.examples(data))
    key = {"zero-label": what, "states": digest, "clips": contest.states.names, "views": VERSION}
    # other keys stay as they are, so that kept results of the other methods are still found
    if "committee" in what:
        key["design"] = DESIGN
    found = []
    for seed in bench.request.seeds:
        own = {**key, "seed": seed, "folds": bench.request.folds}
        values = bench.finished.piece(own, partial(score, contest, bench, seed))
        found.append(np.array(values, dtype=np.float64))
        bench.say(f"{data.name}, {what}: seed {seed} is done")
    return found


@dataclass(frozen=True)
class Contest:
    """One data set as all methods saw it; clips that one of them could not read are left out.

    Attributes:
        states: of the clips' key frames, for the probe.
        joined: float32 `[clips, dimensions]`, all readings of a committee side by side.
        members: what lies where in them.
        heads: for each prompt `[clips, layers, heads, width]`.
        answers: of the methods without labels.
        odd: score of the first question alone, not calibrated, `[clips]`.
    """

    states: TrainingSet
    joined: NDArray[np.float32]
    members: tuple[Member, ...]
    heads: tuple[NDArray[np.float32], ...]
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
    # without segments: what is compared is one look at each clip
    examples = bench.extraction.examples(data)
    own = [replace(e, segments=None) for e in examples if e.clip is not None]
    readings = bench.extraction.views(data, COMMITTEE_READINGS)
    asked: tuple[Method, ...] = ("first-token", "ordinal", "decoded")
    given = {method: _answers(bench, data, method) for method in asked}
    views = _heads(bench, data)
    # A method that could read fewer clips would be compared on easier ones.
    names = {e.name for e in own}
    for others in (*given.values(), *views, *readings):
        names &= {e.name for e in others if e.clip is not None}
    kept = [e for e in own if e.name in names]
    if {e.label for e in kept} != {0, 1}:
        raise LabelError(f"{data.name}: one kind has no clip that every method could read")
    order = [e.name for e in kept]
    count = HeadsView(bench.extraction.backbone).heads_backbone.head_count
    odd = [e.clip.values[0, 0] for e in _ordered(given["first-token"], order) if e.clip is not None]
    joined, members = _joined(readings, order)
    return Contest(
        states=training_set(kept),
        joined=joined,
        members=members,
        heads=tuple(stacked(_ordered(view, order), head_count=count) for view in views),
        answers={method: _answered(given[method], order, method) for method in asked},
        odd=np.stack(odd).astype(np.float64)[:, 0],
    )


def probe_scores(contest: Contest, bench: Bench, seed: int) -> list[float]:
    """Held-out scores of the probe: layer by saliency on each training part."""
    data = contest.states
    recipe = replace(Variant("probe").recipe(bench.request, seed=seed), mode="clip")
    pairs = folds_of(data, bench.request, seed=seed)
    layers = [choose_layer(data, train, recipe=recipe) for train, _ in pairs]
    found: list[float] = held_out(data, pairs, layers, mode="clip", recipe=recipe).vector.tolist()
    return found


def head_scores(contest: Contest, bench: Bench, seed: int) -> list[float]:
    """Held-out scores of the chosen heads: chosen and fitted on each training part."""
    pairs = folds_of(contest.states, bench.request, seed=seed)
    found: list[float] = held_out_heads(contest.heads, contest.labels, pairs).tolist()
    return found


def committee_scores(contest: Contest, bench: Bench, seed: int) -> list[float]:
    """Held-out log-odds of the committee."""
    return _held_out_committee(contest.joined, contest.members, contest, bench, seed)


def asked_committee_scores(contest: Contest, bench: Bench, seed: int) -> list[float]:
    """Held-out log-odds of the committee that has the ten graded questions as one member more."""
    # an answer without a number says nothing either way
    graded = np.nan_to_num(contest.answers["ordinal"].scores, nan=0.5)
    values = np.concatenate([contest.joined, graded[:, None].astype(np.float32)], axis=1)
    # A committee knows members by their reading; it does not read this one, so the name is free.
    members = (*contest.members, Member("last_visual", 1, 1))
    return _held_out_committee(values, members, contest, bench, seed)


def _held_out_committee(
    values: NDArray[np.float32],
    members: tuple[Member, ...],
    contest: Contest,
    bench: Bench,
    seed: int,
) -> list[float]:
    scorer, sources = CommitteeScorer(classifier=None, members=members), contest.states.sources

    def score(_: int, train: Indices, held: Indices) -> _Floats:
        groups = [sources[i] for i in train]
        fitted = scorer.fit(values[train], contest.labels[train], groups=groups)
        return fitted.decision(values[held])

    pairs = folds_of(contest.states, bench.request, seed=seed)
    return [float(one) for one in held_out_scores(len(values), pairs, score)]


def _joined(
    views: Sequence[Sequence[LabelledStates]], order: Sequence[str]
) -> tuple[NDArray[np.float32], tuple[Member, ...]]:
    """Clip vectors of all readings side by side, in an order of names, and their layout."""
    rows = zip(*(_ordered(view, order) for view in views), strict=True)
    clips = [[e.clip for e in row if e.clip is not None] for row in rows]
    members = members_of(clips[0])
    found = [join_states({s.reading: s for s in own}, members).values[:, 0] for own in clips]
    return np.concatenate(found), members


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
    read.leave_out(failures)
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
    read.leave_out(failures)
    return views


def _ordered(found: Sequence[LabelledStates], order: Sequence[str]) -> list[LabelledStates]:
    by_name = {e.name: e for e in found}
    return [by_name[name] for name in order]


def _answered(found: Sequence[LabelledStates], order: Sequence[str], method: Method) -> Answered:
    parts = [answered(e.clip, method=method) for e in _ordered(found, order) if e.clip is not None]
    masses = [p.mass for p in parts if p.mass is not None]
    return Answered(
        scores=np.concatenate([p.scores for p in parts]),
        unanswered=np.concatenate([p.unanswered for p in parts]),
        mass=np.concatenate(masses) if masses else None,
    )
