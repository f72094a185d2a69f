"""Rules for choosing the layer, compared on the same folds and the same fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.probe.folds import grouped_folds, roc_auc
from hiprobe.probe.selection import Recipe, candidate_layers, choose_layer
from hiprobe.probe.training_set import Mode, TrainingSet
from hiprobe.reproduce.held_out import HeldOut, Pairs, held_out

_Floats = NDArray[np.float64]

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
