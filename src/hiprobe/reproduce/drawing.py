"""Curves with bands, as several figures of experiments show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hiprobe.report.layer_chart import add_paper_axis
from hiprobe.report.theme import Draw, Theme, add_note, legend_words, open_frame, tick_words
from hiprobe.reproduce.experiment_result import ResultRow

# One for each curve. Red is left to what was detected or chosen.
COLOURS = ("#1f77c8", "#d98200", "#2a9d5c", "#8d5fc4", "#7a5c4a", "#c2479b", "#5b6770")

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
CURVES_BESIDE_LEGEND = 4  # more than these leave no room within a panel


@dataclass(frozen=True)
class Curve:
    """Values over x, with a band where there is one, and a place to mark.

    Attributes:
        low, high: of the band; empty for none.
        marked: x at which a ring is drawn, None for none.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    marked: float | None = None


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        ticks: names of places on the x axis, in place of numbers, for values that are no scale.
        paper_layers: add the upper axis on which the paper counts layers from 0.
    """

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    log_x: bool = False
    ticks: tuple[tuple[float, str], ...] = ()
    paper_layers: bool = False


def curve_of_rows(name: str, x: Sequence[float], rows: Sequence[ResultRow]) -> Curve:
    """Values of rows over x, with their intervals as a band, of no width where there are none.

    Args:
        x: the place of each row.
    """
    low = [r.ours if r.low is None else r.low for r in rows]
    high = [r.ours if r.high is None else r.high for r in rows]
    return Curve(name, x, [r.ours for r in rows], low, high)


def metric_panels(
    rows: Sequence[ResultRow],
    x_of: Callable[[ResultRow], float],
    *,
    x_label: str,
    ticks: tuple[tuple[float, str], ...],
) -> list[Panel]:
    """A panel for each metric with a curve for each data set, over a logarithmic x.

    Args:
        x_of: the place of a row.
    """
    panels = []
    for metric in dict.fromkeys(r.metric for r in rows):
        curves = []
        for data in dict.fromkeys(r.data for r in rows):
            own = [r for r in rows if (r.data, r.metric) == (data, metric)]
            curves.append(curve_of_rows(data, [x_of(r) for r in own], own))
        panels.append(Panel(metric, x_label, metric, tuple(curves), log_x=True, ticks=ticks))
    return panels


def panels_drawing(
    panels: Sequence[Panel],
    *,
    columns: int,
    legend: bool = True,
    note: str | None = None,
) -> Draw:
    """Panels in a grid; each has a legend of its own where it holds several curves.

    Args:
        columns: most panels side by side.
        legend: False where the title of a panel names its only curve.
        note: small print under all panels.
    """
    columns = min(columns, max(1, len(panels)))
    rows = -(-len(panels) // columns)

    def draw(figure: Any, theme: Theme) -> None:
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            _draw_panel(axes, panel, theme)
            if legend and any(c.name for c in panel.curves):
                _add_legend(axes, panel)
        # the last line of the grid may have places without a panel
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        add_note(figure, note)

    return draw


def _add_legend(axes: Any, panel: Panel) -> None:
    """Within the panel where it leaves room, below it where it would hide many curves."""
    look: dict[str, Any] = {"frameon": False, "fontsize": 7.5}
    if len(panel.curves) > CURVES_BESIDE_LEGEND:
        look |= {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2)}
    axes.legend(**look)


def _draw_panel(axes: Any, panel: Panel, theme: Theme) -> None:
    for number, curve in enumerate(panel.curves):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        _draw_curve(axes, curve, colour, marker, ring=theme.detected)
    if panel.log_x:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")  # not as mathematics
    if panel.ticks:
        from matplotlib.ticker import NullLocator

        axes.set_xticks([x for x, _ in panel.ticks], [tick_words(name) for _, name in panel.ticks])
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_title(panel.title, fontsize=9, loc="left")
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    axes.grid(axis="y")
    open_frame(axes)
    if panel.paper_layers:
        add_paper_axis(axes)


def _draw_curve(axes: Any, curve: Curve, colour: str, marker: str, *, ring: str) -> None:
    look = {"color": colour, "marker": marker, "markersize": 3, "linewidth": 1.5}
    axes.plot(curve.x, curve.y, label=legend_words(curve.name), **look)
    if len(curve.low):
        axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
    # A ring around the point and not another colour: the colour says which curve it is.
    if curve.marked is not None:
        height = curve.y[list(curve.x).index(curve.marked)]
        axes.plot(
            [curve.marked], [height], marker="o", markersize=9, markerfacecolor="none",
            markeredgecolor=ring, markeredgewidth=1.5, linestyle="none"
        )  # fmt: skip
