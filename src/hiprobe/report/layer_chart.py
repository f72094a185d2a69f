"""Charts of the layers: their measures, and t-SNE maps of their states."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiprobe.errors import UsageError
from hiprobe.report.theme import Draw, Theme, add_note, open_frame, save_figure

CV_AUC = "Cross-validated AUC"


@dataclass(frozen=True)
class LayerCurves:
    """One value per layer and measure (paper, eqs. 2, 4, 6 and 6').

    Layers count from 1 to L; the paper's figures count the same layers from 0 to L-1.

    Attributes:
        layers: layer numbers, 1..L.
        kl, ldr, entropy: measures before normalisation; entropy in bits.
        total: S(l), the sum of the three after normalising each over the layers.
        chosen: l*, one of `layers`.
        cv_auc: cross-validated ROC-AUC, None where there were too few clips.
        silhouette: silhouette of the two classes (paper, Figure 3), None where not computed.

    Raises:
        UsageError: lengths differ, or the chosen layer is not among the layers.
    """

    layers: Sequence[int]
    kl: Sequence[float]
    ldr: Sequence[float]
    entropy: Sequence[float]
    total: Sequence[float]
    chosen: int
    cv_auc: Sequence[float] | None = None
    silhouette: Sequence[float] | None = None

    def __post_init__(self) -> None:
        for name in ("kl", "ldr", "entropy", "total", "cv_auc", "silhouette"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.layers):
                raise UsageError(
                    f"{name} has {len(values)} values for {len(self.layers)} layers; "
                    "give one for each layer"
                )
        if self.chosen not in self.layers:
            raise UsageError(f"chosen layer {self.chosen} is not among {list(self.layers)}")

    def measures(self) -> tuple[tuple[str, Sequence[float]], ...]:
        """Name and values of each measure that is there, in the order to show them."""
        optional = (("Silhouette", self.silhouette), (CV_AUC, self.cv_auc))
        return (
            ("KL divergence", self.kl),
            ("LDR", self.ldr),
            ("Entropy (bits)", self.entropy),
            ("S(l), their normalised sum", self.total),
            *((name, values) for name, values in optional if values is not None),
        )

    def reason(self) -> str:
        """Why the chosen layer is read, in words that go on after its number."""
        if len(self.layers) == 1:
            return "the only one that was read, so that there is nothing to choose between"
        # A layer whose measure failed cannot be the best one, and NaN would win any comparison.
        finite = [value if math.isfinite(value) else -math.inf for value in self.total]
        best = self.layers[finite.index(max(finite))]
        if best == self.chosen:
            return "the layer that separates your clips best, with the highest S(l)"
        return f"set by hand; layer {best} separates your clips best, with the highest S(l)"


LAYERS_INCHES = (10.0, 5.4)
NUMBERING_NOTE = (
    "Layers count from 1 (lower axis). The paper's figures count the same layers from 0 "
    "(upper axis)."
)


def plot_layers(curves: LayerCurves, path: Path | str, *, note: str | None = None) -> None:
    """KL, LDR, entropy and S(l) over the layers (paper, Figure 2), silhouette (Figure 3), AUC.

    Measures that were not computed are left out. The chosen layer is marked in each panel.

    Args:
        curves: the measures.
        path: the picture, .png or .svg.
        note: small print under the panels.

    Raises:
        UsageError: the suffix is neither .png nor .svg.
        StorageError: the file cannot be written.
    """
    save_figure(layers_drawing(curves, note=note), path, inches=LAYERS_INCHES)


def layers_drawing(curves: LayerCurves, *, note: str | None = None) -> Draw:
    """What `plot_layers` draws, as a function for any figure and theme."""

    def draw(figure: Any, theme: Theme) -> None:
        measures = curves.measures()
        columns = 2 if len(measures) == 4 else 3
        panels = figure.subplots(2, columns, sharex=True).ravel()
        for axes, (name, values) in zip(panels, measures, strict=False):
            _draw_measure(axes, name, values, curves=curves, theme=theme)
        for axes in panels[len(measures) :]:
            axes.set_visible(False)
        # The panels share their lower axis, whose numbers stand under the last row only.
        for axes in panels[:columns]:
            axes.set_xlabel("")
            add_paper_axis(axes)
        figure.suptitle(
            f"chosen layer {curves.chosen} of {curves.layers[-1]} "
            f"({curves.chosen - 1} in the paper's count)",
            fontsize=11,
        )
        add_note(figure, NUMBERING_NOTE if note is None else f"{NUMBERING_NOTE} {note}")

    return draw


def _draw_measure(
    axes: Any, name: str, values: Sequence[float], *, curves: LayerCurves, theme: Theme
) -> None:
    axes.axvline(curves.chosen, color=theme.detected, linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(curves.layers, values, color=theme.truth, linewidth=1.5, marker="o", markersize=3)
    height = values[list(curves.layers).index(curves.chosen)]
    axes.plot([curves.chosen], [height], color=theme.detected, marker="o", markersize=6)
    axes.set_ylabel(name)
    axes.set_xlabel("layer")
    if name == CV_AUC:
        axes.axhline(0.5, color=theme.faint, linewidth=1, linestyle=(0, (1, 2)))
        end = (curves.layers[-1], 0.5)
        axes.annotate("chance", end, color=theme.faint, fontsize=7, va="bottom", ha="right")
    axes.set_xlim(curves.layers[0] - 0.7, curves.layers[-1] + 0.7)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y")
    open_frame(axes)


def add_paper_axis(axes: Any) -> None:
    """An upper axis that counts the layers from 0, as the paper does."""
    # Tied to the lower axis by a function, so that both move together when the chart is laid out.
    upper = axes.secondary_xaxis("top", functions=(lambda x: x - 1, lambda x: x + 1))
    upper.xaxis.get_major_locator().set_params(integer=True)
    upper.set_xlabel("layer, paper's count", fontsize=7.5)
    upper.tick_params(labelsize=7.5)
    upper.spines["top"].set_visible(False)


def plot_tsne(
    embeddings: Mapping[int, ArrayLike],
    labels: Sequence[int] | NDArray[np.integer[Any]],
    path: Path | str,
    *,
    chosen: int | None = None,
    note: str | None = None,
) -> None:
    """One map per layer (paper, Figure 4); the classes differ in form as well as in colour.

    Args:
        embeddings: by layer number, the place of each clip, `[clips, 2]`.
        labels: 0 normal, 1 abnormal, `[clips]`.
        path: the picture, .png or .svg.
        chosen: the layer that a probe reads, whose map says so.
        note: small print under the maps.

    Raises:
        UsageError: a map's shape does not fit the labels, or the suffix is unknown.
        StorageError: the file cannot be written.
    """
    drawing = tsne_drawing(embeddings, labels, chosen=chosen, note=note)
    save_figure(drawing, path, inches=tsne_inches(len(embeddings)))


def tsne_inches(count: int) -> tuple[float, float]:
    """Width and height of a picture with this number of maps."""
    return 3.2 * count + 0.4, 3.8


def tsne_drawing(
    embeddings: Mapping[int, ArrayLike],
    labels: Sequence[int] | NDArray[np.integer[Any]],
    *,
    chosen: int | None = None,
    note: str | None = None,
) -> Draw:
    """What `plot_tsne` draws, as a function for any figure and theme.

    Args:
        embeddings, labels, chosen, note: as `plot_tsne`.

    Raises:
        UsageError: there is no map, or a map's shape does not fit the labels.
    """
    classes = np.asarray(labels)
    maps = {layer: np.asarray(points, dtype=np.float64) for layer, points in embeddings.items()}
    for layer, points in maps.items():
        if points.shape != (len(classes), 2):
            raise UsageError(
                f"the map of layer {layer} has shape {points.shape}; expected "
                f"({len(classes)}, 2), one point for each label"
            )
    if not maps:
        raise UsageError("no layer to draw: give the map of at least one layer")

    def draw(figure: Any, theme: Theme) -> None:
        panels = figure.subplots(1, len(maps), squeeze=False)[0]
        for axes, (layer, points) in zip(panels, maps.items(), strict=True):
            _draw_map(axes, points, classes, theme)
            axes.set_title(_layer_words(layer, is_chosen=layer == chosen), fontsize=9)
        handles = panels[0].get_legend_handles_labels()[0]
        figure.legend(handles=handles, loc="outside upper center", ncols=2, frameon=False)
        add_note(figure, note)

    return draw


def _layer_words(layer: int, *, is_chosen: bool) -> str:
    if layer == 0:
        return "layer 0 (before the first layer)"
    words = f"layer {layer} ({layer - 1} in the paper's count)"
    return f"{words}, chosen" if is_chosen else words


def _draw_map(axes: Any, points: NDArray[np.float64], classes: NDArray[Any], theme: Theme) -> None:
    look = {"linewidth": 0.5, "edgecolor": theme.paper, "alpha": 0.9}
    # A form for each class, too: in print, or to those who do not tell red from blue, colour is
    # lost.
    groups = (("normal", 0, "o", theme.truth), ("abnormal", 1, "^", theme.detected))
    for name, value, marker, colour in groups:
        chosen = points[classes == value]
        axes.scatter(*chosen.T, label=name, marker=marker, s=26, color=colour, **look)
    # The axes of a t-SNE map have no unit: numbers on them would invite reading distances.
    axes.set_xticks([])
    axes.set_yticks([])
