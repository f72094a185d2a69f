"""Ways to choose a layer, compared on the same folds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.probe.selection import Recipe, candidate_layers, choose_layer
from hiprobe.probe.training_set import Mode, TrainingSet, grouped_folds, roc_auc, training_set
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.experiment_result import Row
from hiprobe.reproduce.held_out import HeldOut, Pairs, held_out
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.scored import states_digest

SHARE = 0.8
"""Part of the sources in one draw. They are taken without repetition: equal clips would have
distance 0 from each other and make classes look denser than they are."""

DRAWS_OF_A_SEED = 20
SPREAD = "all clips; brackets hold the middle 95 % of {draws} draws of 80 % of the sources"

_Floats = NDArray[np.float64]
Measure = Callable[[_Floats, NDArray[np.int64]], dict[str, list[float]]]
"""Vectors `[clips, layers, width]` and labels to each measure's value on every layer."""


@dataclass(frozen=True)
class LayerDraws:
    """Measures of every layer, float64 `[layers]` on all clips and `[draws, layers]` on parts."""

    data: str
    layers: tuple[int, ...]
    whole: dict[str, _Floats]
    parts: dict[str, _Floats]
    seconds: float

    def band(self, measure: str) -> tuple[_Floats, _Floats]:
        """Middle 95 % of the draws of each layer; the value itself where there are none."""
        parts = self.parts[measure]
        if not len(parts) or np.isnan(parts).all():
            return self.whole[measure], self.whole[measure]
        low, high = np.nanquantile(parts, (0.025, 0.975), axis=0)
        return low, high

    def rows(self, bench: Bench, section: str) -> list[Row]:
        """A row for each layer and measure."""
        found = []
        for name, values in self.whole.items():
            low, high = self.band(name)
            for place, layer in enumerate(self.layers):
                found.append(
                    Row(
                        data=self.data,
                        setting=f"{layer} (paper: {layer - 1})",
                        metric=name,
                        ours=float(values[place]),
                        low=float(low[place]),
                        high=float(high[place]),
                        protocol=SPREAD.format(draws=len(self.parts[name])),
                        seeds=bench.request.seeds,
                        section=section,
                    )
                )
        return found


def measure_layers(bench: Bench, data: DataSource, name: str, measure: Measure) -> LayerDraws:
    """Take a measure on all clips and on draws of their sources; finished seeds are kept."""
    examples = bench.extraction.examples(data)
    clips, digest = training_set(examples), states_digest(examples)
    vectors = clip_vectors(clips)

    def whole() -> dict[str, list[float]]:
        return measure(vectors, clips.labels)

    def parts(seed: int) -> list[dict[str, list[float]]]:
        bench.say(f"{data.name}: {name}, draws of seed {seed}")
        chosen = source_draws(clips.sources, clips.labels, seed=seed, draws=DRAWS_OF_A_SEED)
        return [measure(vectors[rows], clips.labels[rows]) for rows in chosen]

    key = {"states": digest, "measure": name}
    began = time.monotonic()
    values = bench.kept.piece({**key, "part": "whole"}, whole)
    drawn = []
    for seed in bench.request.seeds:
        drawn += bench.kept.piece({**key, "seed": seed}, partial(parts, seed))
    return LayerDraws(
        data=data.name,
        layers=candidate_layers(clips),
        whole={m: np.array(v, np.float64) for m, v in values.items()},
        parts={m: np.array([d[m] for d in drawn], np.float64) for m in values},
        seconds=time.monotonic() - began,
    )


def clip_vectors(clips: TrainingSet) -> _Floats:
    """One vector of each clip on every layer but 0, `[clips, layers, width]`."""
    unit: Any = "clip" if clips.clips is not None else "segment_mean"
    return np.stack([clips.vectors(unit, n) for n in candidate_layers(clips)], axis=1)


