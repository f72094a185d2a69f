"""Attention heads that tell anomalous from normal whatever is asked (after HeadHunt-VAD).

Each head of each layer is measured on a few labelled clips under several prompts. A head's
saliency under one prompt is the mean of three measures, each brought to 0..1 over all heads: KL
divergence and linear discriminant ratio of the probe (paper, eqs. 1-4), and the maximum mean
discrepancy with a Gaussian kernel of the median distance. Its robust saliency is the mean over
prompts minus `STABILITY` times the deviation. The k best heads, side by side, are fitted like a
hidden state. Their authors measure with full covariances and with the mutual information of
clusters besides; with a few dozen clips and dozens of dimensions a head those are noise.

This is no method without labels: heads are chosen and weighed on labelled clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import StatesError, UsageError
from hiprobe.saliency import layer_saliency
from hiprobe.scorer import FittedScorer, Scorer, make_scorer

TOP_HEADS = 5
"""Heads that are read (their authors' choice)."""

LEAST_CLIPS = 3
"""Fewest clips that saliency can be measured on."""

STABILITY = 0.5
"""Weight of a head's deviation over prompts (their authors' choice)."""

_Floats = NDArray[np.float64]
_Heads = NDArray[np.float32]


@dataclass(frozen=True, order=True)
class Head:
    """A head: its layer from 1, its number in the layer from 0."""

    layer: int
    number: int


@dataclass(frozen=True)
class FittedHeads:
    """The chosen heads, best first, and the scorer over their outputs side by side."""

    heads: tuple[Head, ...]
    saliency: tuple[float, ...]
    scorer: FittedScorer

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers that hold a chosen head, ascending."""
        return tuple(sorted({h.layer for h in self.heads}))


def fit_heads(
    by_prompt: Sequence[_Heads],
    labels: NDArray[np.int64],
    *,
    top: int = TOP_HEADS,
    stability: float = STABILITY,
    scorer: Scorer | None = None,
) -> FittedHeads:
    """Choose heads and fit the scorer on them.

    Args:
        by_prompt: for each prompt `[clips, layers, heads, width]`; the first is scored with.
        labels: `[clips]`, 0 normal, 1 anomalous.
        scorer: logistic regression as in the probe unless given.

    Raises:
        UsageError: no prompt, `top` below 1, or a negative `stability`.
        StatesError: shapes differ, or a class is missing.
    """
    if not by_prompt or top < 1 or stability < 0:
        raise UsageError(
            f"{len(by_prompt)} prompts, {top} heads, stability {stability}: give at least one "
            "prompt, one head, and 0"
        )
    if len({states.shape for states in by_prompt}) != 1 or by_prompt[0].ndim != 4:
        raise StatesError(
            f"states of heads {[s.shape for s in by_prompt]}: expected [clips, layers, heads, "
            "width], the same under each prompt"
        )
    values = robust_saliency(by_prompt, labels, stability=stability)
    heads, saliency = best_heads(values, top=top)
    fitted = (scorer or make_scorer("logistic")).fit(columns(by_prompt[0], heads), labels)
    return FittedHeads(heads, saliency, fitted)


def robust_saliency(
    by_prompt: Sequence[_Heads], labels: NDArray[np.int64], *, stability: float = STABILITY
) -> _Floats:
    """Mean minus `stability` deviations over prompts, float64 `[layers, heads]`."""
    every = np.stack([head_saliency(states, labels) for states in by_prompt])
    return np.asarray(every.mean(axis=0) - stability * every.std(axis=0), dtype=np.float64)


def head_saliency(states: _Heads, labels: NDArray[np.int64]) -> _Floats:
    """Saliency of every head under one prompt, float64 `[layers, heads]` in 0..1.

    Raises:
        StatesError: a class is missing, or there are fewer than three clips.
    """
    clips, layers, heads, width = states.shape
    flat = states.reshape(clips, layers * heads, width)
    # a head is measured as a layer is
    table = layer_saliency(flat[labels == 0], flat[labels == 1])
    discrepancy = np.array([_discrepancy(flat[:, i], labels) for i in range(flat.shape[1])])
    measures = [_to_unit(m) for m in (table.kl, table.ldr, discrepancy)]
    return np.asarray(np.mean(measures, axis=0), dtype=np.float64).reshape(layers, heads)


def best_heads(values: _Floats, *, top: int) -> tuple[tuple[Head, ...], tuple[float, ...]]:
    """The `top` heads of the highest values, best first, the shallowest of equals first."""
    order = np.argsort(-values.ravel(), kind="stable")[:top]
    places = [divmod(int(i), values.shape[1]) for i in order]
    heads = tuple(Head(layer + 1, number) for layer, number in places)
    return heads, tuple(float(values.ravel()[i]) for i in order)


def columns(states: _Heads, heads: Sequence[Head]) -> _Heads:
    """Outputs of some heads side by side, `[clips, len(heads) * width]`."""
    return np.concatenate([states[:, h.layer - 1, h.number] for h in heads], axis=1)


def _discrepancy(x: _Heads, labels: NDArray[np.int64]) -> float:
    """Squared maximum mean discrepancy of the two classes under a Gaussian kernel."""
    values = x.astype(np.float64)
    squares = (values**2).sum(axis=1)
    distance = np.maximum(squares[:, None] + squares[None] - 2 * values @ values.T, 0.0)
    apart = distance[~np.eye(len(values), dtype=bool)]
    median = float(np.median(apart[apart > 0])) if (apart > 0).any() else 1.0
    kernel = np.exp(-distance / (2 * median))
    odd = labels == 1
    same = kernel[np.ix_(odd, odd)].mean() + kernel[np.ix_(~odd, ~odd)].mean()
    return float(same - 2 * kernel[np.ix_(odd, ~odd)].mean())


def _to_unit(measure: _Floats) -> _Floats:
    """Brought to 0..1 over all heads; zeros where all are equal."""
    low, high = float(measure.min()), float(measure.max())
    return (measure - low) / (high - low) if high > low else np.zeros_like(measure)
