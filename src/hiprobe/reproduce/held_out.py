"""Fits on the training part of each fold, and scores of what was held out from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.fitted_scorer import FittedScorer
from hiprobe.joined import Member
from hiprobe.localize import smooth
from hiprobe.paper import KAPPA, SIGMA_SEGMENTS
from hiprobe.probe.fold_fits import LayerChoice, Recipe, detection_scores, fit_mode
from hiprobe.probe.parameters import Parameters
from hiprobe.probe.selection import (
    best_mode,
    choose_layer,
    cross_validate,
)
from hiprobe.probe.training_set import Indices, Mode, TrainingSet, grouped_folds, training_set
from hiprobe.reproduce.request import ReproduceRequest
from hiprobe.scorer_names import ScorerName
from hiprobe.states import LabelledStates, States

_Floats = NDArray[np.float64]
# Training and held-out clips of each fold.
Pairs = Sequence[tuple[Indices, Indices]]


def held_out_scores(
    shape: int | tuple[int, int],
    pairs: Pairs,
    fit_and_score: Callable[[int, Indices, Indices], NDArray[Any]],
) -> _Floats:
    """Score every clip by a fit that has seen nothing of its source.

    Args:
        shape: number of clips, and a second number where each has several scores.
        pairs: training and held-out clips of each fold.
        fit_and_score: takes the number of a fold, its training and its held-out clips; gives the
            scores of the latter.

    Returns:
        float64 of that shape; NaN where no fold held the clip out.
    """
    scores = np.full(shape, np.nan)
    for fold, (train, held) in enumerate(pairs):
        scores[held] = fit_and_score(fold, train, held)
    return scores


def assemble(by_layer: Mapping[int, _Floats], pairs: Pairs, layers: Sequence[int]) -> _Floats:
    """Held-out scores of a layer rule, each fold's from the layer that was chosen there.

    Args:
        by_layer: held-out scores `[clips]` of each layer.
        layers: the layer of each fold.
    """
    count = len(next(iter(by_layer.values())))
    return held_out_scores(count, pairs, lambda fold, _, held: by_layer[layers[fold]][held])


@dataclass(frozen=True)
class Variant:
    """What a table varies.

    Attributes:
        thresholds: whether T is needed too: its few-shot scores take a cross-validation.
        normed: read the last layer after the model's final norm.
        members: what a committee reads of joined states; layer and scorer mean nothing then.
    """

    name: str
    layer: LayerChoice = "dlsp"
    scorer: ScorerName = "logistic"
    thresholds: bool = False
    normed: bool = False
    members: tuple[Member, ...] = ()

    def recipe(self, request: ReproduceRequest, *, seed: int) -> Recipe:
        """A probe's defaults with this layer and scorer."""
        return Parameters(
            layer=self.layer,
            scorer=self.scorer,
            members=self.members,
            mode=request.mode,
            folds=request.folds,
            seed=seed,
        ).settled()


# The rival that needs no language model: how much the vision tower's features change. They have
# a single layer. No paper of this line shows it, and it is hard to beat.
VISION_ALONE = Variant("vision change alone", layer=1)


