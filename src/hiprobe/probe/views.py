"""Several ways to see the same clips, compared as layer and mode are: inside each training fold.

A view is a prompt and a reading: what the backbone was asked, and where its layers were read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hiprobe.errors import StatesError
from hiprobe.probe.fitted import Fitted
from hiprobe.probe.fitting import fit_training_set, training_set_for
from hiprobe.probe.folds import grouped_folds, roc_auc
from hiprobe.probe.parameters import Parameters
from hiprobe.probe.results import ViewRow
from hiprobe.probe.selection import CrossValidation, Recipe, cross_validate
from hiprobe.probe.training_set import TrainingSet
from hiprobe.states import LabelledStates


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
    _refuse_other_clips(views)
    recipe = parameters.recipe()
    sets = [training_set_for(examples, parameters) for examples in _usable_in_all(views)]
    nested = _cross_validate(sets, recipe)
    best = nested.best
    fitted = fit_training_set(sets[best], nested.held_out[best], parameters)
    table = tuple(_row(v, data, nested, chosen=best) for v, data in enumerate(sets))
    table = table if len(table) > 1 else ()
    if nested.auc is None:
        return replace(fitted, view_table=table), best
    modes = tuple(nested.held_out[v].modes[fold] for fold, v in enumerate(nested.views))
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


def _refuse_other_clips(views: Sequence[Sequence[LabelledStates]]) -> None:
    keys = [[(e.name, e.label, e.source) for e in view] for view in views]
    if not views or any(k != keys[0] for k in keys):
        raise StatesError(
            "views to compare hold different clips; extract the same clips for each prompt and "
            "reading"
        )


def _usable_in_all(
    views: Sequence[Sequence[LabelledStates]],
) -> list[list[LabelledStates]]:
    """The clips of which every view has a row, so that the same clips are compared."""
    usable = [all(_has_rows(e) for e in clips) for clips in zip(*views, strict=True)]
    return [[e for e, ok in zip(view, usable, strict=True) if ok] for view in views]


def _has_rows(example: LabelledStates) -> bool:
    found = [s for s in (example.clip, example.segments) if s is not None]
    return all(bool((~s.failed).any()) for s in found)
