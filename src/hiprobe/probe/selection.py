"""Layer and mode, chosen by what is held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import StatesError, UsageError
from hiprobe.fitted_scorer import FittedScorer
from hiprobe.plugins import Registry
from hiprobe.probe.fold_fits import (
    Pairs,
    Recipe,
    detection_scores,
    folds_within,
    held_out_scores,
)
from hiprobe.probe.training_set import MODES, Indices, Mode, TrainingSet, roc_auc
from hiprobe.saliency import SaliencyTable, layer_saliency
from hiprobe.states import VISION_READINGS

# Draws for the error of a gain; its own error is then some 5 %.
BOOTSTRAPS = 200

# Folds within a training fold, where the mode is chosen.
INNER_FOLDS = 3

_Floats = NDArray[np.float64]


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
        draw_aucs: AUC of each draw of the folds by itself, which says how far one draw can be off.
    """

    nested: _Floats
    by_mode: Mapping[Mode, _Floats]
    layers: tuple[int, ...]
    modes: tuple[Mode, ...]
    labels: NDArray[np.int64]
    inner_aucs: tuple[float, ...]
    draw_aucs: tuple[float, ...] = ()


def cross_validate(data: TrainingSet, recipe: Recipe, *, compared: bool = False) -> CrossValidation:
    """Score every clip by a probe that has seen no clip of its source.

    With several draws of the folds, scores are means over them: with ten clips of each kind one
    draw alone moved the threshold between 0.45 and 0.63. Layers and modes are the first draw's.

    Args:
        compared: fill `inner_aucs` also where there is one mode only, to compare views by them.
    """
    if recipe.draws == 1:
        return _one_draw(data, recipe, compared=compared)
    # The seeds of the draws are always the same, and their folds follow from the states: neither
    # the user's seed nor the name of a clip or a class moves what is fitted.
    draws = [
        _one_draw(data, replace(recipe, seed=k), compared=compared) for k in range(recipe.draws)
    ]
    first = draws[0]
    return replace(
        first,
        nested=np.mean([d.nested for d in draws], axis=0),
        by_mode={m: np.mean([d.by_mode[m] for d in draws], axis=0) for m in first.by_mode},
        draw_aucs=tuple(roc_auc(data.labels, d.nested) for d in draws) if first.layers else (),
    )


def _one_draw(data: TrainingSet, recipe: Recipe, *, compared: bool) -> CrossValidation:
    modes = candidate_modes(data, recipe.mode)
    every = np.arange(len(data))
    order = data.order if recipe.draws > 1 else None
    pairs = folds_within(data, every, folds=recipe.folds, seed=recipe.seed, order=order)
    layers = [choose_layer(data, train, recipe=recipe) for train, _ in pairs]
    by_mode = _by_mode(data, pairs, layers, modes, recipe)
    nested, chosen, areas = np.full(len(data), np.nan), [], []
    for (train, held), layer in zip(pairs, layers, strict=True):
        mode, area = modes[0], float("nan")
        if compared or len(modes) > 1:
            inner = folds_within(data, train, folds=INNER_FOLDS, seed=recipe.seed)
            scores = _by_mode(data, inner, [layer] * len(inner), modes, recipe)
            mode = best_mode(data.labels, scores, usual=data.usual_mode)
            area = roc_auc(data.labels, scores[mode])
        nested[held] = by_mode[mode][held]
        chosen.append(mode)
        areas.append(area)
    return CrossValidation(nested, by_mode, tuple(layers), tuple(chosen), data.labels, tuple(areas))


def _by_mode(
    data: TrainingSet,
    pairs: Pairs,
    layers: Sequence[int],
    modes: Sequence[Mode],
    recipe: Recipe,
) -> dict[Mode, _Floats]:
    """What detection would give each held-out clip, for each mode."""

    def score(clips: Indices, layer: int, fitted: FittedScorer) -> _Floats:
        smoothing = recipe.smoothing
        return detection_scores(data, clips, layer=layer, scorer=fitted, smoothing=smoothing)

    return {
        m: held_out_scores(data, pairs, layers, mode=m, scorer=recipe.scorer, score=score)
        for m in modes
    }


