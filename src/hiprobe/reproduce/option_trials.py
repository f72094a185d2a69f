"""Trials of one option at a time: layer rules and thresholds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.evaluation.metrics import Ranking
from hiprobe.paper import KAPPA, SIGMA_SEGMENTS
from hiprobe.probe.selection import Recipe
from hiprobe.probe.training_set import MODES, Mode, TrainingSet, training_set
from hiprobe.reproduce.clip_states import Bench
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
from hiprobe.reproduce.experiment_result import Row
from hiprobe.reproduce.held_out import (
    HeldOut,
    Thresholds,
    Variant,
    folds_of,
    threshold_folds,
    thresholds_of,
)
from hiprobe.reproduce.layer_choices import (
    ORACLE,
    RULES,
    assemble,
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

C_VALUES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
BINS = (10, 20, ENTROPY_BINS, 100, 200)
SIGMAS_SEGMENTS = (0.0, 0.4, 1.0, 2.0)
KAPPAS = (-1.0, -0.5, 0.0, 0.2, 0.5, 1.0, 1.5, 2.0)

PENALTY, SCALE, BINS_SECTION = "Penalty", "Standardisation", "Entropy bins"
MODE, SIGMA = "What the scorer is fitted on", "Smoothing"


@dataclass(frozen=True)
class Option:
    """One setting of a fit.

    Attributes:
        change: the default recipe to the one under test.
        mode: what the scorer is fitted on; None takes the run's own.
    """

    section: str
    setting: str
    change: Callable[[Recipe], Recipe]
    mode: Mode | None = None


def options() -> tuple[Option, ...]:
    """Every setting that is compared, in the order of the tables."""
    return (*_penalties(), *_scales(), *_bins(), *_modes(), *_sigmas())


def _penalties() -> tuple[Option, ...]:
    found = [Option(PENALTY, "C from the width (default)", lambda r: r)]
    for c in C_VALUES:
        found.append(Option(PENALTY, f"C = {c:g}", _scorer(c=c)))
    found.append(Option(PENALTY, "none (equation 8 as written)", _scorer(penalty=False)))
    return tuple(found)


def _scales() -> tuple[Option, ...]:
    return (
        Option(SCALE, "each dimension standardised (default)", lambda r: r),
        Option(SCALE, "states as they are", _scorer(standardise=False)),
    )


def _bins() -> tuple[Option, ...]:
    told = {b: f"B = {b}{_default(b == ENTROPY_BINS)}" for b in BINS}
    return tuple(Option(BINS_SECTION, told[b], _with_bins(b)) for b in BINS)


def _modes() -> tuple[Option, ...]:
    return tuple(Option(MODE, mode, lambda r: r, mode=mode) for mode in MODES)


def _sigmas() -> tuple[Option, ...]:
    told = {s: f"sigma = {s:g} segments{_default(s == SIGMA_SEGMENTS)}" for s in SIGMAS_SEGMENTS}
    return tuple(Option(SIGMA, told[s], _with_sigma(s)) for s in SIGMAS_SEGMENTS)


def _default(is_default: bool) -> str:
    return " (default)" if is_default else ""


def _scorer(
    *, c: float | None = None, penalty: bool = True, standardise: bool = True
) -> Callable[[Recipe], Recipe]:
    kind = make_scorer(
        "logistic", c=c, penalty="l2" if penalty else "none", standardise=standardise
    )
    return lambda recipe: replace(recipe, scorer=kind)


def _with_bins(bins: int) -> Callable[[Recipe], Recipe]:
    return lambda recipe: replace(recipe, bins=bins)


def _with_sigma(sigma_segments: float) -> Callable[[Recipe], Recipe]:
    return lambda recipe: replace(recipe, sigma_segments=sigma_segments)


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


SECTION = "Choice of the layer"
LAYER_PROTOCOL = (
    "the layer is chosen inside the training part of each of {folds} folds grouped by source; all "
    "rules share folds and fits; intervals over sources"
)
MINUS = "minus DLSP, {metric}"


def layer_rows(bench: Bench, data: DataSource, examples: Sequence[LabelledStates]) -> list[Row]:
    """AUC under each rule, and its difference to DLSP's on the same draws of sources."""
    states, digest = training_set(examples), states_digest(examples)
    pieces = []
    for seed in bench.request.seeds:
        bench.say(f"{data.name}: choice of the layer, seed {seed}")
        pieces.append(_piece(bench, states, digest, seed=seed))
    rows: list[Row] = []
    for kind, metric in (("vector", CLIP_AUC), ("highest", HIGHEST_AUC)):
        rules = [_by_rule(bench, states, p, kind) for p in pieces]
        for rule in (*RULES, ORACLE):
            rows += _rows(bench, data, states, [r[rule] for r in rules],
                          [r["DLSP"] for r in rules], rule, metric)  # fmt: skip
    rows.append(_chosen(bench, data, pieces))
    return rows


