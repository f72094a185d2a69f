"""Figures 2, 3 and 4: measures of the layers, and maps of their states."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.probe.selection import candidate_layers
from hiprobe.probe.training_set import TrainingSet, training_set
from hiprobe.report.layer_chart import tsne_drawing, tsne_inches
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.drawing import Curve, Panel, panels_drawing
from hiprobe.reproduce.experiment_result import Figure, Findings, Row, facts
from hiprobe.reproduce.layer_choices import LayerDraws, clip_vectors, measure_layers
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.scored import states_digest
from hiprobe.saliency import layer_saliency
from hiprobe.separation import silhouette_by_layer, tsne_embedding

MEASURES = {"kl": "KL divergence", "ldr": "LDR", "entropy": "entropy, bits", "total": "S(l)"}

ENTROPY_NOTE = (
    "The entropy of a histogram grows with the number of clips, so draws of fewer clips lie below "
    "the curve of all clips. What counts is its course over the layers."
)


def fig2(bench: Bench) -> Findings:
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


NAME = "silhouette"
SILHOUETTE_NOTES = (
    "The paper's silhouette peaks near layer 20 of 0 to 31 on both of its sets; it gives no table.",
    "Euclidean distances of the states as they are, without standardisation.",
)


def fig3(bench: Bench) -> Findings:
    """All data sets in one picture, as the paper has it."""
    rows: list[Row] = []
    found = [measure_layers(bench, d, NAME, _silhouette) for d in bench.request.data]
    for one in found:
        rows += one.rows(bench, "Silhouette by layer")
    return Findings(
        tuple(rows), (_silhouette_figure(found),), (*SILHOUETTE_NOTES, *(_peak(f) for f in found))
    )


def _silhouette(vectors: NDArray[Any], labels: NDArray[np.int64]) -> dict[str, list[float]]:
    return {NAME: silhouette_by_layer(vectors, labels).tolist()}


def _silhouette_figure(found: list[LayerDraws]) -> Figure:
    curves = []
    for one in found:
        low, high = one.band(NAME)
        values = one.whole[NAME].tolist()
        curves.append(
            Curve(one.data, one.layers, values, low.tolist(), high.tolist(), _best_silhouette(one))
        )
    panel = Panel("", "layer", "silhouette", tuple(curves), paper_layers=True)
    caption = (
        "Silhouette of the two classes on every layer (paper, Figure 3). Rings mark the peak of "
        "each set; bands are the middle 95 % of draws of 80 % of the sources. Upper axis: the "
        "paper's count from 0."
    )
    return Figure("silhouette", caption, panels_drawing([panel], columns=1), (8.0, 4.2))


def _best_silhouette(found: LayerDraws) -> int:
    return found.layers[int(np.nanargmax(found.whole[NAME]))]


def _peak(found: LayerDraws) -> str:
    best = _best_silhouette(found)
    height = float(np.nanmax(found.whole[NAME]))
    return f"{found.data}: the peak is at layer {best} of {found.layers[-1]}, {height:.3f}."


NEIGHBOURS = 5
PROTOCOL = "all clips, one vector each; t-SNE by the first seed"
MAP_NOTES = (
    "A t-SNE map is drawn without labels, but it keeps neighbours, not distances: the table has "
    "what can be counted, on the states themselves.",
    f"Neighbours alike: share of the {NEIGHBOURS} nearest clips of other sources that have the "
    "same label, averaged over both classes; 0.5 is chance.",
    "Layer 0 is left out: at the last prompt position it is one and the same vector for every "
    "video.",
)


def fig4(bench: Bench) -> Findings:
    """One figure for each data set."""
    rows: list[Row] = []
    figures = []
    for data in bench.request.data:
        clips = training_set(bench.extraction.examples(data))
        maps = _maps(bench, data, clips)
        rows += _rows(bench, data, clips, list(maps))
        figures.append(_map_figure(data, clips, maps))
    return Findings(tuple(rows), tuple(figures), MAP_NOTES)


def _maps(bench: Bench, data: DataSource, clips: TrainingSet) -> dict[int, NDArray[np.float64]]:
    vectors, layers, seed = clip_vectors(clips), candidate_layers(clips), bench.request.seeds[0]
    chosen = _chosen(clips)

    def compute() -> dict[str, Any]:
        found = tsne_embedding(vectors, chosen=chosen, layers=layers, seed=seed)
        return {str(n): points.tolist() for n, points in found.items()}

    key = {"states": states_digest(bench.extraction.examples(data)), "seed": seed, "of": "t-SNE"}
    kept = bench.kept.piece({**key, "chosen": chosen}, compute)
    return {int(n): np.array(points, np.float64) for n, points in kept.items()}


def _chosen(clips: TrainingSet) -> int:
    """l* on all clips: a picture tests nothing."""
    vectors = clip_vectors(clips)
    normal, anomalous = (vectors[clips.labels == v] for v in (0, 1))
    return layer_saliency(normal, anomalous, layers=candidate_layers(clips)).best


def _map_figure(
    data: DataSource, clips: TrainingSet, maps: dict[int, NDArray[np.float64]]
) -> Figure:
    chosen, numbers = _chosen(clips), candidate_layers(clips)
    end = {numbers[0]: ", the first one", numbers[-1]: ", the last one"}.get(chosen, "")
    caption = (
        f"{data.name}: every clip as a point on the first, the chosen and the last layer (paper, "
        f"Figure 4). The chosen layer is l* = {chosen}{end}."
    )
    drawing = tsne_drawing(maps, clips.labels)
    return Figure(f"tsne-{data.name}", caption, drawing, tsne_inches(len(maps)))


def _rows(bench: Bench, data: DataSource, clips: TrainingSet, layers: list[int]) -> list[Row]:
    vectors, numbers = clip_vectors(clips), candidate_layers(clips)
    rows = []
    for layer in layers:
        own = vectors[:, [numbers.index(layer)]]
        values = {
            "silhouette": float(silhouette_by_layer(own, clips.labels)[0]),
            "neighbours alike": neighbours_alike(own[:, 0], clips.labels, clips.sources),
        }
        for metric, ours in values.items():
            setting = f"layer {layer} (paper: {layer - 1})"
            seeds = bench.request.seeds[:1]
            rows.append(
                Row(data.name, setting, metric, ours, protocol=PROTOCOL, seeds=seeds,
                    section="Layers of the maps")
            )  # fmt: skip
    return rows


def neighbours_alike(
    vectors: NDArray[Any], labels: NDArray[np.int64], sources: tuple[str, ...]
) -> float:
    """Share of the nearest clips of other sources with the same label, mean of both classes.

    NaN where a clip has no clip of another source beside it.
    """
    x = vectors.astype(np.float64)
    squares = np.square(x).sum(axis=1)
    distance = squares[:, None] + squares[None] - 2 * x @ x.T
    owner = np.unique(np.array(sources), return_inverse=True)[1]
    distance[owner[:, None] == owner[None]] = np.inf
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :NEIGHBOURS]
    known = np.isfinite(np.take_along_axis(distance, nearest, axis=1))
    alike = (labels[nearest] == labels[:, None]) & known
    with np.errstate(invalid="ignore"):
        share = alike.sum(axis=1) / known.sum(axis=1)
    return float(np.mean([share[labels == v].mean() for v in (0, 1)]))