def candidate_layers(data: TrainingSet) -> tuple[int, ...]:
    """Layers that are compared: all extracted ones but 0, the embedding."""
    return tuple(n for n in data.layers if n > 0)


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


def best_mode(
    labels: NDArray[np.int64], by_mode: Mapping[Mode, _Floats], *, usual: Mode | None = None
) -> Mode:
    """The usual mode, the first one where None, unless another is clearly better.

    With few sources the highest AUC among four modes is noise: on clips of unseen people it took
    the one that gave 0.585, where clip vectors gave 0.788. So the best other mode is taken only
    where its gain in AUC of held-out detection scores exceeds one standard error of that gain.

    Args:
        labels: `[clips]`, 0 or 1.
        by_mode: held-out scores `[clips]` of each mode, NaN where there are none.
    """
    areas = {m: roc_auc(labels, scores) for m, scores in by_mode.items()}
    first = usual if usual in areas else next(iter(areas))
    best = max(areas, key=lambda m: -1.0 if np.isnan(areas[m]) else areas[m])
    if best == first or np.isnan(areas[best]):
        return first
    if np.isnan(areas[first]):
        return best
    error = _gain_error(labels, by_mode[best], by_mode[first])
    return best if areas[best] - areas[first] > error else first


def _gain_error(labels: NDArray[np.int64], ours: _Floats, theirs: _Floats) -> float:
    """Standard error of the difference of two AUCs on the same clips, by bootstrap over clips of
    each kind; the draws are fixed, so that the same clips always give the same choice."""
    rng = np.random.default_rng(0)
    known = np.isfinite(ours) & np.isfinite(theirs)
    drawn = np.zeros((BOOTSTRAPS, len(labels)))
    for weights in drawn:
        for kind in (0, 1):
            clips = np.flatnonzero(labels == kind)
            np.add.at(weights, rng.choice(clips, size=len(clips)), 1)
    labels, drawn, ours, theirs = labels[known], drawn[:, known], ours[known], theirs[known]
    gains = _weighted_aucs(labels, ours, drawn) - _weighted_aucs(labels, theirs, drawn)
    return float(np.std(gains))


def _weighted_aucs(labels: NDArray[np.int64], scores: _Floats, weights: _Floats) -> _Floats:
    """ROC-AUC of each row of weights, ties counted half; NaN where a class has no weight."""
    normal, anomalous = labels == 0, labels == 1
    above = 0.5 + np.sign(scores[anomalous][:, None] - scores[normal]) / 2
    won = ((weights[:, anomalous] @ above) * weights[:, normal]).sum(axis=1)
    pairs = weights[:, anomalous].sum(axis=1) * weights[:, normal].sum(axis=1)
    areas: _Floats = np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)
    return areas


@dataclass(frozen=True)
class ClipsToRead:
    """What a layer rule may look at: the clips of one fit, and nothing of those held out.

    Attributes:
        data: all clips.
        clips: int64, positions of the clips of this fit.
        recipe: the other settings of the fit.
    """

    data: TrainingSet
    clips: Indices
    recipe: Recipe

    @property
    def layers(self) -> tuple[int, ...]:
        """Numbers of the layers to choose from."""
        return candidate_layers(self.data)

    @property
    def layer_count(self) -> int:
        """L, the number of decoder layers of the backbone, of which some may not be extracted."""
        return self.data.layer_count

    @property
    def labels(self) -> NDArray[np.int64]:
        """0 normal or 1 anomalous, int64 `[clips]`."""
        return self.data.labels[self.clips]

    @property
    def sources(self) -> tuple[str, ...]:
        """Recording of each clip."""
        return tuple(self.data.sources[i] for i in self.clips)

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """One vector of each clip on each layer, float32 `[clips, layers, width]`."""
        unit = self.data.clip_unit
        return np.stack([self.data.vectors(unit, n)[self.clips] for n in self.layers], axis=1)


