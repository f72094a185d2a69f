"""Measures of the layers, and ways to choose one, compared on the same folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hiprobe.probe.fold_fits import Recipe
from hiprobe.probe.selection import candidate_layers, choose_layer
from hiprobe.probe.training_set import (
    Mode,
    TrainingSet,
    roc_auc,
    training_set,
)
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.drawing import Curve
from hiprobe.reproduce.estimate import Estimate
from hiprobe.reproduce.experiment_result import ResultRow
from hiprobe.reproduce.held_out import HeldOut, Pairs, held_out
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.scored import states_digest

# Part of the sources in one draw. They are taken without repetition: equal clips would have
# distance 0 from each other and make classes look denser than they are.
SHARE = 0.8

DRAWS_OF_A_SEED = 20
SPREAD = "all clips; brackets hold the middle 95 % of {draws} draws of 80 % of the sources"

_Floats = NDArray[np.float64]
# Vectors `[clips, layers, width]` and labels to each measure's value on every layer.
Measure = Callable[[NDArray[np.float32], NDArray[np.int64]], dict[str, list[float]]]


@dataclass(frozen=True)
class LayerDraws:
    """Measures of every layer, float64 `[layers]` on all clips and `[draws, layers]` on parts."""

    data: DataSource
    layers: tuple[int, ...]
    whole: dict[str, _Floats]
    parts: dict[str, _Floats]

    def best(self, measure: str) -> int:
        """The layer with the highest value on all clips."""
        return self.layers[int(np.nanargmax(self.whole[measure]))]

    def curve(self, measure: str, name: str) -> Curve:
        """The measure over the layers, with its band."""
        low, high = self._band(measure)
        return Curve(name, self.layers, self.whole[measure].tolist(), low.tolist(), high.tolist())

    def rows(self, bench: Bench, section: str) -> list[ResultRow]:
        """A row for each layer and measure."""
        found = []
        for name, values in self.whole.items():
            protocol = SPREAD.format(draws=len(self.parts[name]))
            table = bench.table(self.data, section, protocol)
            columns = zip(self.layers, values, *self._band(name), strict=True)
            for layer, ours, low, high in columns:
                value = Estimate(float(ours), float(low), float(high))
                found.append(table.row(f"{layer} (paper: {layer - 1})", name, value))
        return found

    def _band(self, measure: str) -> tuple[_Floats, _Floats]:
        """Middle 95 % of the draws of each layer; the value itself where there are none."""
        parts = self.parts[measure]
        if not len(parts) or np.isnan(parts).all():
            return self.whole[measure], self.whole[measure]
        low, high = np.nanquantile(parts, (0.025, 0.975), axis=0)
        return low, high


def measure_layers(bench: Bench, data: DataSource, name: str, measure: Measure) -> LayerDraws:
    """Take a measure on all clips and on draws of their sources; finished seeds are kept.

    Args:
        name: of the measure, under which finished seeds are found again.
    """
    examples = bench.extraction.examples(data)
    clips = training_set(examples)
    vectors = clip_vectors(clips)

    def parts(seed: int) -> list[dict[str, list[float]]]:
        bench.say(f"{data.name}: {name}, draws of seed {seed}")
        chosen = source_draws(clips.sources, clips.labels, seed=seed, draws=DRAWS_OF_A_SEED)
        return [measure(vectors[rows], clips.labels[rows]) for rows in chosen]

    key = {"states": states_digest(examples), "measure": name}
    values = bench.finished.piece({**key, "part": "whole"}, lambda: measure(vectors, clips.labels))
    drawn = []
    for seed in bench.request.seeds:
        drawn += bench.finished.piece({**key, "seed": seed}, partial(parts, seed))
    return LayerDraws(
        data=data,
        layers=candidate_layers(clips),
        whole={m: np.array(v, np.float64) for m, v in values.items()},
        parts={m: np.array([d[m] for d in drawn], np.float64) for m in values},
    )


def clip_vectors(clips: TrainingSet) -> NDArray[np.float32]:
    """One vector of each clip on every layer but 0, `[clips, layers, width]`."""
    return np.stack([clips.vectors(clips.clip_unit, n) for n in candidate_layers(clips)], axis=1)


def source_draws(
    sources: Sequence[str], labels: NDArray[np.int64], *, seed: int, draws: int
) -> list[NDArray[np.int64]]:
    """Clips of `SHARE` of the sources, drawn without repetition; each keeps two of both kinds.

    Args:
        sources: of each clip.
        labels: int64 `[clips]`.
        draws: how many; fewer come back where too few draws keep both kinds.

    Returns:
        Positions of the drawn clips, int64 `[clips of a draw]` each.
    """
    rng, names = np.random.default_rng(seed), np.array(sorted(set(sources)))
    count = max(1, round(SHARE * len(names)))
    found: list[NDArray[np.int64]] = []
    # Draws in which a kind has one clip are left out; of few sources there may be too few others.
    for _ in range(20 * draws):
        drawn = set(rng.choice(names, size=count, replace=False).tolist())
        rows = np.array([i for i, s in enumerate(sources) if s in drawn], dtype=np.int64)
        if min(np.bincount(labels[rows], minlength=2)) > 1:
            found.append(rows)
        if len(found) == draws:
            break
    return found


# Rules that a user could follow; the oracle is none of them.
RULES = ("DLSP", "best by inner cross-validation", "last", "middle", "random layer")

ORACLE = "oracle: best layer on the test folds, which nobody can know"

# Random choices of one layer a fold, over which "random layer" is a mean.
RANDOM_PICKS = 50

INNER_FOLDS = 5


def every_layer(
    data: TrainingSet, pairs: Pairs, *, mode: Mode, recipe: Recipe
) -> dict[int, HeldOut]:
    """Held-out scores with each layer fixed.

    Args:
        pairs: training and held-out clips of each fold.

    Returns:
        By layer number; layer 0 is left out.
    """
    return {
        n: held_out(data, pairs, [n] * len(pairs), mode=mode, recipe=recipe)
        for n in candidate_layers(data)
    }


def chosen_layers(data: TrainingSet, pairs: Pairs, *, recipe: Recipe) -> dict[str, list[int]]:
    """Layer of each fold under each rule but the random one.

    Args:
        pairs: training and held-out clips of each fold.
    """
    middle = max(1, data.layer_count // 2)
    inner = replace(recipe, layer="cv", folds=INNER_FOLDS)
    return {
        "DLSP": [choose_layer(data, train, recipe=recipe) for train, _ in pairs],
        "best by inner cross-validation": [
            choose_layer(data, train, recipe=inner) for train, _ in pairs
        ],
        "last": [candidate_layers(data)[-1]] * len(pairs),
        # States on disk may lack the middle layer: then the nearest one.
        "middle": [min(candidate_layers(data), key=lambda n: abs(n - middle))] * len(pairs),
    }


def random_choices(layers: Sequence[int], folds: int, *, seed: int) -> list[list[int]]:
    """`RANDOM_PICKS` times one random layer for each fold."""
    rng = np.random.default_rng(seed)
    return [[int(n) for n in rng.choice(layers, size=folds)] for _ in range(RANDOM_PICKS)]


def oracle_layer(labels: NDArray[np.int64], by_layer: Mapping[int, _Floats]) -> int:
    """The layer with the highest AUC on the held-out clips themselves."""
    return max(by_layer, key=lambda n: roc_auc(labels, by_layer[n]))