def _piece(bench: Bench, states: TrainingSet, digest: str, *, seed: int) -> dict[str, Any]:
    request = bench.request
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

    found: dict[str, Any] = bench.kept.piece(key, compute)
    return found


def _by_rule(
    bench: Bench, states: TrainingSet, piece: dict[str, Any], kind: str
) -> dict[str, list[_Floats]]:
    """Held-out scores under each rule; several where the rule is random."""
    by_layer = {int(n): np.array(s, np.float64) for n, s in piece[kind].items()}
    pairs = folds_of(states, bench.request, seed=piece["seed"])
    found = {r: [assemble(by_layer, pairs, layers)] for r, layers in piece["chosen"].items()}
    picks = random_choices(sorted(by_layer), len(pairs), seed=piece["seed"])
    found["random layer"] = [assemble(by_layer, pairs, layers) for layers in picks]
    found[ORACLE] = [by_layer[oracle_layer(states.labels, by_layer)]]
    return found


def _rows(
    bench: Bench,
    data: DataSource,
    states: TrainingSet,
    scores: Sequence[Sequence[_Floats]],
    dlsp: Sequence[Sequence[_Floats]],
    rule: str,
    metric: str,
) -> list[Row]:
    common: dict[str, Any] = {
        "data": data.name,
        "setting": rule,
        "section": SECTION,
        "protocol": LAYER_PROTOCOL.format(folds=bench.request.folds),
        "seeds": bench.request.seeds,
    }
    draws = bench.request.draws
    units = [[known_units(s, states) for s in own] for own in scores]
    single = all(len(u) == 1 for u in units)
    found = auc_estimate([u[0] for u in units], draws=draws) if single else _mean_auc(units, draws)
    rows = [row_of_estimate(metric, found, common)]
    if rule != "DLSP":
        base = [known_units(s[0], states) for s in dlsp]
        against = _difference(units, base, draws)
        rows.append(row_of_estimate(MINUS.format(metric=metric), against, common))
    return rows


def _mean_auc(seeds: Sequence[Sequence[Units]], draws: int) -> Estimate:
    return estimate([_mean_of(own) for own in seeds], [own[0].sources for own in seeds],
                    draws=draws)  # fmt: skip


def _difference(seeds: Sequence[Sequence[Units]], base: Sequence[Units], draws: int) -> Estimate:
    metrics = []
    for own, dlsp in zip(seeds, base, strict=True):
        mean, other = _mean_of(own), _mean_of([dlsp])
        metrics.append(lambda w, a=mean, b=other: a(w) - b(w))
    return estimate(metrics, [b.sources for b in base], draws=draws)


def _mean_of(units: Sequence[Units]) -> Weigh:
    rankings = [Ranking.of(u.frames) for u in units]
    return lambda weights: np.mean([r.aucs_and_precisions(weights)[0] for r in rankings], axis=0)


def _chosen(bench: Bench, data: DataSource, pieces: Sequence[dict[str, Any]]) -> Row:
    by_seed = tuple(float(np.median(p["chosen"]["DLSP"])) for p in pieces)
    return Row(
        data=data.name,
        setting="DLSP",
        metric="layer, median of folds",
        ours=float(np.median(by_seed)),
        by_seed=by_seed,
        count=True,
        protocol=LAYER_PROTOCOL.format(folds=bench.request.folds),
        seeds=bench.request.seeds,
        section=SECTION,
    )


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