# Chooses the number of a layer from the clips of one fit.
LayerRule = Callable[[ClipsToRead], int]

# Rules by name; other packages add to them through entry points of that group.
LAYER_RULES: Registry[LayerRule] = Registry("hiprobe.layer_rules", "layer rule")


def choose_layer(data: TrainingSet, clips: Indices, *, recipe: Recipe) -> int:
    """Number of the layer to read, from these clips alone.

    Args:
        data: all clips.
        clips: positions of those that may be looked at.

    Raises:
        UsageError: there is no such rule.
        StatesError: the layer was not extracted.
    """
    wanted = recipe.layer
    if isinstance(wanted, str):
        wanted = LAYER_RULES.get(wanted)(ClipsToRead(data, clips, recipe))
    if wanted not in data.layers:
        if data.reading in VISION_READINGS:
            raise StatesError(
                f"states read at {data.reading} have one layer, {data.layers[0]}, and not "
                f"{wanted}: leave the layer out"
            )
        raise StatesError(
            f"layer {wanted} is not among the extracted layers {data.layers}; extract it too"
        )
    return int(wanted)


def saliency_of(data: TrainingSet, clips: Indices, *, bins: int) -> SaliencyTable | None:
    """Saliency of some clips, one vector each; None where both classes have one clip only.

    Args:
        clips: positions of those that are compared.
        bins: of the entropy.
    """
    labels = data.labels[clips]
    layers = candidate_layers(data)
    # one clip of each kind has no variance within a class
    if len(labels) < 3 or not layers:
        return None
    vectors = np.stack([data.vectors(data.clip_unit, n)[clips] for n in layers], axis=1)
    return layer_saliency(vectors[labels == 0], vectors[labels == 1], bins=bins, layers=layers)


def layer_aucs(data: TrainingSet, recipe: Recipe, clips: Indices | None = None) -> _Floats:
    """ROC-AUC of held-out clip vectors on every layer but 0; NaN without folds.

    Args:
        clips: those to fit on and to hold out; all of them unless given.
    """
    unit = data.clip_unit
    part = np.arange(len(data)) if clips is None else clips
    pairs = folds_within(data, part, folds=recipe.folds, seed=recipe.seed)

    def score(clips: Indices, layer: int, fitted: FittedScorer) -> _Floats:
        return fitted.probability(data.vectors(unit, layer)[clips])

    held_out = partial(held_out_scores, data, pairs, mode=unit, scorer=recipe.scorer, score=score)
    scores = [held_out([n] * len(pairs)) for n in candidate_layers(data)]
    return np.array([roc_auc(data.labels, s) for s in scores], dtype=np.float64)


def _highest_saliency(clips: ClipsToRead) -> int:
    """The paper's choice (eq. 7); without saliency the middle."""
    table = saliency_of(clips.data, clips.clips, bins=clips.recipe.bins)
    return _middle(clips) if table is None else table.best


def _middle(clips: ClipsToRead) -> int:
    return max(1, clips.layer_count // 2)


def _best_held_out(clips: ClipsToRead) -> int:
    """The layer with the highest cross-validated AUC of clip vectors; without folds DLSP's."""
    areas = layer_aucs(clips.data, clips.recipe, clips.clips)
    if np.isnan(areas).all():
        return _highest_saliency(clips)
    return clips.layers[int(np.nanargmax(areas))]


LAYER_RULES.register("dlsp", lambda: _highest_saliency)
LAYER_RULES.register("last", lambda: lambda clips: clips.layer_count)
LAYER_RULES.register("middle", lambda: _middle)
LAYER_RULES.register("cv", lambda: _best_held_out)
