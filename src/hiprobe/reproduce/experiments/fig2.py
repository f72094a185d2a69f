"""Figure 2: KL divergence, LDR and entropy over the layers, and the sum that picks one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.drawing import Curve, Panel, panels_drawing
from hiprobe.reproduce.facts import facts
from hiprobe.reproduce.layer_draws import LayerDraws, measure_layers
from hiprobe.reproduce.result import Figure, Findings, Row
from hiprobe.saliency import layer_saliency

MEASURES = {"kl": "KL divergence", "ldr": "LDR", "entropy": "entropy, bits", "total": "S(l)"}

ENTROPY_NOTE = (
    "The entropy of a histogram grows with the number of clips, so draws of fewer clips lie below "
    "the curve of all clips. What counts is its course over the layers."
)


def run(bench: Bench) -> Findings:
    """One figure for each data set: its scale is its own."""
    rows: list[Row] = []
    figures, notes = [], [_paper_note(), ENTROPY_NOTE]
    for data in bench.request.data:
        found = measure_layers(bench, data, "saliency", _saliency)
        rows += found.rows(bench, "Saliency by layer")
        figures.append(_figure(found))
        notes.append(_choice(found))
    return Findings(tuple(rows), tuple(figures), tuple(notes))


def _saliency(vectors: NDArray[Any], labels: NDArray[np.int64]) -> dict[str, list[float]]:
    table = layer_saliency(vectors[labels == 0], vectors[labels == 1])
    return {name: getattr(table, key).tolist() for key, name in MEASURES.items()}


def _figure(found: LayerDraws) -> Figure:
    best = _best(found)
    panels = []
    for name in MEASURES.values():
        low, high = found.band(name)
        values = found.whole[name].tolist()
        curve = Curve(name, found.layers, values, low.tolist(), high.tolist(), marked=best)
        panels.append(Panel(name, "layer", name, (curve,), paper_layers=True))
    return Figure(
        name=f"saliency-{found.data}",
        caption=(
            f"{found.data}: measures of every layer (paper, Figure 2). The red ring is l* = "
            f"{best}; bands are the middle 95 % of draws of 80 % of the sources. Upper axis: the "
            "paper's count from 0. S(l) is the sum of the other three after each is z-scored over "
            "the layers."
        ),
        draw=panels_drawing(panels, columns=2, legend=False),
        inches=(9.0, 6.2),
    )


def _best(found: LayerDraws) -> int:
    return found.layers[int(np.argmax(found.whole["S(l)"]))]


def _choice(found: LayerDraws) -> str:
    picked = [found.layers[int(np.argmax(row))] for row in found.parts["S(l)"]]
    shown = ", ".join(f"{layer} ({n})" for layer, n in Counter(picked).most_common(6))
    return (
        f"{found.data}: l* = {_best(found)} of {found.layers[-1]} on all clips; in "
        f"{len(picked)} draws of 80 % of the sources it was (how often): {shown}."
    )


def _paper_note() -> str:
    layers = facts()["layers"]
    return (
        f"The paper's measures peak near layer {layers['peak']} of {layers['first']} to "
        f"{layers['last']} (InternVL2.5, XD-Violence); it gives no table of them."
    )
