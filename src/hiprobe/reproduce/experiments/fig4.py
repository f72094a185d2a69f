"""Figure 4: t-SNE maps of the first, the chosen and the last layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.probe.selection import candidate_layers
from hiprobe.probe.training_set import TrainingSet, training_set
from hiprobe.report.layer_plot import tsne_drawing, tsne_inches
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.layer_draws import clip_vectors
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.result import Figure, Findings, Row
from hiprobe.reproduce.scored import states_digest
from hiprobe.saliency import layer_saliency
from hiprobe.separation import silhouette_by_layer, tsne_embedding

NEIGHBOURS = 5
PROTOCOL = "all clips, one vector each; t-SNE by the first seed"
NOTES = (
    "A t-SNE map is drawn without labels, but it keeps neighbours, not distances: the table has "
    "what can be counted, on the states themselves.",
    f"Neighbours alike: share of the {NEIGHBOURS} nearest clips of other sources that have the "
    "same label, averaged over both classes; 0.5 is chance.",
    "Layer 0 is left out: at the last prompt position it is one and the same vector for every "
    "video.",
)


def run(bench: Bench) -> Findings:
    """One figure for each data set."""
    rows: list[Row] = []
    figures = []
    for data in bench.request.data:
        clips = training_set(bench.extraction.examples(data))
        maps = _maps(bench, data, clips)
        rows += _rows(bench, data, clips, list(maps))
        figures.append(_figure(data, clips, maps))
    return Findings(tuple(rows), tuple(figures), NOTES)


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


def _figure(data: DataSource, clips: TrainingSet, maps: dict[int, NDArray[np.float64]]) -> Figure:
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
