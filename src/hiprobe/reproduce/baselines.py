"""Scores of the same clips by the probe and by what needs no probe, held out where labels are used.

Everyone sees the same: the key frames of a clip in one look. Heads and probe are fitted on the
training part of each fold, and choose their heads and layer in there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError
from hiprobe.pipeline import Failure, extract_examples
from hiprobe.probe.folds import Indices, grouped_folds
from hiprobe.probe.selection import choose_layer
from hiprobe.probe.training_set import TrainingSet, training_set
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.fits import Variant
from hiprobe.reproduce.request import DataSource
from hiprobe.states import LabelledStates
from hiprobe.zero_label import Answered, answered, fit_heads, view_of
from hiprobe.zero_label.choosing import head_states_of, stacked
from hiprobe.zero_label.head_views import HeadsView
from hiprobe.zero_label.heads import columns
from hiprobe.zero_label.questions import Method

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
