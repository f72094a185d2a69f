"""Scores of held-out clips under one setting: what the clip's vector gets, and what detection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.localize import KAPPA, SIGMA_SEGMENTS, smooth
from hiprobe.probe.folds import Indices, grouped_folds
from hiprobe.probe.modes import detection_scores, fit_mode
from hiprobe.probe.training_set import Mode, TrainingSet
from hiprobe.reproduce.fits import Fit, Moments, Variant, fit_variant
from hiprobe.reproduce.request import Request
from hiprobe.scorer import Scorer
from hiprobe.states import LabelledStates

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
