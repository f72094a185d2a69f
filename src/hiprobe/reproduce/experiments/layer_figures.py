"""Figures 2, 3 and 4: measures of the layers, and maps of their states."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.probe.selection import candidate_layers
from hiprobe.probe.training_set import TrainingSet, training_set
from hiprobe.report.layer_chart import tsne_drawing, tsne_inches
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.drawing import Panel, panels_drawing
from hiprobe.reproduce.experiment_result import Figure, Findings, ResultRow, facts
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
    """Saliency over the layers; one figure for each data set, since its scale is its own."""
    known = facts()["layers"]
    paper_note = (
        f"The paper's measures peak near layer {known['peak']} of {known['first']} to "
        f"{known['last']} (InternVL2.5, XD-Violence); it gives no table of them."
    )
    rows: list[ResultRow] = []
    figures, notes = [], [paper_note, ENTROPY_NOTE]
    for data in bench.request.data:
        found = measure_layers(bench, data, "saliency", _saliency)
        rows += found.rows(bench, "Saliency by layer")
        figures.append(_saliency_figure(found))
        # How stable l* is: the figure alone shows a peak, not whether other recordings would move
        # it.
        picked = [found.layers[int(np.argmax(row))] for row in found.parts["S(l)"]]
        shown = ", ".join(f"{layer} ({n})" for layer, n in Counter(picked).most_common(6))
        notes.append(
            f"{found.data.name}: l* = {found.best('S(l)')} of {found.layers[-1]} on all clips; in "
            f"{len(picked)} draws of 80 % of the sources it was (how often): {shown}."
        )
    return Findings(tuple(rows), tuple(figures), tuple(notes))


def _saliency(vectors: NDArray[Any], labels: NDArray[np.int64]) -> dict[str, list[float]]:
    table = layer_saliency(vectors[labels == 0], vectors[labels == 1])
    return {name: getattr(table, key).tolist() for key, name in MEASURES.items()}


def _saliency_figure(found: LayerDraws) -> Figure:
    best = found.best("S(l)")
    panels = []
    for name in MEASURES.values():
        curve = replace(found.curve(name, name), marked=best)
        panels.append(Panel(name, "layer", name, (curve,), paper_layers=True))
    return Figure(
        name=f"saliency-{found.data.name}",
        caption=(
            f"{found.data.name}: measures of every layer (paper, Figure 2). The red ring is l* = "
            f"{best}; bands are the middle 95 % of draws of 80 % of the sources. Upper axis: the "
            "paper's count from 0. S(l) is the sum of the other three after each is z-scored over "
            "the layers."
        ),
        draw=panels_drawing(panels, columns=2, legend=False),
        inches=(9.0, 6.2),
    )


SILHOUETTE = "silhouette"
SILHOUETTE_NOTES = (
    "The paper's silhouette peaks near layer 20 of 0 to 31 on both of its sets; it gives no table.",
    "Euclidean distances of the states as they are, without standardisation.",
)


def fig3(bench: Bench) -> Findings:
    """Silhouette over the layers; all data sets in one picture, as the paper has it."""
    rows: list[ResultRow] = []
    curves, peaks = [], []
    for data in bench.request.data:
        found = measure_layers(bench, data, SILHOUETTE, _silhouette)
        rows += found.rows(bench, "Silhouette by layer")
        best = found.best(SILHOUETTE)
        curves.append(replace(found.curve(SILHOUETTE, data.name), marked=best))
        height = float(np.nanmax(found.whole[SILHOUETTE]))
        peaks.append(
            f"{data.name}: the peak is at layer {best} of {found.layers[-1]}, {height:.3f}."
        )
    panel = Panel("", "layer", SILHOUETTE, tuple(curves), paper_layers=True)
    caption = (
        "Silhouette of the two classes on every layer (paper, Figure 3). Rings mark the peak of "
        "each set; bands are the middle 95 % of draws of 80 % of the sources. Upper axis: the "
        "paper's count from 0."
    )
    figure = Figure(SILHOUETTE, caption, panels_drawing([panel], columns=1), (8.0, 4.2))
    return Findings(tuple(rows), (figure,), (*SILHOUETTE_NOTES, *peaks))


def _silhouette(vectors: NDArray[Any], labels: NDArray[np.int64]) -> dict[str, list[float]]:
    return {SILHOUETTE: silhouette_by_layer(vectors, labels).tolist()}


NEIGHBOURS = 5
MAP_PROTOCOL = "all clips, one vector each; t-SNE by the first seed"
MAP_NOTES = (
    "A t-SNE map is drawn without labels, but it keeps neighbours, not distances: the table has "
    "what can be counted, on the states themselves.",
    f"Neighbours alike: share of the {NEIGHBOURS} nearest clips of other sources that have the "
    "same label, averaged over both classes; 0.5 is chance.",
    "Layer 0 is left out: at the last prompt position it is one and the same vector for every "
    "video.",
)


def fig4(bench: Bench) -> Findings:
    """Maps of the first, the chosen and the last layer; one figure for each data set."""
    rows: list[ResultRow] = []
    figures = []
    for data in bench.request.data:
        examples = bench.extraction.examples(data)
        clips = training_set(examples)
        vectors, layers = clip_vectors(clips), candidate_layers(clips)
        # l* on all clips: a picture tests nothing
        normal, anomalous = (vectors[clips.labels == v] for v in (0, 1))
        chosen = layer_saliency(normal, anomalous, layers=layers).best
        maps = _maps(bench, vectors, layers, chosen, states_digest(examples))
        rows += _map_rows(bench, data, clips, vectors, list(maps))
        end = {layers[0]: ", the first one", layers[-1]: ", the last one"}.get(chosen, "")
        caption = (
            f"{data.name}: every clip as a point on the first, the chosen and the last layer "
            f"(paper, Figure 4). The chosen layer is l* = {chosen}{end}."
        )
        drawing = tsne_drawing(maps, clips.labels)
        figures.append(Figure(f"tsne-{data.name}", caption, drawing, tsne_inches(len(maps))))
    return Findings(tuple(rows), tuple(figures), MAP_NOTES)


def _maps(
    bench: Bench, vectors: NDArray[Any], layers: tuple[int, ...], chosen: int, digest: str
) -> dict[int, NDArray[np.float64]]:
    seed = bench.request.seeds[0]

    def compute() -> dict[str, Any]:
        found = tsne_embedding(vectors, chosen=chosen, layers=layers, seed=seed)
        return {str(n): points.tolist() for n, points in found.items()}

    key = {"states": digest, "seed": seed, "of": "t-SNE", "chosen": chosen}
    found = bench.finished.piece(key, compute)
    return {int(n): np.array(points, np.float64) for n, points in found.items()}


def _map_rows(
    bench: Bench, data: DataSource, clips: TrainingSet, vectors: NDArray[Any], layers: list[int]
) -> list[ResultRow]:
    table = bench.table(data, "Layers of the maps", MAP_PROTOCOL)
    table = replace(table, seeds=table.seeds[:1])
    numbers, rows = candidate_layers(clips), []
    for layer in layers:
        own, setting = vectors[:, [numbers.index(layer)]], f"layer {layer} (paper: {layer - 1})"
        alike = neighbours_alike(own[:, 0], clips.labels, clips.sources)
        height = float(silhouette_by_layer(own, clips.labels)[0])
        rows.append(table.row(setting, SILHOUETTE, height))
        rows.append(table.row(setting, "neighbours alike", alike))
    return rows


def neighbours_alike(
    vectors: NDArray[Any], labels: NDArray[np.int64], sources: tuple[str, ...]
) -> float:
    """Share of the nearest clips of other sources with the same label, mean of both classes.

    Args:
        vectors: `[clips, width]`.

    Returns:
        NaN where there is no clip of another source to compare with.
    """
    x = vectors.astype(np.float64)
    # By |a-b|^2 = |a|^2 + |b|^2 - 2ab, which needs no array of clips by clips by width.
    squares = np.square(x).sum(axis=1)
    distance = squares[:, None] + squares[None] - 2 * x @ x.T
    owner = np.unique(np.array(sources), return_inverse=True)[1]
    # Clips of one recording are neighbours whatever happens in them.
    distance[owner[:, None] == owner[None]] = np.inf
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :NEIGHBOURS]
    known = np.isfinite(np.take_along_axis(distance, nearest, axis=1))
    alike = (labels[nearest] == labels[:, None]) & known
    with np.errstate(invalid="ignore"):
        share = alike.sum(axis=1) / known.sum(axis=1)
    # Averaged over the classes, so that chance is 0.5 however rare one of them is.
    return float(np.mean([share[labels == v].mean() for v in (0, 1)]))
