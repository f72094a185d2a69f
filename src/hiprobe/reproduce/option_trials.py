"""Trials of one option at a time: layer rules and thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.localize import Smoothing
from hiprobe.paper import KAPPA, SIGMA_SEGMENTS
from hiprobe.probe.fold_fits import Recipe
from hiprobe.probe.training_set import MODES, Mode, TrainingSet, training_set
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.estimate import (
    CLIP_AUC,
    HIGHEST_AUC,
    Estimate,
    RowMaker,
    Units,
    auc_estimate,
    clip_units,
    estimate,
    known_clips,
    mean_auc,
    mean_difference,
    weighted_mean,
)
from hiprobe.reproduce.experiment_result import ResultRow
from hiprobe.reproduce.held_out import (
    HeldOut,
    ThresholdFold,
    Variant,
    assemble,
    folds_of,
    threshold_folds,
)
from hiprobe.reproduce.layer_choices import (
    ORACLE,
    RULES,
    chosen_layers,
    every_layer,
    oracle_layer,
    random_choices,
)
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.scored import states_digest
from hiprobe.saliency import ENTROPY_BINS
from hiprobe.scorer import make_scorer
from hiprobe.states import LabelledStates

# A factor of ten apart around the default's 0.01 for 576 dimensions.
C_VALUES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
BINS = (10, 20, ENTROPY_BINS, 100, 200)
SIGMAS_SEGMENTS = (0.0, 0.4, 1.0, 2.0)
KAPPAS = (-1.0, -0.5, 0.0, 0.2, 0.5, 1.0, 1.5, 2.0)

PENALTY, SCALE, BINS_SECTION = "Penalty", "Standardisation", "Entropy bins"
MODE, SIGMA = "What the scorer is fitted on", "Smoothing"

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Option:
    """One setting of a fit.

    Attributes:
        change: the default recipe to the one under test.
        mode: what the scorer is fitted on; None takes the run's own.
    """

    section: str
    setting: str
    change: Callable[[Recipe], Recipe] = lambda recipe: recipe
    mode: Mode | None = None


def options() -> tuple[Option, ...]:
    """Every setting that is compared, in the order of the tables."""
    return (
        Option(PENALTY, "C from the width (default)"),
        *(Option(PENALTY, f"C = {c:g}", _with(scorer=make_scorer("logistic", c=c)))
          for c in C_VALUES),
        Option(PENALTY, "none (equation 8 as written)",
               _with(scorer=make_scorer("logistic", penalty="none"))),
        Option(SCALE, "each dimension standardised (default)"),
        Option(SCALE, "states as they are",
               _with(scorer=make_scorer("logistic", standardise=False))),
        *(Option(BINS_SECTION, f"B = {b}{default_mark(b == ENTROPY_BINS)}", _with(bins=b))
          for b in BINS),
        *(Option(MODE, mode, mode=mode) for mode in MODES),
        *(Option(SIGMA, sigma_words(s), _with(smoothing=Smoothing(sigma_segments=s)))
          for s in SIGMAS_SEGMENTS),
    )  # fmt: skip


def default_mark(is_default: bool) -> str:
    """What stands behind a setting that is the default."""
    return " (default)" if is_default else ""


def sigma_words(sigma_segments: float) -> str:
    """A strength of the smoothing as the tables show it."""
    return f"sigma = {sigma_segments:g} segments{default_mark(sigma_segments == SIGMA_SEGMENTS)}"


def _with(**changes: Any) -> Callable[[Recipe], Recipe]:
    return lambda recipe: replace(recipe, **changes)


NORMAL_MEAN = "highest score, normal clips"
ANOMALOUS_MEAN = "highest score, anomalous clips"


def score_rows(
    table: RowMaker, setting: str, scores: Sequence[HeldOut], states: TrainingSet
) -> list[ResultRow]:
    """Both AUCs, and the mean highest score of held-out clips of either kind.

    Args:
        scores: one for each seed.
    """
    highest = [s.highest for s in scores]
    return [
        table.auc(setting, CLIP_AUC, [units_of(states, s.vector) for s in scores]),
        table.auc(setting, HIGHEST_AUC, [units_of(states, s) for s in highest]),
        table.row(setting, NORMAL_MEAN, class_mean(table, states, highest, label=0)),
        table.row(setting, ANOMALOUS_MEAN, class_mean(table, states, highest, label=1)),
    ]


def units_of(states: TrainingSet, scores: _Floats) -> Units:
    """The clips that have a score, as units; one that no fold held out has none."""
    return known_clips(scores, states.labels, states.sources)


def class_mean(
    table: RowMaker, states: TrainingSet, seeds: Sequence[_Floats], *, label: int
) -> Estimate:
    """Mean over the clips of one label.

    Args:
        seeds: scores `[clips]` of each seed, NaN where no fold held a clip out.
    """
    metrics, sources = [], []
    for scores in seeds:
        units = units_of(states, scores)
        kind = units.frames.labels == bool(label)
        metrics.append(weighted_mean(np.where(kind, units.frames.scores, np.nan)))
        sources.append(units.sources)
    return estimate(metrics, sources, draws=table.draws)


LAYER_SECTION = "Choice of the layer"
LAYER_PROTOCOL = (
    "the layer is chosen inside the training part of each of {folds} folds grouped by source; all "
    "rules share folds and fits; intervals over sources"
)


def layer_rows(
    bench: Bench, data: DataSource, examples: Sequence[LabelledStates]
) -> list[ResultRow]:
    """AUC under each rule, and its difference to DLSP's on the same draws of sources."""
    states, digest = training_set(examples), states_digest(examples)
    pieces = []
    for seed in bench.request.seeds:
        bench.say(f"{data.name}: choice of the layer, seed {seed}")
        # One piece a seed holds every layer, so that each rule is only a choice among finished
        # scores.
        pieces.append(_layer_piece(bench, states, digest, seed=seed))
    protocol = LAYER_PROTOCOL.format(folds=bench.request.folds)
    table = bench.table(data, LAYER_SECTION, protocol)
    rows = []
    for kind, metric in (("vector", CLIP_AUC), ("highest", HIGHEST_AUC)):
        seeds = [_by_rule(bench, states, piece, kind) for piece in pieces]
        for rule in (*RULES, ORACLE):
            units = [own[rule] for own in seeds]
            rows.append(table.row(rule, metric, _several(units, draws=table.draws)))
            if rule != "DLSP":
                # differences on the same draws of sources: two intervals that overlap would hide a
                # steady gain
                base = [own["DLSP"][0] for own in seeds]
                gap = mean_difference(units, base, draws=table.draws)
                rows.append(table.row(rule, f"minus DLSP, {metric}", gap))
    chosen = Estimate.of_seeds((np.median(p["chosen"]["DLSP"]) for p in pieces), np.median)
    return [*rows, table.row("DLSP", "layer, median of folds", chosen, count=True)]


