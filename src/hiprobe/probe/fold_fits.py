"""A scorer fitted on some clips in one mode, and the score that detection would give others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.fitted_scorer import FittedScorer
from hiprobe.localize import Smoothing, smooth_as
from hiprobe.overlap import spans_of_windows
from hiprobe.probe.training_set import Indices, Mode, TrainingSet, grouped_folds
from hiprobe.scorer import Scorer

# Most rounds of `mil`; it stops as soon as the chosen segments stay the same.
MIL_ROUNDS = 20

_Floats = NDArray[np.float64]

# The number of a layer, or the name of a rule in `LAYER_RULES`.
LayerChoice = int | str

# Positions of the clips to fit on and of those held out, for each fold.
Pairs = Sequence[tuple[Indices, Indices]]

# Clips, the layer to read and a fitted scorer, to one score for each clip.
ScoreClips = Callable[[Indices, int, FittedScorer], _Floats]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a fit besides the clips.

    Attributes:
        draws: how often the folds are drawn; held-out scores are means over the draws.
    """

    layer: LayerChoice
    mode: Mode | Literal["auto"]
    scorer: Scorer
    smoothing: Smoothing
    bins: int
    folds: int
    seed: int
    draws: int = 1


def fit_mode(
    data: TrainingSet, clips: Indices, *, mode: Mode, layer: int, scorer: Scorer
) -> FittedScorer:
    """Fit a scorer on some clips in one mode.

    `mil` starts from all segments under their clip's label, then keeps of each anomalous clip
    the segment that scores highest and all of the normal ones, and fits again.

    Args:
        data: all clips.
        clips: positions of those to fit on.
    """
    if mode in ("clip", "segment_mean"):
        sources = [data.sources[i] for i in clips]
        return scorer.fit(data.vectors(mode, layer)[clips], data.labels[clips], groups=sources)
    x, owner = data.segment_rows(clips, layer)
    y = data.labels[owner]
    sources = [data.sources[i] for i in owner]
    fitted = scorer.fit(x, y, groups=sources)
    if mode == "segment":
        return fitted
    anomalous = [np.flatnonzero(owner == clip) for clip in np.unique(owner[y == 1])]
    chosen: list[int] = []
    for _ in range(MIL_ROUNDS):
        scores = fitted.probability(x)
        highest = [int(rows[np.argmax(scores[rows])]) for rows in anomalous]  # first of equals
        if highest == chosen:
            break
        # normal segments are all kept: their label is true of every moment, an anomalous clip's
        # only of some
        chosen = highest
        rows = np.concatenate([np.flatnonzero(y == 0), chosen]).astype(np.int64)
        fitted = scorer.fit(x[rows], y[rows], groups=[sources[i] for i in rows])
    return fitted


def detection_scores(
    data: TrainingSet, clips: Indices, *, layer: int, scorer: FittedScorer, smoothing: Smoothing
) -> _Floats:
    """What detection gives each clip: its highest smoothed segment score, float64 `[clips]`.

    Without segments it is the score of the clip's vector.

    Args:
        data: all clips.
        clips: positions of those to score.
        scorer: fitted at this layer.
    """
    if data.segments is None:
        return scorer.probability(data.vectors("clip", layer)[clips])
    x, owner = data.segment_rows(clips, layer)
    scores, piece, times = scorer.probability(x), data.pieces_of(clips), data.times_of(clips)

    def highest(clip: int) -> float:
        own = owner == clip
        runs = [own & (piece == number) for number in np.unique(piece[own])]
        return max(_highest(scores[run], times[run], smoothing) for run in runs)

    return np.array([highest(clip) for clip in clips])


def _highest(scores: _Floats, times: _Floats, smoothing: Smoothing) -> float:
    """Highest smoothed score of segments without a gap between them; `times` is `[segments, 2]`."""
    start, end = times.T
    spans = spans_of_windows(start, end, scores, is_causal=smoothing.is_causal)
    return float(np.nanmax(smooth_as(spans.scores, smoothing)))


def fold_fits(
    data: TrainingSet, pairs: Pairs, layers: Sequence[int], *, mode: Mode, scorer: Scorer
) -> Iterator[tuple[Indices, int, FittedScorer]]:
    """Fit on the training part of each fold, at the layer of that fold.

    Args:
        layers: one for each fold.

    Yields:
        The clips held out, the layer, and the scorer that has not seen them.
    """
    for (train, held), layer in zip(pairs, layers, strict=True):
        yield held, layer, fit_mode(data, train, mode=mode, layer=layer, scorer=scorer)


def held_out_scores(
    data: TrainingSet,
    pairs: Pairs,
    layers: Sequence[int],
    *,
    mode: Mode,
    scorer: Scorer,
    score: ScoreClips,
) -> _Floats:
    """Score each clip by the fit of the fold that holds it out.

    Args:
        layers: one for each fold.
        score: scores the clips that are held out.

    Returns:
        float64 `[clips]`, NaN for clips that no fold holds out.
    """
    found = np.full(len(data), np.nan)
    for held, layer, fitted in fold_fits(data, pairs, layers, mode=mode, scorer=scorer):
        found[held] = score(held, layer, fitted)
    return found


def folds_within(
    data: TrainingSet, clips: Indices, *, folds: int, seed: int, order: _Floats | None = None
) -> Pairs:
    """Folds over some clips, by source, as positions in the whole set; see `grouped_folds`.

    Args:
        order: of all clips of the set.
    """
    sources = [data.sources[i] for i in clips]
    own = None if order is None else order[clips]
    pairs = grouped_folds(data.labels[clips], sources, folds=folds, seed=seed, order=own)
    return [(clips[train], clips[held]) for train, held in pairs]
