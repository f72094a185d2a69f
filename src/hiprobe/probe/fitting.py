"""One fit with given settings: layer, mode, scorer, threshold; and the best of several views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hiprobe.errors import StatesError
from hiprobe.fitted_scorer import FittedScorer
from hiprobe.probe.fit_results import (
    FewShotScores,
    Fitted,
    LayerTable,
    ThresholdBasis,
    ViewRow,
    basis_of,
    few_shot_threshold,
    reach_warning,
    summarise,
)
from hiprobe.probe.fold_fits import Recipe, detection_scores, fit_mode
from hiprobe.probe.parameters import Parameters
from hiprobe.probe.selection import (
    CrossValidation,
    best_mode,
    candidate_layers,
    choose_layer,
    cross_validate,
    layer_aucs,
    saliency_of,
)
from hiprobe.probe.training_set import Mode, TrainingSet, grouped_folds, roc_auc, training_set
from hiprobe.separation import silhouette_by_layer
from hiprobe.states import LabelledStates

# Fewer sources than this in a class make the cross-validated AUC a rough guide only.
FEW_SOURCES = 8

# Warning of a probe to which clips were added after `fit_views`.
KEPT_VIEW = (
    "Prompt and reading were chosen on some of these clips before others were added: the "
    "cross-validated AUC does not pay for that choice and is a little too good. To choose anew, "
    "fit on all clips together."
)


def layer_table(data: TrainingSet, layer: int, recipe: Recipe) -> LayerTable:
    """Measures of every layer but 0 on all clips of a fit.

    Args:
        layer: the one that the probe reads.
    """
    layers = candidate_layers(data)
    unit = data.clip_unit
    silhouette = [
        silhouette_by_layer(data.vectors(unit, n)[:, None], data.labels)[0] for n in layers
    ]
    return LayerTable(
        saliency=saliency_of(data, np.arange(len(data)), bins=recipe.bins),
        layers=layers,
        chosen=layer,
        cv_auc=layer_aucs(data, recipe),
        silhouette=np.array(silhouette, dtype=np.float64),
    )


def fit_warnings(data: TrainingSet, cv_auc: float | None, scorer: FittedScorer) -> tuple[str, ...]:
    """What a user should know before trusting the numbers.

    Args:
        cv_auc: AUC of held-out clips; None where there were no folds.
    """
    remark = None if scorer.convergence is None else scorer.convergence.remark
    return (*_few_sources(data, cv_auc), *([remark] if remark else []))


def _few_sources(data: TrainingSet, cv_auc: float | None) -> tuple[str, ...]:
    sources = [
        len({s for s, y in zip(data.sources, data.labels, strict=True) if y == c}) for c in (0, 1)
    ]
    counted = f"{sources[0]} normal and {sources[1]} anomalous sources"
    if cv_auc is None:
        return (
            f"Only {counted}: no cross-validation is possible, so nothing says how well this probe "
            "works, and the threshold comes from the scores of the training clips themselves, "
            "which are too extreme. Add clips of other sources.",
        )
    if min(sources) < FEW_SOURCES:
        return (
            f"Only {counted}: the cross-validated AUC {cv_auc:.2f} is a rough guide. With "
            f"{FEW_SOURCES} or more of each kind it begins to mean something.",
        )
    return ()


@dataclass(frozen=True)
class _Choice:
    """The fit on all clips: what was chosen, the scorer, and the few-shot scores."""

    layer: int
    mode: Mode
    scorer: FittedScorer
    scores: FewShotScores


def fit_examples(examples: Sequence[LabelledStates], parameters: Parameters) -> Fitted:
    """Fit on one list of labelled states; see `Probe.fit`.

    Raises:
        LabelError, FingerprintError, StatesError, UsageError: as `Probe.fit`.
    """
    data = training_set_for(examples, parameters)
    recipe = parameters.settled(usual_mode=data.usual_mode)
    return fit_training_set(data, cross_validate(data, recipe), parameters)


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
    recipe = parameters.settled(usual_mode=data.usual_mode)
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
        member_table=getattr(choice.scorer, "rows", ()),
        draw_aucs=held_out.draw_aucs,
    )


def _on_all_clips(data: TrainingSet, held_out: CrossValidation, recipe: Recipe) -> _Choice:
    clips = np.arange(len(data))
    # chosen again on all clips; held-out scores come from the choices inside the folds
    layer = choose_layer(data, clips, recipe=recipe)
    mode = best_mode(data.labels, held_out.by_mode, usual=data.usual_mode)
    scorer = fit_mode(data, clips, mode=mode, layer=layer, scorer=recipe.scorer)
    smoothing = recipe.smoothing
    training = detection_scores(data, clips, layer=layer, scorer=scorer, smoothing=smoothing)
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


@dataclass(frozen=True)
class _Nested:
    """Held-out scores with the view chosen inside each training fold, as `CrossValidation`."""

    auc: float | None
    views: tuple[int, ...]
    held_out: tuple[CrossValidation, ...]

    @property
    def layers(self) -> tuple[int, ...]:
        return tuple(self.held_out[v].layers[fold] for fold, v in enumerate(self.views))

    @property
    def best(self) -> int:
        """The view with the highest AUC over all folds; the first of equals, or without folds."""
        return int(np.argmax([-1.0 if a is None else a for a in map(_auc_of, self.held_out)]))


def fit_views(
    views: Sequence[Sequence[LabelledStates]], parameters: Parameters
) -> tuple[Fitted, int]:
    """Fit on the view that cross-validation prefers; the fit, and the position of its view.

    In every training fold the view, with its layer and mode, is chosen by folds within it; the
    reported AUC is that of the clips held out from all of these choices.

    Args:
        views: the same clips in the same order, in each view.

    Raises:
        StatesError: the views hold different clips.
        LabelError, FingerprintError, UsageError: as `Probe.fit`.
    """
    # views are compared clip by clip, so a clip that one of them lacks is left out of all
    refuse_other_clips(views)
    recipe = parameters.settled()
    sets = [training_set_for(examples, parameters) for examples in usable_in_all(views)]
    nested = _cross_validate(sets, recipe)
    best = nested.best
    fitted = fit_training_set(sets[best], nested.held_out[best], parameters)
    table = tuple(_row(v, data, nested, chosen=best) for v, data in enumerate(sets))
    table = table if len(table) > 1 else ()
    if nested.auc is None:
        return replace(fitted, view_table=table), best
    modes = tuple(nested.held_out[v].modes[fold] for fold, v in enumerate(nested.views))
    # the AUC of the chosen view by itself would be the highest of several, and so too good
    chosen = replace(
        fitted,
        view_table=table,
        cv_auc=nested.auc,
        fold_layers=nested.layers,
        fold_modes=modes,
    )
    return chosen, best


def _cross_validate(sets: Sequence[TrainingSet], recipe: Recipe) -> _Nested:
    labels, sources = sets[0].labels, sets[0].sources
    held_out = tuple(cross_validate(data, recipe, compared=len(sets) > 1) for data in sets)
    scores, chosen = np.full(len(labels), np.nan), []
    # the same folds as in each view's own cross-validation: same labels, sources and seed
    pairs = grouped_folds(labels, sources, folds=recipe.folds, seed=recipe.seed)
    for fold, (_, held) in enumerate(pairs):
        inner = [found.inner_aucs[fold] for found in held_out]
        view = int(np.argmax([-1.0 if np.isnan(a) else a for a in inner]))
        scores[held] = held_out[view].nested[held]
        chosen.append(view)
    return _Nested(roc_auc(labels, scores) if chosen else None, tuple(chosen), held_out)


def _auc_of(held_out: CrossValidation) -> float | None:
    return roc_auc(held_out.labels, held_out.nested) if held_out.layers else None


def _row(view: int, data: TrainingSet, nested: _Nested, *, chosen: int) -> ViewRow:
    return ViewRow(
        prompt=data.fingerprint.prompt,
        reading=data.reading,
        cv_auc=_auc_of(nested.held_out[view]),
        folds=nested.views.count(view),
        chosen=view == chosen,
    )


def refuse_other_clips(views: Sequence[Sequence[LabelledStates]]) -> None:
    """Refuse views of different clips.

    Raises:
        StatesError: names, labels or sources differ, or there is no view.
    """
    keys = [[(e.name, e.label, e.source) for e in view] for view in views]
    if not views or any(k != keys[0] for k in keys):
        raise StatesError(
            "views to compare hold different clips; extract the same clips for each prompt and "
            "reading"
        )


def usable_in_all(
    views: Sequence[Sequence[LabelledStates]],
) -> list[list[LabelledStates]]:
    """The clips of which every view has a row, so that the same clips are compared."""
    usable = [all(_has_rows(e) for e in clips) for clips in zip(*views, strict=True)]
    return [[e for e, ok in zip(view, usable, strict=True) if ok] for view in views]


def _has_rows(example: LabelledStates) -> bool:
    found = [s for s in (example.clip, example.segments) if s is not None]
    return all(bool((~s.failed).any()) for s in found)