def _layer_piece(bench: Bench, states: TrainingSet, digest: str, *, seed: int) -> dict[str, Any]:
    """Layers that the rules choose, and held-out scores of every layer."""
    request = bench.request
    # All rules must be fitted in one mode, so that only the layer differs.
    mode = states.modes[0] if request.mode == "auto" else request.mode
    key = {"what": "layer rules", "states": digest, "folds": request.folds, "seed": seed,
           "mode": mode}  # fmt: skip

    def compute() -> dict[str, Any]:
        pairs = folds_of(states, request, seed=seed)
        recipe = Variant("default").recipe(request, seed=seed)
        found = every_layer(states, pairs, mode=mode, recipe=recipe)
        return {
            "chosen": chosen_layers(states, pairs, recipe=recipe),
            "vector": {str(n): h.vector.tolist() for n, h in found.items()},
            "highest": {str(n): h.highest.tolist() for n, h in found.items()},
            "seed": seed,
        }

    return bench.finished.piece(key, compute)


def _by_rule(
    bench: Bench, states: TrainingSet, piece: dict[str, Any], kind: str
) -> dict[str, list[Units]]:
    """Held-out clips under each rule, as units; several scorings where the rule is random."""
    by_layer = {int(n): np.array(s, np.float64) for n, s in piece[kind].items()}
    # not kept with the piece: they follow from the states and the seed
    pairs = folds_of(states, bench.request, seed=piece["seed"])
    found = {r: [assemble(by_layer, pairs, layers)] for r, layers in piece["chosen"].items()}
    picks = random_choices(sorted(by_layer), len(pairs), seed=piece["seed"])
    # the mean of many picks: one pick alone would be luck
    found["random layer"] = [assemble(by_layer, pairs, layers) for layers in picks]
    # one layer for all folds, as if it had been known beforehand
    found[ORACLE] = [by_layer[oracle_layer(states.labels, by_layer)]]
    return {rule: [units_of(states, s) for s in own] for rule, own in found.items()}


