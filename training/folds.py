"""Out-of-fold scores, DLSP inside the folds, and paired intervals over sources."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from hiprobe.saliency import layer_saliency

C = 0.01
FOLDS = 8
Array = NDArray[np.float64]
Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


def folds_by_source(y: Array, sources: Array, *, seed: int = 0) -> list[Fold]:
    """Stratified folds that never split a source."""
    split = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    return list(split.split(y, y, sources))


def fitted(x: Array, y: Array) -> Pipeline:
    """Standardised logistic regression, the same for every rival."""
    regression = LogisticRegression(C=C, max_iter=1000, class_weight="balanced")
    return make_pipeline(StandardScaler(), regression).fit(x, y)


def out_of_fold(x: Array, y: Array, folds: list[Fold]) -> Array:
    """Log-odds of each row from a probe that has not seen its source."""
    scores = np.zeros(len(y))
    for train, test in folds:
        scores[test] = fitted(x[train], y[train]).decision_function(x[test])
    return scores


def highest_out_of_fold(
    stretches: Sequence[Array], training: Sequence[Array], y: Array, folds: list[Fold]
) -> Array:
    """Highest segment log-odds of each held-out clip, as detection would show it.

    `stretches` are the segments of each clip `[segments, width]`; `training` the rows that stand
    for each clip in fitting `[rows, width]`.
    """
    scores = np.zeros(len(y))
    for train, test in folds:
        x = np.concatenate([training[i] for i in train])
        labels = np.concatenate([np.full(len(training[i]), y[i]) for i in train])
        probe = fitted(x, labels)
        for i in test:
            scores[i] = probe.decision_function(stretches[i]).max()
    return scores


def dlsp_layers(states: Array, y: Array, folds: list[Fold]) -> list[int]:
    """The layer (1..L) that DLSP picks in each training fold; states hold layers 0..L."""
    found = []
    for train, _ in folds:
        normal, anomalous = (states[train[y[train] == label]][:, 1:] for label in (0, 1))
        found.append(layer_saliency(normal, anomalous).best)
    return found


def picked(by_layer: Sequence[Array], chosen: list[int], folds: list[Fold]) -> Array:
    """The scores of each fold's chosen layer, where it is held out."""
    found = np.zeros_like(by_layer[0])
    for layer, (_, test) in zip(chosen, folds, strict=True):
        found[test] = by_layer[layer][test]
    return found


def paired_interval(a: Array, b: Array, y: Array, sources: Array, draws: int = 2000) -> list[float]:
    """95 % interval of AUC(a) - AUC(b), drawn over sources."""
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(sources == s) for s in np.unique(sources)]
    found = []
    for _ in range(draws):
        rows = np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))])
        if 0 < y[rows].mean() < 1:
            found.append(rank_auc(y[rows], a[rows]) - rank_auc(y[rows], b[rows]))
    return [round(float(q), 4) for q in np.quantile(found, [0.025, 0.975])]


def rank_auc(y: Array, scores: Array) -> float:
    """ROC-AUC from ranks (Mann-Whitney): many draws need it fast."""
    positives = int(y.sum())
    ranks = rankdata(scores)[y == 1].sum() - positives * (positives + 1) / 2
    return float(ranks / (positives * (len(y) - positives)))


def auc(y: Array, scores: Array) -> float:
    return round(float(roc_auc_score(y, scores)), 4)
