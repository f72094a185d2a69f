"""What `hiprobe fit` prints: what is read, how good it is, which clips it would miss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hiprobe.cli.console import echo, format_number, print_rich, print_table
from hiprobe.names import named_in_a_line
from hiprobe.prompts import prompt_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hiprobe.probe import Probe
    from hiprobe.probe.fit_results import ThresholdSummary
    from hiprobe.report.layer_chart import LayerCurves

# Clips named in a line; the rest are counted.
SHOWN_CLIPS = 8

# With fewer clips of a kind, more of them help whatever else is wrong.
MANY_CLIPS = 20

# In less footage than this, one false alarm more or less changes the rate by four an hour.
HOURS_FOR_A_RATE = 0.25

MODE_WORDS = {
    "clip": "whole clips",
    "segment_mean": "the average of each clip's segments",
    "segment": "every segment, with its clip's label",
    "mil": "the most suspicious segment of each clip",
}
BASIS_WORDS = {"cross_validated": "cross-validated", "training": "training"}


def layer_curves(probe: Probe) -> LayerCurves:
    """The measures of all layers as charts and tables take them."""
    from hiprobe.report.layer_chart import LayerCurves

    table = probe.layer_table_
    return LayerCurves(
        layers=table.layers,
        kl=_floats(table.kl),
        ldr=_floats(table.ldr),
        entropy=_floats(table.entropy),
        total=_floats(table.total),
        chosen=table.chosen,
        cv_auc=_known(table.cv_auc),
        silhouette=_known(table.silhouette),
    )


def print_fit(
    probe: Probe,
    *,
    names: Mapping[str, str] | None = None,
    verbose: bool = False,
    paper: Probe | None = None,
) -> None:
    """Print the result of a fit on stdout, for a person with a camera.

    Args:
        names: text of a prompt -> what the user calls it.
        verbose: show the table of layers too.
        paper: what the paper's recipe gives on the clips of a committee.
    """
    from hiprobe.report.terminal import layers_table

    heads = probe.facts().get("heads")
    if heads is not None:
        echo(f"attention heads, best first, as layer.number: {heads.replace(',', ', ')}")
    elif probe.member_table_:
        _print_members(probe)
    elif verbose:
        print_rich(layers_table(layer_curves(probe)))
    else:
        curves = layer_curves(probe)
        echo(
            f"layer {curves.chosen} ({curves.chosen - 1} in the paper's count) of "
            f"{probe.layer_count_} is read: {curves.reason()} (--verbose shows all layers)"
        )
    _print_views(probe, names or {})
    _print_modes(probe)
    _print_auc(probe)
    if paper is not None and paper.cv_auc_ is not None:
        echo(f"the paper's recipe on the same clips: AUC {paper.cv_auc_:.3f}")
    if paper is None and heads is None and not probe.member_table_ and probe.cv_auc_ is not None:
        echo("--recipe committee reads many layers and readings, and prints what both recipes give")
    _print_threshold(probe)
    _print_clips(probe)
    for warning in probe.warnings_:
        echo(f"warning: {warning}")


def _print_views(probe: Probe, names: Mapping[str, str]) -> None:
    if not probe.view_table_:
        return
    folds = len(probe.fold_layers_)
    rows = [
        (
            names.get(row.prompt) or prompt_name(row.prompt),
            row.reading,
            format_number(row.cv_auc) if row.cv_auc is not None else "-",
            f"{row.folds} of {folds}",
            "yes" if row.chosen else "",
        )
        for row in probe.view_table_
    ]
    echo("")
    print_table(("prompt", "reading", "AUC", "chosen in folds", "kept"), rows)
    echo(f"prompt: {probe.fingerprint_.prompt}")


def _print_modes(probe: Probe) -> None:
    import numpy as np

    known = {m: a for m, a in probe.mode_table_.items() if np.isfinite(a)}
    areas = ", ".join(f"{m} {format_number(a)}" for m, a in known.items())
    compared = f" (cross-validated AUC by mode: {areas})" if len(known) > 1 else ""
    echo(f"\nfitted on: {probe.mode_}, {MODE_WORDS[probe.mode_]}{compared}")


def _print_auc(probe: Probe) -> None:
    import numpy as np

    if probe.cv_auc_ is None:
        echo("cross-validated AUC: none, there are too few sources for folds")
        return
    folds, sources = len(probe.fold_layers_), len(set(probe.sources_))
    layers = ", ".join(map(str, sorted(set(probe.fold_layers_))))
    what = "prompt, reading, layer and mode" if probe.view_table_ else "layer and mode"
    chosen = "heads chosen inside each"
    if probe.member_table_:
        chosen = "weights and calibration set inside each"
    elif "heads" not in probe.facts():
        chosen = f"{what} chosen inside each: layers {layers}"
    echo(
        f"cross-validated AUC: {probe.cv_auc_:.3f} (0.5 is chance; {folds} folds over {sources} "
        f"sources, {chosen})"
    )
    known = [a for a in probe.draw_aucs_ if np.isfinite(a)]
    if len(known) > 1:
        echo(
            f"the folds were drawn {len(known)} times and the scores averaged; single draws gave "
            f"{min(known):.3f} to {max(known):.3f}"
        )


def _print_threshold(probe: Probe) -> None:
    import numpy as np

    summary = probe.threshold_summary_
    if summary.basis != "given":
        scores = probe.few_shot_scores_[summary.basis]
        scores = scores[np.isfinite(scores)]
        echo(
            f"threshold: {summary.threshold:.3f} = mean {scores.mean():.3f} + kappa "
            f"{probe.kappa:g} x standard deviation {scores.std():.3f} of the clips' "
            f"{BASIS_WORDS[summary.basis]} scores"
        )
    echo(summary.text)


def _print_members(probe: Probe) -> None:
    """The committee by reading: how many layers, how well they separate alone, their weight."""
    rows = []
    for reading in dict.fromkeys(row.reading for row in probe.member_table_):
        own = [row for row in probe.member_table_ if row.reading == reading]
        areas = [row.auc for row in own if row.auc is not None]
        auc = format_number(sum(areas) / len(areas)) if areas else "-"
        weight = format_number(sum(row.weight for row in own), 2)
        rows.append((reading, str(len(own)), auc, weight))
    print_table(("committee reads", "layers", "mean AUC", "weight"), rows)


def _print_clips(probe: Probe) -> None:
    """Which clips it would flag or miss, how sure that is, and what would help."""
    import numpy as np

    summary = probe.threshold_summary_
    scores = probe.few_shot_scores_[summary.measured_on]  # type: ignore[index]
    above, abnormal = scores > summary.threshold, probe.labels_ == 1
    for words, which in (
        ("missed", abnormal & ~above & np.isfinite(scores)),
        ("false alarms", ~abnormal & above),
    ):
        named = [probe.names_[i] for i in np.flatnonzero(which)]
        if named:
            echo(f"{words}: {named_in_a_line(named, most=SHOWN_CLIPS)}")
    low, high = wilson_interval(summary.found, summary.anomalous)
    echo(
        f"with {summary.anomalous} abnormal clips, the share it finds of others like them lies "
        f"between {low:.0%} and {high:.0%} (95 % interval)"
    )
    echo(alarms_an_hour(summary, normal_hours(probe)))
    echo(_advice(summary))


def normal_hours(probe: Probe) -> float:
    """Hours of normal footage that a probe was fitted on, gaps left out."""
    return sum(e.covered_seconds for e in probe.examples() if e.label == 0) / 3600


def alarms_an_hour(summary: ThresholdSummary, hours: float) -> str:
    """False alarms to expect, with the exact interval of a Poisson count (Garwood, 1936)."""
    from scipy.stats import chi2

    minutes = format_number(60 * hours, 1)
    if hours < HOURS_FOR_A_RATE:
        return (
            f"the normal clips are {minutes} minutes in all, too short to say how many false "
            "alarms to expect an hour; `hiprobe calibrate PROBE NORMAL-FOOTAGE` measures that"
        )
    alarms = summary.flagged
    # Without an alarm the lower bound is 0, where the quantile is not defined.
    low = chi2.ppf(0.025, 2 * alarms) / 2 / hours if alarms else 0.0
    high = chi2.ppf(0.975, 2 * alarms + 2) / 2 / hours
    return (
        f"{alarms} of the normal clips ({minutes} minutes) give a false alarm: at least "
        f"{format_number(alarms / hours, 2)} an hour of footage like theirs (95 % interval "
        f"{format_number(low, 2)} to {format_number(high, 2)}); `hiprobe calibrate` sets a rate"
    )


def _advice(summary: ThresholdSummary) -> str:
    """What would help most."""
    if min(summary.anomalous, summary.normal) < MANY_CLIPS:
        kind = "abnormal" if summary.anomalous <= summary.normal else "normal"
        return f"more {kind} clips from other recordings would help most"
    # Clips help most on the side that errs more.
    if summary.false_alarm_rate > 1 - summary.recall:
        return "more normal clips like the false alarms would help most"
    return "more abnormal clips like the missed ones would help most"


def wilson_interval(hits: int, count: int, *, z: float = 1.96) -> tuple[float, float]:
    """Interval of a share by Wilson's score (1927), which holds with few trials too.

    Args:
        hits: how often it happened.
        count: of how many, at least 1.
        z: quantile of the normal distribution; 1.96 for 95 %.
    """
    share, square = hits / count, z * z / count
    middle = (share + square / 2) / (1 + square)
    half = z * (share * (1 - share) / count + square / (4 * count)) ** 0.5 / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def _floats(values: NDArray[np.float64]) -> Sequence[float]:
    return [float(v) for v in values]


def _known(values: NDArray[np.float64]) -> Sequence[float] | None:
    """The values, None where there are none at all."""
    import numpy as np

    return _floats(values) if np.isfinite(values).any() else None
