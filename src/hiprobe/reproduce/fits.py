"""One fit as experiments need it: layer, mode, scorer, and the few-shot scores that set T."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.localize import KAPPA, SIGMA_SEGMENTS
from hiprobe.probe.modes import detection_scores, fit_mode
from hiprobe.probe.selection import (
    LayerChoice,
    Recipe,
    best_mode,
    candidate_layers,
    choose_layer,
    cross_validate,
    layer_aucs,
)
from hiprobe.probe.training_set import Mode, TrainingSet, training_set
from hiprobe.reproduce.request import Request
from hiprobe.saliency import ENTROPY_BINS
from hiprobe.scorer import FittedScorer, ScorerName, make_scorer
from hiprobe.states import LabelledStates, States

LayerRule = LayerChoice | Literal["cv"]
"""As a probe's `layer`, or "cv": the layer with the best cross-validated AUC of the clips that
are fitted on."""


@dataclass(frozen=True)
class Variant:
    """What a table varies.

    Attributes:
        thresholds: whether the few-shot scores are needed, which cost a cross-validation.
        normed: read the last layer after the model's final norm.
    """

    name: str
    layer: LayerRule = "dlsp"
    scorer: ScorerName = "logistic"
    thresholds: bool = False
    normed: bool = False

    def recipe(self, request: Request, *, seed: int) -> Recipe:
        """Everything that decides the fit; "cv" is replaced by a layer once the clips are known."""
        return Recipe(
            layer="dlsp" if self.layer == "cv" else self.layer,
            mode=request.mode,
            scorer=make_scorer(self.scorer, seed=seed),
            sigma_segments=SIGMA_SEGMENTS,
            bins=ENTROPY_BINS,
            folds=request.folds,
            seed=seed,
        )


@dataclass(frozen=True)
class Moments:
    """Mean and deviation of few-shot scores: T = mean + kappa deviation (paper, eq. 10)."""

    mean: float
    deviation: float

    def threshold(self, kappa: float = KAPPA) -> float:
        """T."""
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
        """Those that T comes from: of held-out clips where there are any."""
        return self.held_out or self.training

    def scores(self, states: States) -> NDArray[np.float64]:
        """Anomaly probability of each segment, NaN where it failed."""
        found = self.scorer.probability(states.layer(self.layer))
        return np.where(states.failed, np.nan, found)


def fit_variant(
    examples: Sequence[LabelledStates], variant: Variant, *, request: Request, seed: int
) -> Fit:
    """Choose layer and mode on these clips alone, and fit.

    Raises:
        LabelError, FingerprintError, StatesError: as `Probe.fit`.
    """
    return fit_set(training_set(examples), variant, request=request, seed=seed)


def fit_set(data: TrainingSet, variant: Variant, *, request: Request, seed: int) -> Fit:
    """The same on clips that are a training set already, which several variants share."""
    recipe = variant.recipe(request, seed=seed)
    every = np.arange(len(data))
    if variant.layer == "cv":
        recipe = replace(recipe, layer=best_layer(data, recipe))
    layer = choose_layer(data, every, recipe=recipe)
    held_out, mode = None, recipe.mode
    if variant.thresholds or mode == "auto":
        checked = cross_validate(data, recipe)
        mode = best_mode(data.labels, checked.by_mode)
        held_out = _moments(checked.by_mode[mode]) if checked.layers else None
    fitted = fit_mode(data, every, mode=mode, layer=layer, scorer=recipe.scorer)
    sigma = recipe.sigma_segments
    own = detection_scores(data, every, layer=layer, scorer=fitted, sigma_segments=sigma)
    return Fit(layer, mode, fitted, held_out, _moments(own))


def best_layer(data: TrainingSet, recipe: Recipe) -> int:
    """Layer with the best cross-validated AUC of clip vectors; DLSP's where there are no folds."""
    areas = layer_aucs(data, recipe)
    if np.isnan(areas).all():
        return choose_layer(data, np.arange(len(data)), recipe=recipe)
    return candidate_layers(data)[int(np.nanargmax(areas))]


def _moments(scores: NDArray[np.float64]) -> Moments:
    known = scores[np.isfinite(scores)]
    return Moments(float(known.mean()), float(known.std()))
