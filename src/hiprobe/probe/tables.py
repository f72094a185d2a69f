"""The table of layers of a fit, and what to say about too few clips."""

from __future__ import annotations

from typing import Literal

import numpy as np

from hiprobe.probe.results import LayerTable
from hiprobe.probe.selection import Recipe, candidate_layers, layer_aucs, saliency_of
from hiprobe.probe.training_set import TrainingSet
from hiprobe.scorer import FittedScorer
from hiprobe.separation import silhouette_by_layer

FEW_SOURCES = 8
"""Fewer sources than this in a class make the cross-validated AUC a rough guide only."""

KEPT_VIEW = (
    "Prompt and reading were chosen on some of these clips before others were added: the "
    "cross-validated AUC does not pay for that choice and is a little too good. To choose anew, "
    "fit on all clips together."
)
"""Warning of a probe to which clips were added after `fit_views`."""


def layer_table(data: TrainingSet, layer: int, recipe: Recipe) -> LayerTable:
    """Measures of every layer but 0 on all clips of a fit."""
    layers = candidate_layers(data)
    unit: Literal["clip", "segment_mean"] = "clip" if data.clips is not None else "segment_mean"
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
    """What a user should know before trusting the numbers."""
    remark = None if scorer.convergence is None else scorer.convergence.remark
    return (*_few_sources(data, cv_auc), *([remark] if remark else []))


def _few_sources(data: TrainingSet, cv_auc: float | None) -> tuple[str, ...]:
    sources = [
        len({s for s, y in zip(data.sources, data.labels, strict=True) if y == c}) for c in (0, 1)
    ]
    told = f"{sources[0]} normal and {sources[1]} anomalous sources"
    if cv_auc is None:
        return (
            f"Only {told}: no cross-validation is possible, so nothing says how well this probe "
            "works, and the threshold comes from the scores of the training clips themselves, "
            "which are too extreme. Add clips of other sources.",
        )
    if min(sources) < FEW_SOURCES:
        return (
            f"Only {told}: the cross-validated AUC {cv_auc:.2f} is a rough guide. With "
            f"{FEW_SOURCES} or more of each kind it begins to mean something.",
        )
    return ()