def _several(seeds: Sequence[Sequence[Units]], *, draws: int) -> Estimate:
    """Mean AUC of the scorings of each seed."""
    if all(len(own) == 1 for own in seeds):
        return auc_estimate([own[0] for own in seeds], draws=draws)
    return estimate([mean_auc(own) for own in seeds], [own[0].sources for own in seeds],
                    draws=draws)  # fmt: skip


BASIS, KAPPA_SECTION = "Scores that T comes from", "kappa"
BASES = {
    "cross_validated": "scores of clips held out in turn (default)",
    "training": "scores of the clips fitted on (equation 10 as written)",
}
THRESHOLD_PROTOCOL = (
    "T from the training part of each fold alone, applied to the clips held out; {folds} folds "
    "grouped by source; intervals over sources"
)
CONTINUOUS = "no threshold (continuous score)"


def threshold_rows(
    bench: Bench, data: DataSource, examples: Sequence[LabelledStates]
) -> list[ResultRow]:
    """Both bases at the default kappa, then the sweep of kappa on the default basis."""
    states = training_set(examples)
    seeds = [_folds(bench, data, examples, states, seed=seed) for seed in bench.request.seeds]
    protocol = THRESHOLD_PROTOCOL.format(folds=bench.request.folds)
    by_basis = bench.table(data, BASIS, protocol)
    by_kappa = bench.table(data, KAPPA_SECTION, protocol)
    rows: list[ResultRow] = []
    for basis, setting in BASES.items():
        rows += _threshold_rows(by_basis, setting, states, seeds, basis, KAPPA)
    for kappa in KAPPAS:
        setting = f"kappa = {kappa:g}{default_mark(kappa == KAPPA)}"
        rows += _threshold_rows(by_kappa, setting, states, seeds, "cross_validated", kappa)
    return [*rows, by_kappa.auc(CONTINUOUS, "gated AUC", [_gated(f, states) for f in seeds])]


def _folds(
    bench: Bench,
    data: DataSource,
    examples: Sequence[LabelledStates],
    states: TrainingSet,
    *,
    seed: int,
) -> list[ThresholdFold]:
    request = bench.request
    bench.say(f"{data.name}: thresholds, seed {seed}")
    key = {
        "what": "thresholds",
        "states": states_digest(examples),
        "folds": request.folds,
        "seed": seed,
        "mode": request.mode,
    }
    pairs = folds_of(states, request, seed=seed)
    found = bench.finished.piece(
        key, lambda: threshold_folds(examples, pairs, request=request, seed=seed)
    )
    return [ThresholdFold.of_json(fold) for fold in found]


def _threshold_rows(
    table: RowMaker,
    setting: str,
    states: TrainingSet,
    seeds: Sequence[Sequence[ThresholdFold]],
    basis: str,
    kappa: float,
) -> list[ResultRow]:
    above = []
    for folds in seeds:
        # NaN: a clip that no fold held out is neither found nor flagged
        own = np.full(len(states), np.nan)
        for fold in folds:
            own[list(fold.held)] = fold.above(basis=basis, kappa=kappa)
        above.append(own)
    mean_t = [
        float(np.mean([f.threshold(basis=basis, kappa=kappa) for f in folds])) for folds in seeds
    ]
    gated = [_gated(folds, states, lambda f: f.above(basis=basis, kappa=kappa)) for folds in seeds]
    return [
        table.row(setting, "T", Estimate.of_seeds(mean_t)),
        table.row(setting, "anomalous clips found", _share(table, states, above, 1)),
        table.row(setting, "normal clips flagged", _share(table, states, above, 0)),
        table.auc(setting, "gated AUC", gated),
    ]


def _share(table: RowMaker, states: TrainingSet, above: Sequence[_Floats], label: int) -> Estimate:
    """Share of the clips of a label that lie above T; its draws are of their sources alone."""
    units = [known_clips(a, states.labels, states.sources, only=label) for a in above]
    metrics = [weighted_mean(u.frames.scores) for u in units]
    return estimate(metrics, [u.sources for u in units], draws=table.draws)


def _gated(
    folds: Sequence[ThresholdFold],
    states: TrainingSet,
    above: Callable[[ThresholdFold], NDArray[np.bool_]] | None = None,
) -> Units:
    """Held-out clips; the scores of those that `above` does not name are set to 0."""
    held = [i for fold in folds for i in fold.held]
    scores: list[float] = []
    for fold in folds:
        values = np.array(fold.highest)
        scores += (values if above is None else values * above(fold)).tolist()
    return clip_units(scores, states.labels[held].tolist(), [states.sources[i] for i in held])
