"""Fitting a scorer in each of the four modes, and what detection then gives a clip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hiprobe.localize import smooth
from hiprobe.probe.folds import Indices
from hiprobe.probe.training_set import Mode, TrainingSet
from hiprobe.scorer import FittedScorer, Scorer

MIL_ROUNDS = 20
"""Most rounds of `mil`; it stops as soon as the chosen segments stay the same."""

_Floats = NDArray[np.float64]


def fit_mode(
    data: TrainingSet, clips: Indices, *, mode: Mode, layer: int, scorer: Scorer
) -> FittedScorer:
    """Fit a scorer on some clips in one mode.

    `mil` starts from all segments under their clip's label, then keeps of each anomalous clip
    the segment that scores highest and all of the normal ones, and fits again.
    """
    if mode in ("clip", "segment_mean"):
        return scorer.fit(data.vectors(mode, layer)[clips], data.labels[clips])
    x, owner = data.segment_rows(clips, layer)
    y = data.labels[owner]
    fitted = scorer.fit(x, y)
    chosen: list[int] = []
    for _ in range(MIL_ROUNDS if mode == "mil" else 0):
        highest = _highest(fitted.probability(x), owner, y)
        if highest == chosen:
            break
        chosen = highest
        rows = np.concatenate([np.flatnonzero(y == 0), chosen]).astype(np.int64)
        fitted = scorer.fit(x[rows], y[rows])
    return fitted


def detection_scores(
    data: TrainingSet, clips: Indices, *, layer: int, scorer: FittedScorer, sigma_segments: float
) -> _Floats:
    """What detection gives each clip: its highest smoothed segment score, float64 `[clips]`.

    Without segments it is the score of the clip's vector.
    """
    if data.segments is None:
        return scorer.probability(data.vectors("clip", layer)[clips])
    x, owner = data.segment_rows(clips, layer)
    scores, piece = scorer.probability(x), data.pieces_of(clips)
    return np.array(
        [_highest_smoothed(scores[owner == c], piece[owner == c], sigma_segments) for c in clips]
    )


def _highest_smoothed(scores: _Floats, piece: NDArray[np.int64], sigma_segments: float) -> float:
    parts = [scores[piece == number] for number in np.unique(piece)]
    return max(float(smooth(part, sigma_segments=sigma_segments).max()) for part in parts)


def _highest(scores: _Floats, owner: NDArray[np.int64], labels: NDArray[np.int64]) -> list[int]:
    """Row of the highest segment of each anomalous clip; the earliest of equals."""
    anomalous = [np.flatnonzero(owner == clip) for clip in np.unique(owner[labels == 1])]
    return [int(rows[np.argmax(scores[rows])]) for rows in anomalous]