@dataclass(frozen=True)
class Moments:
    """Mean and deviation of few-shot scores: T = mean + kappa deviation (paper, eq. 10)."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, scores: _Floats) -> Moments:
        """Mean and deviation of the scores that are there."""
        known = scores[np.isfinite(scores)]
        return cls(float(known.mean()), float(known.std()))

    def threshold(self, kappa: float = KAPPA) -> float:
        """The threshold T of this kappa."""
        return self.mean + kappa * self.deviation


@dataclass(frozen=True)
class Fit:
    """A fitted variant.

    Attributes:
        held_out: few-shot scores of clips that were held out in turn; None where not asked for,
            or where there were too few sources for folds.
        training: few-shot scores of the clips that were fitted on, the literal reading.
    """

    layer: int
    mode: Mode
    scorer: FittedScorer
    held_out: Moments | None
    training: Moments

    def moments(self) -> Moments:
        """The few-shot scores that T comes from: of held-out clips where there are any."""
        return self.held_out or self.training

    def scores(self, states: States) -> _Floats:
        """Anomaly probability of each segment, NaN where it failed."""
        found = self.scorer.probability(states.layer(self.layer))
        return np.where(states.failed, np.nan, found)

    def smoothed(self, states: States) -> _Floats:
        """Anomaly probability of each segment after smoothing, as detection gives it."""
        return smooth(
            self.scores(states),
            sigma_segments=SIGMA_SEGMENTS,
            start_seconds=states.start_seconds,
            end_seconds=states.end_seconds,
        )


def fit_variant(
    examples: Sequence[LabelledStates], variant: Variant, *, request: ReproduceRequest, seed: int
) -> Fit:
    """Choose layer and mode on these clips alone, and fit.

    Args:
        examples: labelled clips of both kinds.
        variant: what is varied; all else is as in the request.
        seed: of the folds.

    Raises:
        LabelError, FingerprintError, StatesError: as `Probe.fit`.
    """
    return fit_set(training_set(examples), variant, request=request, seed=seed)


def fit_set(data: TrainingSet, variant: Variant, *, request: ReproduceRequest, seed: int) -> Fit:
    """Fit a variant on clips that are a training set already, which several variants share.

    `Probe.fit` would also measure every layer and always cross-validate; with dozens of variants
    in a table that is most of the time, so only what the variant needs is computed here.

    Args:
        variant: what is varied; all else is as in the request.
        seed: of the folds.
    """
    recipe = variant.recipe(request, seed=seed)
    every = np.arange(len(data))
    layer = choose_layer(data, every, recipe=recipe)
    if variant.layer == "cv":
        # Not chosen again inside each fold: that is a fit of every layer in every fold of a fold.
        recipe = replace(recipe, layer=layer)
    held_out, mode = None, recipe.mode
    # the cross-validation takes most of the time, and most variants of a table need neither
    if variant.thresholds or mode == "auto":
        checked = cross_validate(data, recipe)
        mode = best_mode(data.labels, checked.by_mode, usual=data.usual_mode)
        held_out = Moments.of(checked.by_mode[mode]) if checked.layers else None
    fitted = fit_mode(data, every, mode=mode, layer=layer, scorer=recipe.scorer)
    smoothing = recipe.smoothing
    own = detection_scores(data, every, layer=layer, scorer=fitted, smoothing=smoothing)
    return Fit(layer, mode, fitted, held_out, Moments.of(own))


@dataclass(frozen=True)
class HeldOut:
    """Scores of clips by probes that saw no clip of their source, float64 `[clips]` each.

    Attributes:
        highest: the highest smoothed segment score, which detection gives a clip.
        vector: the score of the clip's own vector, from key frames over the whole clip.
    """

    highest: _Floats
    vector: _Floats

    def to_json(self) -> dict[str, list[float]]:
        """Plain lists; NaN where there was no fold."""
        return {name: scores.tolist() for name, scores in vars(self).items()}

    @classmethod
    def of_json(cls, found: dict[str, Any]) -> HeldOut:
        """Read what `to_json` gave."""
        return cls(np.array(found["highest"], np.float64), np.array(found["vector"], np.float64))


def source_folds(examples: Sequence[LabelledStates], *, folds: int, seed: int) -> Pairs:
    """Training and held-out positions of clips, no source in both; empty where there are too few.

    Args:
        folds: most of them; see `grouped_folds`.
    """
    labels = np.array([e.label for e in examples], dtype=np.int64)
    return grouped_folds(labels, [e.source for e in examples], folds=folds, seed=seed)


def folds_of(data: TrainingSet, request: ReproduceRequest, *, seed: int) -> Pairs:
    """Folds of a seed, grouped by source."""
    return grouped_folds(data.labels, data.sources, folds=request.folds, seed=seed)


def held_out(
    data: TrainingSet, pairs: Pairs, layers: Sequence[int], *, mode: Mode, recipe: Recipe
) -> HeldOut:
    """Fit on each training part at its layer and score the part held out.

    Args:
        layers: the layer of each fold.
        mode: what the scorer is fitted on, in place of the recipe's.
    """

    def score(fold: int, train: Indices, held: Indices) -> _Floats:
        layer, smoothing = layers[fold], recipe.smoothing
        fitted = fit_mode(data, train, mode=mode, layer=layer, scorer=recipe.scorer)
        highest = detection_scores(data, held, layer=layer, scorer=fitted, smoothing=smoothing)
        vectors = data.vectors(data.clip_unit, layer)[held]
        # both from one fit; the two columns are two ways to rank the same clips
        return np.column_stack([highest, fitted.probability(vectors)])

    return HeldOut(*held_out_scores((len(data), 2), pairs, score).T)


@dataclass(frozen=True)
class ThresholdFold:
    """Held-out scores of one fold, and the few-shot scores that T could come from.

    Attributes:
        held: positions of the clips that were held out.
        highest: highest smoothed segment score of each of them.
        cross_validated: of clips of the training part that were held out in turn.
        training: of the clips that were fitted on.
    """

    held: tuple[int, ...]
    highest: tuple[float, ...]
    cross_validated: Moments
    training: Moments

    @classmethod
    def of_json(cls, found: dict[str, Any]) -> ThresholdFold:
        """Read what `threshold_folds` gave for one fold."""
        moments = (Moments(*found[name]) for name in ("cross_validated", "training"))
        return cls(tuple(found["held"]), tuple(found["highest"]), *moments)

    def threshold(self, *, basis: str, kappa: float = KAPPA) -> float:
        """T from scores of held-out clips ("cross_validated") or of the fit's own ("training")."""
        moments: Moments = getattr(self, basis)
        return moments.threshold(kappa)

    def above(self, *, basis: str, kappa: float = KAPPA) -> NDArray[np.bool_]:
        """Which held-out clips lie above T, bool `[held]`."""
        return np.array(self.highest) > self.threshold(basis=basis, kappa=kappa)


def threshold_folds(
    examples: Sequence[LabelledStates], pairs: Pairs, *, request: ReproduceRequest, seed: int
) -> list[dict[str, Any]]:
    """Everything that `ThresholdFold` holds for each fold, as JSON values.

    Args:
        pairs: training and held-out clips of each fold.
        seed: of the folds within a training part.
    """
    variant, found = Variant("default", thresholds=True), []
    for train, held in pairs:
        fit = fit_variant([examples[i] for i in train], variant, request=request, seed=seed)
        found.append(
            {
                "held": held.tolist(),
                "highest": [_highest(fit, examples[i]) for i in held],
                "cross_validated": astuple(fit.moments()),
                "training": astuple(fit.training),
            }
        )
    return found


def _highest(fit: Fit, example: LabelledStates) -> float:
    states = example.segments if example.segments is not None else example.clip
    return float("nan") if states is None else float(np.nanmax(fit.smoothed(states)))
