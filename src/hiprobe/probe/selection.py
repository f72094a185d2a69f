"""Layer and mode, chosen by what is held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import StatesError, UsageError
from hiprobe.localize import smooth
from hiprobe.probe.training_set import MODES, Indices, Mode, TrainingSet, grouped_folds, roc_auc
from hiprobe.saliency import SaliencyTable, layer_saliency
from hiprobe.scorer import FittedScorer, Scorer

MIL_ROUNDS = 20
"""Most rounds of `mil`; it stops as soon as the chosen segments stay the same."""

_Floats = NDArray[np.float64]


def fit_mode(
    data: TrainingSet, clips: Indices, *, mode: Mode, layer: int, scorer: Scorer
) -> FittedScorer:
    """Fit a scorer on some clips in one mode.

    `mil` starts from all segments under their clip's label, then keeps of each anomalous clip
    the segment that scores highest and all of the normal ones, and fits again.
    """
    if mode in ("clip", "segment_mean"):
        return scorer.fit(data.vectors(mode, layer)[clips], data.labels[clips])
    x, owner = data.segment_rows(clips, layer)
    y = data.labels[owner]
    fitted = scorer.fit(x, y)
    chosen: list[int] = []
    for _ in range(MIL_ROUNDS if mode == "mil" else 0):
        highest = _highest(fitted.probability(x), owner, y)
        if highest == chosen:
            break
        chosen = highest
        rows = np.concatenate([np.flatnonzero(y == 0), chosen]).astype(np.int64)
        fitted = scorer.fit(x[rows], y[rows])
    return fitted


def detection_scores(
    data: TrainingSet, clips: Indices, *, layer: int, scorer: FittedScorer, sigma_segments: float
) -> _Floats:
    """What detection gives each clip: its highest smoothed segment score, float64 `[clips]`.

    Without segments it is the score of the clip's vector.
    """
    if data.segments is None:
        return scorer.probability(data.vectors("clip", layer)[clips])
    x, owner = data.segment_rows(clips, layer)
    scores, piece = scorer.probability(x), data.pieces_of(clips)
    return np.array(
        [_highest_smoothed(scores[owner == c], piece[owner == c], sigma_segments) for c in clips]
    )


def _highest_smoothed(scores: _Floats, piece: NDArray[np.int64], sigma_segments: float) -> float:
    parts = [scores[piece == number] for number in np.unique(piece)]
    return max(float(smooth(part, sigma_segments=sigma_segments).max()) for part in parts)


def _highest(scores: _Floats, owner: NDArray[np.int64], labels: NDArray[np.int64]) -> list[int]:
    """Row of the highest segment of each anomalous clip; the earliest of equals."""
    anomalous = [np.flatnonzero(owner == clip) for clip in np.unique(owner[labels == 1])]
    return [int(rows[np.argmax(scores[rows])]) for rows in anomalous]


LayerChoice = int | Literal["dlsp", "last", "middle"]

INNER_FOLDS = 3
"""Folds within a training fold, where the mode is chosen."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a fit besides the clips."""

    layer: LayerChoice
    mode: Mode | Literal["auto"]
    scorer: Scorer
    sigma_segments: float
    bins: int
    folds: int
    seed: int


@dataclass(frozen=True)
class CrossValidation:
    """Scores of held-out clips, float64 `[clips]` each; NaN where there were no folds.

    Attributes:
        nested: layer and mode chosen inside each training fold.
        by_mode: mode -> the same with the mode fixed, the layer chosen inside.
        layers, modes: what each fold chose.
        labels: int64 `[clips]`, of the clips.
        inner_aucs: per fold, AUC of the chosen mode in folds within its training part; NaN where
            there was nothing to compare.
    """

    nested: _Floats
    by_mode: Mapping[Mode, _Floats]
    layers: tuple[int, ...]
    modes: tuple[Mode, ...]
    labels: NDArray[np.int64]
    inner_aucs: tuple[float, ...]


def candidate_layers(data: TrainingSet) -> tuple[int, ...]:
    """Layers that are compared: all extracted ones but 0, the embedding."""
    return tuple(n for n in data.layers if n > 0)


def saliency_of(data: TrainingSet, clips: Indices, *, bins: int) -> SaliencyTable | None:
    """Saliency of some clips, one vector each; None where both classes have one clip only."""
    labels = data.labels[clips]
    layers = candidate_layers(data)
    if len(labels) < 3 or not layers:
        return None
    unit: Literal["clip", "segment_mean"] = "clip" if data.clips is not None else "segment_mean"
    vectors = np.stack([data.vectors(unit, n)[clips] for n in layers], axis=1)
    return layer_saliency(vectors[labels == 0], vectors[labels == 1], bins=bins, layers=layers)


