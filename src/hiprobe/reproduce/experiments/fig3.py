"""Figure 3: silhouette of normal against abnormal clips over the layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.drawing import Curve, Panel, panels_drawing
from hiprobe.reproduce.layer_draws import LayerDraws, measure_layers
from hiprobe.reproduce.result import Figure, Findings, Row
from hiprobe.separation import silhouette_by_layer

NAME = "silhouette"
NOTES = (
    "The paper's silhouette peaks near layer 20 of 0 to 31 on both of its sets; it gives no table.",
    "Euclidean distances of the states as they are, without standardisation.",
)


def run(bench: Bench) -> Findings:
    """All data sets in one picture, as the paper has it."""
    rows: list[Row] = []
    found = [measure_layers(bench, d, NAME, _silhouette) for d in bench.request.data]
    for one in found:
        rows += one.rows(bench, "Silhouette by layer")
    return Findings(tuple(rows), (_figure(found),), (*NOTES, *(_peak(f) for f in found)))


def _silhouette(vectors: NDArray[Any], labels: NDArray[np.int64]) -> dict[str, list[float]]:
    return {NAME: silhouette_by_layer(vectors, labels).tolist()}


def _figure(found: list[LayerDraws]) -> Figure:
    curves = []
    for one in found:
        low, high = one.band(NAME)
        values = one.whole[NAME].tolist()
        curves.append(Curve(one.data, one.layers, values, low.tolist(), high.tolist(), _best(one)))
    panel = Panel("", "layer", "silhouette", tuple(curves), paper_layers=True)
    caption = (
        "Silhouette of the two classes on every layer (paper, Figure 3). Rings mark the peak of "
        "each set; bands are the middle 95 % of draws of 80 % of the sources. Upper axis: the "
        "paper's count from 0."
    )
    return Figure("silhouette", caption, panels_drawing([panel], columns=1), (8.0, 4.2))


def _best(found: LayerDraws) -> int:
    return found.layers[int(np.nanargmax(found.whole[NAME]))]


def _peak(found: LayerDraws) -> str:
    best = _best(found)
    height = float(np.nanmax(found.whole[NAME]))
    return f"{found.data}: the peak is at layer {best} of {found.layers[-1]}, {height:.3f}."