def source_draws(
    sources: Sequence[str], labels: NDArray[np.int64], *, seed: int, draws: int
) -> list[NDArray[np.int64]]:
    """Clips of `SHARE` of the sources, drawn without repetition; each keeps two of both kinds."""
    rng, names = np.random.default_rng(seed), np.array(sorted(set(sources)))
    count = max(1, round(SHARE * len(names)))
    found = []
    for _ in range(20 * draws):
        kept = set(rng.choice(names, size=count, replace=False).tolist())
        rows = np.array([i for i, s in enumerate(sources) if s in kept], dtype=np.int64)
        if min(np.bincount(labels[rows], minlength=2)) > 1:
            found.append(rows)
        if len(found) == draws:
            break
    return found


RULES = ("DLSP", "best by inner cross-validation", "last", "middle", "random layer")
"""Rules that a user could follow; the oracle is none of them."""

ORACLE = "oracle: best layer on the test folds, which nobody can know"

RANDOM_PICKS = 50
"""Random choices of one layer a fold, over which "random layer" is a mean."""

INNER_FOLDS = 5


def every_layer(
    data: TrainingSet, pairs: Pairs, *, mode: Mode, recipe: Recipe
) -> dict[int, HeldOut]:
    """Held-out scores with each layer fixed."""
    return {
        n: held_out(
            data,
            pairs,
            [n] * len(pairs),
            mode=mode,
            scorer=recipe.scorer,
            sigma_segments=recipe.sigma_segments,
        )
        for n in candidate_layers(data)
    }


def inner_choice(data: TrainingSet, train: NDArray[np.int64], *, recipe: Recipe) -> int:
    """The layer whose clip vectors separate best in folds of the training part alone."""
    labels, sources = data.labels[train], [data.sources[i] for i in train]
    pairs = grouped_folds(labels, sources, folds=INNER_FOLDS, seed=recipe.seed)
    if not pairs:
        return choose_layer(data, train, recipe=recipe)
    unit: Literal["clip", "segment_mean"] = "clip" if data.clips is not None else "segment_mean"
    areas = []
    for layer in candidate_layers(data):
        x, scores = data.vectors(unit, layer)[train], np.full(len(train), np.nan)
        for fit, held in pairs:
            scores[held] = recipe.scorer.fit(x[fit], labels[fit]).probability(x[held])
        areas.append(roc_auc(labels, scores))
    return candidate_layers(data)[int(np.nanargmax(areas))]


def chosen_layers(data: TrainingSet, pairs: Pairs, *, recipe: Recipe) -> dict[str, list[int]]:
    """Layer of each fold under each rule but the random one."""
    middle = max(1, data.layer_count // 2)
    return {
        "DLSP": [choose_layer(data, train, recipe=recipe) for train, _ in pairs],
        "best by inner cross-validation": [
            inner_choice(data, train, recipe=recipe) for train, _ in pairs
        ],
        "last": [candidate_layers(data)[-1]] * len(pairs),
        "middle": [min(candidate_layers(data), key=lambda n: abs(n - middle))] * len(pairs),
    }


def assemble(by_layer: Mapping[int, _Floats], pairs: Pairs, layers: Sequence[int]) -> _Floats:
    """Held-out scores of a rule, each fold's from the layer chosen there."""
    scores = np.full(len(next(iter(by_layer.values()))), np.nan)
    for (_, held), layer in zip(pairs, layers, strict=True):
        scores[held] = by_layer[layer][held]
    return scores


def random_choices(layers: Sequence[int], folds: int, *, seed: int) -> list[list[int]]:
    """`RANDOM_PICKS` times one random layer for each fold."""
    rng = np.random.default_rng(seed)
    return [[int(n) for n in rng.choice(layers, size=folds)] for _ in range(RANDOM_PICKS)]


def oracle_layer(labels: NDArray[np.int64], by_layer: Mapping[int, _Floats]) -> int:
    """The layer with the highest AUC on the held-out clips themselves."""
    return max(by_layer, key=lambda n: roc_auc(labels, by_layer[n]))