def choose_layer(data: TrainingSet, clips: Indices, *, recipe: Recipe) -> int:
    """Number of the layer to read, from these clips alone.

    Raises:
        StatesError: the layer was not extracted.
    """
    wanted = recipe.layer
    if wanted == "dlsp":
        table = saliency_of(data, clips, bins=recipe.bins)
        wanted = "middle" if table is None else table.best
    if wanted in ("last", "middle"):
        wanted = data.layer_count if wanted == "last" else max(1, data.layer_count // 2)
    if wanted not in data.layers:
        raise StatesError(
            f"layer {wanted} is not among the extracted layers {data.layers}; extract it too"
        )
    return int(wanted)


def candidate_modes(data: TrainingSet, wanted: Mode | Literal["auto"]) -> tuple[Mode, ...]:
    """Modes to compare.

    Raises:
        UsageError: unknown mode.
        StatesError: the states do not allow the mode.
    """
    if wanted == "auto":
        return data.modes
    if wanted not in MODES:
        raise UsageError(f"mode {wanted!r} is unknown; choose auto or one of {MODES}")
    if wanted not in data.modes:
        raise StatesError(f"these states allow the modes {data.modes}, not {wanted!r}")
    return (wanted,)


def cross_validate(data: TrainingSet, recipe: Recipe, *, compared: bool = False) -> CrossValidation:
    """Score every clip by a probe that has seen no clip of its source.

    Args:
        compared: fill `inner_aucs` also where there is one mode only, to compare views by them.
    """
    modes = candidate_modes(data, recipe.mode)
    nested = np.full(len(data), np.nan)
    by_mode = {mode: np.full(len(data), np.nan) for mode in modes}
    chosen: list[tuple[int, Mode, float]] = []
    pairs = grouped_folds(data.labels, data.sources, folds=recipe.folds, seed=recipe.seed)
    for train, held in pairs:
        layer = choose_layer(data, train, recipe=recipe)
        mode, area = modes[0], float("nan")
        if compared or len(modes) > 1:
            mode, area = _inner_mode(data, train, modes, layer=layer, recipe=recipe)
        for m in modes:
            by_mode[m][held] = _held_out(data, train, held, mode=m, layer=layer, recipe=recipe)
        nested[held] = by_mode[mode][held]
        chosen.append((layer, mode, area))
    return CrossValidation(
        nested=nested,
        by_mode=by_mode,
        layers=tuple(layer for layer, _, _ in chosen),
        modes=tuple(mode for _, mode, _ in chosen),
        labels=data.labels,
        inner_aucs=tuple(area for _, _, area in chosen),
    )


def best_mode(labels: NDArray[np.int64], by_mode: Mapping[Mode, _Floats]) -> Mode:
    """The mode with the highest AUC of held-out detection scores; the first of equals."""
    areas = {m: roc_auc(labels, scores) for m, scores in by_mode.items()}
    return max(areas, key=lambda m: -1.0 if np.isnan(areas[m]) else areas[m])


def layer_aucs(data: TrainingSet, recipe: Recipe) -> _Floats:
    """ROC-AUC of held-out clip vectors on every layer but 0; NaN without folds."""
    unit: Literal["clip", "segment_mean"] = "clip" if data.clips is not None else "segment_mean"
    pairs = grouped_folds(data.labels, data.sources, folds=recipe.folds, seed=recipe.seed)
    areas = []
    for layer in candidate_layers(data):
        x, scores = data.vectors(unit, layer), np.full(len(data), np.nan)
        for train, held in pairs:
            scores[held] = recipe.scorer.fit(x[train], data.labels[train]).probability(x[held])
        areas.append(roc_auc(data.labels, scores))
    return np.array(areas, dtype=np.float64)


def _inner_mode(
    data: TrainingSet, train: Indices, modes: Sequence[Mode], *, layer: int, recipe: Recipe
) -> tuple[Mode, float]:
    """The mode that is best in folds within the training part, at the layer chosen there."""
    labels, sources = data.labels[train], [data.sources[i] for i in train]
    by_mode = {mode: np.full(len(train), np.nan) for mode in modes}
    for fit, held in grouped_folds(labels, sources, folds=INNER_FOLDS, seed=recipe.seed):
        for mode, scores in by_mode.items():
            scores[held] = _held_out(
                data, train[fit], train[held], mode=mode, layer=layer, recipe=recipe
            )
    best = best_mode(labels, by_mode)
    return best, roc_auc(labels, by_mode[best])


def _held_out(
    data: TrainingSet, train: Indices, held: Indices, *, mode: Mode, layer: int, recipe: Recipe
) -> _Floats:
    scorer = fit_mode(data, train, mode=mode, layer=layer, scorer=recipe.scorer)
    sigma = recipe.sigma_segments
    return detection_scores(data, held, layer=layer, scorer=scorer, sigma_segments=sigma)
