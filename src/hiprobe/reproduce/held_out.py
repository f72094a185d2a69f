"""Fit on a training part, score what is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.localize import smooth
from hiprobe.paper import KAPPA, SIGMA_SEGMENTS
from hiprobe.probe.selection import (
    LayerChoice,
    Recipe,
    best_mode,
    candidate_layers,
    choose_layer,
    cross_validate,
    detection_scores,
    fit_mode,
    layer_aucs,
)
from hiprobe.probe.training_set import Indices, Mode, TrainingSet, grouped_folds, training_set
from hiprobe.reproduce.request import Request
from hiprobe.saliency import ENTROPY_BINS
from hiprobe.scorer import FittedScorer, Scorer, ScorerName, make_scorer
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


_Floats = NDArray[np.float64]
Pairs = Sequence[tuple[Indices, Indices]]


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
        return {"highest": self.highest.tolist(), "vector": self.vector.tolist()}

    @classmethod
    def of_json(cls, found: dict[str, Any]) -> HeldOut:
        """What `to_json` gave."""
        return cls(np.array(found["highest"], np.float64), np.array(found["vector"], np.float64))


def folds_of(data: TrainingSet, request: Request, *, seed: int) -> Pairs:
    """Folds of a seed, grouped by source."""
    return grouped_folds(data.labels, data.sources, folds=request.folds, seed=seed)


def held_out(
    data: TrainingSet,
    pairs: Pairs,
    layers: Sequence[int],
    *,
    mode: Mode,
    scorer: Scorer,
    sigma_segments: float = SIGMA_SEGMENTS,
) -> HeldOut:
    """Fit on each training part at its layer and score the part held out."""
    highest, vector = np.full(len(data), np.nan), np.full(len(data), np.nan)
    for (train, held), layer in zip(pairs, layers, strict=True):
        fitted = fit_mode(data, train, mode=mode, layer=layer, scorer=scorer)
        highest[held] = detection_scores(
            data, held, layer=layer, scorer=fitted, sigma_segments=sigma_segments
        )
        unit: Any = "clip" if data.clips is not None else "segment_mean"
        vector[held] = fitted.probability(data.vectors(unit, layer)[held])
    return HeldOut(highest, vector)


@dataclass(frozen=True)
class Thresholds:
    """Held-out scores of one fold, and the few-shot scores that T could come from."""

    held: tuple[int, ...]
    highest: tuple[float, ...]
    cross_validated: Moments
    training: Moments

    def above(self, *, basis: str, kappa: float = KAPPA) -> NDArray[np.bool_]:
        """Which held-out clips lie above T, bool `[held]`."""
        return np.array(self.highest) > self.threshold(basis=basis, kappa=kappa)

    def threshold(self, *, basis: str, kappa: float = KAPPA) -> float:
        """T from scores of held-out clips ("cross_validated") or of the fit's own ("training")."""
        moments: Moments = getattr(self, basis)
        return moments.threshold(kappa)


def threshold_folds(
    examples: Sequence[LabelledStates], pairs: Pairs, *, request: Request, seed: int
) -> list[dict[str, Any]]:
    """Everything that `Thresholds` holds for each fold, as JSON values."""
    found = []
    for train, held in pairs:
        variant = Variant("default", thresholds=True)
        fit = fit_variant([examples[i] for i in train], variant, request=request, seed=seed)
        inner = fit.held_out or fit.training
        found.append(
            {
                "held": held.tolist(),
                "highest": [_highest(fit, examples[i]) for i in held],
                "cross_validated": [inner.mean, inner.deviation],
                "training": [fit.training.mean, fit.training.deviation],
            }
        )
    return found


def thresholds_of(found: Sequence[dict[str, Any]]) -> list[Thresholds]:
    """What `threshold_folds` gave."""
    return [
        Thresholds(
            tuple(f["held"]),
            tuple(f["highest"]),
            Moments(*f["cross_validated"]),
            Moments(*f["training"]),
        )
        for f in found
    ]


def _highest(fit: Fit, example: LabelledStates) -> float:
    states = example.segments if example.segments is not None else example.clip
    if states is None:  # LabelledStates does not allow it
        return float("nan")
    smoothed = smooth(
        fit.scores(states),
        sigma_segments=SIGMA_SEGMENTS,
        start_seconds=states.start_seconds,
        end_seconds=states.end_seconds,
    )
    return float(np.nanmax(smoothed))
