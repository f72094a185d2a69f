"""Folds that never split a source, and the ROC-AUC of held-out scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def grouped_folds(
    labels: NDArray[np.int64], sources: Sequence[str], *, folds: int, seed: int
) -> list[tuple[Indices, Indices]]:
    """Training and held-out indices of folds grouped by source and balanced over classes.

    Sources are shuffled (seeded), then dealt out, the largest first, each to the fold where it
    evens out both classes best. There are no more folds than the rarer class has sources, so
    that each training part keeps both classes; the order of the clips does not matter.

    Returns:
        One pair for each fold; empty where a class has fewer than two sources.
    """
    names = sorted(set(sources))
    owner = np.array([names.index(s) for s in sources], dtype=np.int64)
    counts = np.zeros((len(names), 2))
    np.add.at(counts, (owner, labels), 1)
    wanted = min(folds, *(int((counts[:, c] > 0).sum()) for c in (0, 1)))
    if wanted < 2:
        return []
    home = _deal(counts, wanted, np.random.default_rng(seed))[owner]
    pairs = [(np.flatnonzero(home != f), np.flatnonzero(home == f)) for f in range(wanted)]
    return [(train, held) for train, held in pairs if len(held) and len(set(labels[train])) == 2]


def roc_auc(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Area under the ROC curve, ties counted half; NaN scores are left out.

    Returns:
        A number in 0..1, NaN where a class is missing.
    """
    scored = np.isfinite(scores)
    y, s = labels[scored], scores[scored]
    positives, negatives = int((y == 1).sum()), int((y == 0).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, count = np.unique(s, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[inverse]
    above = rank[y == 1].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def _deal(counts: NDArray[np.float64], folds: int, rng: np.random.Generator) -> Indices:
    """Fold of each source, from the number of its clips in each class."""
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].max(axis=1), kind="stable")]
    share = counts / counts.sum(axis=0)
    filled = np.zeros((folds, 2))
    home = np.zeros(len(counts), dtype=np.int64)
    for source in order:
        unevenness = [
            (np.square(filled + np.outer(np.arange(folds) == f, share[source])).sum(), f)
            for f in range(folds)
        ]
        home[source] = min(unevenness)[1]
        filled[home[source]] += share[source]
    return home
