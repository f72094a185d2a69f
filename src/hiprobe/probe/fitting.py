"""Fitting: layer, mode, scorer, few-shot scores and threshold from labelled states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hiprobe.errors import StatesError
from hiprobe.probe.fitted import FewShotScores, Fitted
from hiprobe.probe.folds import roc_auc
from hiprobe.probe.modes import detection_scores, fit_mode
from hiprobe.probe.parameters import Parameters
from hiprobe.probe.results import ThresholdBasis
from hiprobe.probe.selection import (
    CrossValidation,
    Recipe,
    best_mode,
    choose_layer,
    cross_validate,
)
from hiprobe.probe.tables import fit_warnings, layer_table
from hiprobe.probe.threshold import basis_of, few_shot_threshold, reach_warning, summarise
from hiprobe.probe.training_set import Mode, TrainingSet, training_set
from hiprobe.scorer import FittedScorer
from hiprobe.states import LabelledStates


@dataclass(frozen=True)
class _Choice:
    """What is fitted on all clips."""

    layer: int
    mode: Mode
    scorer: FittedScorer
    scores: FewShotScores


def fit_examples(examples: Sequence[LabelledStates], parameters: Parameters) -> Fitted:
    """Fit as `Probe.fit` says.

    Raises:
        LabelError, FingerprintError, StatesError, UsageError: as `Probe.fit`.
    """
    data = training_set_for(examples, parameters)
    return fit_training_set(data, cross_validate(data, parameters.recipe()), parameters)


def training_set_for(examples: Sequence[LabelledStates], parameters: Parameters) -> TrainingSet:
    """Labelled states as arrays, checked.

    Raises:
        LabelError, FingerprintError, StatesError: as `Probe.fit`.
    """
    data = training_set(examples)
    if parameters.reading not in (None, data.reading):
        raise StatesError(f"states were read at {data.reading}, asked for {parameters.reading}")
    return data


def fit_training_set(
    data: TrainingSet, held_out: CrossValidation, parameters: Parameters
) -> Fitted:
    """Fit on all clips, with the held-out scores of `cross_validate` on the same clips."""
    recipe = parameters.recipe()
    choice = _on_all_clips(data, held_out, recipe)
    threshold, basis = _threshold(choice.scores, parameters)
    cv_auc = roc_auc(data.labels, held_out.nested) if held_out.layers else None
    return Fitted(
        fingerprint=data.fingerprint,
        reading=data.reading,
        layer_count=data.layer_count,
        width=data.width,
        layer=choice.layer,
        mode=choice.mode,
        scorer=choice.scorer,
        threshold=threshold,
        layer_table=layer_table(data, choice.layer, recipe),
        mode_table={m: roc_auc(data.labels, s) for m, s in held_out.by_mode.items()},
        cv_auc=cv_auc,
        few_shot_scores=choice.scores,
        labels=data.labels,
        names=data.names,
        sources=data.sources,
        fold_layers=held_out.layers,
        fold_modes=held_out.modes,
        threshold_summary=summarise(
            threshold, scores=choice.scores, labels=data.labels, basis=basis
        ),
        warnings=(
            *data.warnings,
            *fit_warnings(data, cv_auc, choice.scorer),
            *reach_warning(threshold),
        ),
        provenance=data.provenance,
    )


def _on_all_clips(data: TrainingSet, held_out: CrossValidation, recipe: Recipe) -> _Choice:
    clips = np.arange(len(data))
    layer, mode = choose_layer(data, clips, recipe=recipe), best_mode(data.labels, held_out.by_mode)
    scorer = fit_mode(data, clips, mode=mode, layer=layer, scorer=recipe.scorer)
    sigma = recipe.sigma_segments
    training = detection_scores(data, clips, layer=layer, scorer=scorer, sigma_segments=sigma)
    scores: FewShotScores = {"training": training}
    if held_out.layers:
        scores["cross_validated"] = held_out.by_mode[mode]
    return _Choice(layer, mode, scorer, scores)


def _threshold(scores: FewShotScores, parameters: Parameters) -> tuple[float, ThresholdBasis]:
    if parameters.threshold is not None:
        return float(parameters.threshold), "given"
    wanted = parameters.threshold_scores
    threshold = few_shot_threshold(scores, wanted=wanted, kappa=parameters.kappa)
    return threshold, basis_of(scores, wanted)
