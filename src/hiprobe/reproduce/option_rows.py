"""Rows from the scores of held-out clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.probe.training_set import TrainingSet
from hiprobe.reproduce.estimate import (
    Estimate,
    Units,
    Weigh,
    auc_estimate,
    clip_units,
    estimate,
    row_of_estimate,
    weighted_mean,
)
from hiprobe.reproduce.held_out import HeldOut
from hiprobe.reproduce.result import Row

_Floats = NDArray[np.float64]

CLIP_AUC = "clip AUC"
HIGHEST_AUC = "highest-segment AUC"
NORMAL_MEAN = "highest score, normal clips"
ANOMALOUS_MEAN = "highest score, anomalous clips"


def score_rows(
    scores: Sequence[HeldOut], states: TrainingSet, common: Mapping[str, Any], *, draws: int
) -> list[Row]:
    """Both AUCs, and the mean highest score of held-out clips of either kind.

    Args:
        scores: one for each seed.
        common: the fields that these rows share.
    """
    vectors = [known_units(s.vector, states) for s in scores]
    highest = [known_units(s.highest, states) for s in scores]
    return [
        row_of_estimate(CLIP_AUC, auc_estimate(vectors, draws=draws), common),
        row_of_estimate(HIGHEST_AUC, auc_estimate(highest, draws=draws), common),
        row_of_estimate(NORMAL_MEAN, _mean(highest, label=0, draws=draws), common),
        row_of_estimate(ANOMALOUS_MEAN, _mean(highest, label=1, draws=draws), common),
    ]


def known_units(values: _Floats, states: TrainingSet) -> Units:
    """Clips with a score; one that no fold held out has none."""
    known = np.flatnonzero(np.isfinite(values))
    sources = [states.sources[i] for i in known]
    return clip_units(values[known].tolist(), states.labels[known].tolist(), sources)


def _mean(seeds: Sequence[Units], *, label: int, draws: int) -> Estimate:
    def of(units: Units) -> Weigh:
        kind = units.frames.labels == bool(label)
        return weighted_mean(np.where(kind, units.frames.scores, np.nan))

    return estimate([of(u) for u in seeds], [u.sources for u in seeds], draws=draws)
