"""What a fit came to, in tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hiprobe.cli.terminal import echo
from hiprobe.cli.text import format_number, print_rich, print_table
from hiprobe.localize import adaptive_threshold
from hiprobe.probe import Probe
from hiprobe.prompts import prompt_name
from hiprobe.report.console import layers_table
from hiprobe.report.layers import LayerCurves

BASIS_WORDS = {"cross_validated": "held-out", "training": "training"}


def layer_curves(probe: Probe) -> LayerCurves:
    """The measures of all layers as charts and tables take them."""
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


def print_fit(probe: Probe, *, names: Mapping[str, str] | None = None) -> None:
    """Layers, prompts, modes, cross-validated AUC, threshold and warnings, on stdout.

    Args:
        names: text of a prompt -> what the user calls it.
    """
    heads = probe.facts().get("heads")
    if heads is None:
        print_rich(layers_table(layer_curves(probe)))
    else:
        echo(f"attention heads, best first, as layer.number: {heads.replace(',', ', ')}")
    _print_views(probe, names or {})
    _print_modes(probe)
    _print_auc(probe)
    _print_threshold(probe)
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
    known = {m: a for m, a in probe.mode_table_.items() if np.isfinite(a)}
    areas = ", ".join(f"{m} {format_number(a)}" for m, a in known.items())
    compared = f" (cross-validated AUC by mode: {areas})" if len(known) > 1 else ""
    echo(f"\nfitted on: {probe.mode_}{compared}")


def _print_auc(probe: Probe) -> None:
    if probe.cv_auc_ is None:
        echo("cross-validated AUC: none, there are too few sources for folds")
        return
    folds, sources = len(probe.fold_layers_), len(set(probe.sources_))
    layers = ", ".join(map(str, sorted(set(probe.fold_layers_))))
    what = "prompt, reading, layer and mode" if probe.view_table_ else "layer and mode"
    chosen = "heads chosen inside each"
    if "heads" not in probe.facts():
        chosen = f"{what} chosen inside each: layers {layers}"
    echo(
        f"cross-validated AUC: {probe.cv_auc_:.3f} (0.5 is chance; {folds} folds over {sources} "
        f"sources, {chosen})"
    )


def _print_threshold(probe: Probe) -> None:
    summary = probe.threshold_summary_
    if summary.basis != "given":
        scores = probe.few_shot_scores_[summary.basis]
        scores = scores[np.isfinite(scores)]
        echo(
            f"threshold: {summary.threshold:.3f} = mean {scores.mean():.3f} + kappa "
            f"{probe.kappa:g} x standard deviation {scores.std():.3f} of the clips' "
            f"{BASIS_WORDS[summary.basis]} scores"
        )
        _print_other_threshold(probe)
    echo(summary.text)


def _print_other_threshold(probe: Probe) -> None:
    """T from the scores that were not taken, so that the choice can be seen."""
    for basis, scores in probe.few_shot_scores_.items():
        if basis != probe.threshold_summary_.basis:
            other = adaptive_threshold(scores, kappa=probe.kappa)
            echo(f"  (from the {BASIS_WORDS[basis]} scores it would be {other:.3f})")


def _floats(values: NDArray[np.float64]) -> Sequence[float]:
    return [float(v) for v in values]


def _known(values: NDArray[np.float64]) -> Sequence[float] | None:
    """The values, None where there are none at all."""
    return _floats(values) if np.isfinite(values).any() else None