def threshold_rows(bench: Bench, data: DataSource, examples: Sequence[LabelledStates]) -> list[Row]:
    """Both bases at the default kappa, then the sweep of kappa on the default basis."""
    states = training_set(examples)
    seeds = [_folds(bench, data, examples, seed=seed) for seed in bench.request.seeds]
    rows: list[Row] = []
    for basis, setting in BASES.items():
        rows += _threshold_rows(bench, data, states, seeds, (BASIS, setting), basis, KAPPA)
    for kappa in KAPPAS:
        told = f"kappa = {kappa:g}" + (" (default)" if kappa == KAPPA else "")
        rows += _threshold_rows(
            bench, data, states, seeds, (KAPPA_SECTION, told), "cross_validated", kappa
        )
    rows.append(_continuous(bench, data, states, seeds))
    return rows


def _folds(
    bench: Bench, data: DataSource, examples: Sequence[LabelledStates], *, seed: int
) -> list[Thresholds]:
    request = bench.request
    bench.say(f"{data.name}: thresholds, seed {seed}")
    key = {
        "what": "thresholds",
        "states": states_digest(examples),
        "folds": request.folds,
        "seed": seed,
        "mode": request.mode,
    }
    pairs = folds_of(training_set(examples), request, seed=seed)
    return thresholds_of(
        bench.kept.piece(key, lambda: threshold_folds(examples, pairs, request=request, seed=seed))
    )


def _threshold_rows(
    bench: Bench,
    data: DataSource,
    states: TrainingSet,
    seeds: Sequence[Sequence[Thresholds]],
    names: tuple[str, str],
    basis: str,
    kappa: float,
) -> list[Row]:
    common = _common(bench, data, *names)
    above = [_joined(f, len(states), basis, kappa) for f in seeds]
    draws = bench.request.draws
    mean_t = tuple(
        float(np.mean([f.threshold(basis=basis, kappa=kappa) for f in folds])) for folds in seeds
    )
    return [
        Row(metric="T", ours=float(np.mean(mean_t)), by_seed=mean_t, **common),
        row_of_estimate("anomalous clips found", _share(above, states, 1, draws), common),
        row_of_estimate("normal clips flagged", _share(above, states, 0, draws), common),
        row_of_estimate(
            "gated AUC", _gated(seeds, states, basis=basis, kappa=kappa, draws=draws), common
        ),
    ]


def _continuous(
    bench: Bench, data: DataSource, states: TrainingSet, seeds: Sequence[Sequence[Thresholds]]
) -> Row:
    found = _gated(seeds, states, basis=None, kappa=0.0, draws=bench.request.draws)
    return row_of_estimate("gated AUC", found, _common(bench, data, KAPPA_SECTION, CONTINUOUS))


def _common(bench: Bench, data: DataSource, section: str, setting: str) -> dict[str, Any]:
    return {
        "data": data.name,
        "setting": setting,
        "section": section,
        "protocol": THRESHOLD_PROTOCOL.format(folds=bench.request.folds),
        "seeds": bench.request.seeds,
    }


def _joined(folds: Sequence[Thresholds], clips: int, basis: str, kappa: float) -> _Floats:
    """1 above T, 0 below, NaN where no fold held the clip out; float64 `[clips]`."""
    found = np.full(clips, np.nan)
    for fold in folds:
        found[list(fold.held)] = fold.above(basis=basis, kappa=kappa)
    return found


def _share(above: Sequence[_Floats], states: TrainingSet, label: int, draws: int) -> Estimate:
    metrics, sources = [], []
    for values in above:
        kind = np.flatnonzero(np.isfinite(values) & (states.labels == label))
        metrics.append(weighted_mean(values[kind]))
        sources.append([states.sources[i] for i in kind])
    return estimate(metrics, sources, draws=draws)


def _gated(
    seeds: Sequence[Sequence[Thresholds]],
    states: TrainingSet,
    *,
    basis: str | None,
    kappa: float,
    draws: int,
) -> Estimate:
    """AUC of the scores with those below T set to 0; a basis of None leaves them as they are."""
    units = []
    for folds in seeds:
        held = [i for fold in folds for i in fold.held]
        scores: list[float] = []
        for fold in folds:
            values = np.array(fold.highest)
            kept = values if basis is None else values * fold.above(basis=basis, kappa=kappa)
            scores += kept.tolist()
        labels = [int(states.labels[i]) for i in held]
        units.append(clip_units(scores, labels, [states.sources[i] for i in held]))
    return auc_estimate(units, draws=draws)
