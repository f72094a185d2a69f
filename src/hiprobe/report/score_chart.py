"""The chart of a scored video: its score curve, its events, and the truth where it is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.report.theme import Draw, Theme, add_note, open_frame, save_figure
from hiprobe.report.words import ShownTime, Span, checked_spans, format_seconds, gap_words
from hiprobe.segment import after_gap
from hiprobe.timeline import Timeline

TIMELINE_INCHES = (10.0, 3.6)
# Steps between labels that people count in; the smallest is taken that gives ten labels at most.
TICK_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600)


def plot_timeline(
    timeline: Timeline,
    path: Path | str,
    *,
    truth_spans: Sequence[Span] | None = None,
    cuts_seconds: Sequence[float] = (),
    title: str,
    note: str | None = None,
) -> None:
    """Raw and smoothed score, threshold, detection shaded red, truth as a blue hatched strip.

    Segments without a score are grey. Gaps in the pictures are dotted bands, shorter than they
    lasted; the labels of the axis are true times.

    Args:
        timeline: what to draw.
        path: the picture, .png or .svg.
        truth_spans: known events as `(start, end)` in seconds, drawn in a strip under the curve;
            None leaves the strip out, an empty list gives a strip with nothing in it.
        cuts_seconds: where a joined video passes from one clip to the next: ticks in that strip.
        title: what stands above the chart.
        note: small print under it.

    Raises:
        UsageError: the suffix is neither .png nor .svg, or a truth span is not a stretch.
        StorageError: the file cannot be written.
    """
    draw = timeline_drawing(
        timeline, truth_spans=truth_spans, cuts_seconds=cuts_seconds, title=title, note=note
    )
    save_figure(draw, path, inches=TIMELINE_INCHES)


def timeline_drawing(
    timeline: Timeline,
    *,
    truth_spans: Sequence[Span] | None = None,
    cuts_seconds: Sequence[float] = (),
    title: str | None = None,
    note: str | None = None,
) -> Draw:
    """What `plot_timeline` draws, as a function for any figure and theme.

    Args:
        timeline, truth_spans, cuts_seconds, title, note: as `plot_timeline`.

    Raises:
        UsageError: a truth span is not a stretch.
    """
    truth = None if truth_spans is None else checked_spans(truth_spans)
    axis = ShownTime(timeline)

    def draw(figure: Any, theme: Theme) -> None:
        ratios = [12.0] if truth is None else [12.0, 1.0]
        rows = figure.subplots(
            len(ratios), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": ratios}
        )[:, 0]
        _draw_scores(rows[0], timeline, axis, theme)
        handles = rows[0].get_legend_handles_labels()[0]
        if truth is not None:
            handles.append(_draw_truth(rows[1], [axis.span(span) for span in truth], theme))
            handles += _draw_cuts(rows[1], axis.place(cuts_seconds).tolist(), theme)
        handles += _draw_gaps(rows, timeline, axis, theme)
        _label(figure, rows[-1], axis, title=title, note=note)
        place = {"loc": "lower left", "bbox_to_anchor": (-0.008, 1.0), "ncols": len(handles)}
        look = {"frameon": False, "fontsize": 8, "columnspacing": 1.6, "handlelength": 1.8}
        rows[0].legend(handles=handles, **place, **look)

    return draw


def _draw_scores(axes: Any, timeline: Timeline, axis: ShownTime, theme: Theme) -> None:
    shown = {"facecolor": theme.detected, "alpha": 0.25, "linewidth": 0}
    raw, smoothed = (_steps(timeline, axis, v) for v in (timeline.scores, timeline.smoothed))
    axes.plot(*raw, color=theme.faint, linewidth=1.0, label="score by segment")
    axes.plot(*smoothed, color=theme.curve, linewidth=1.8, label="smoothed score")
    axes.axhline(
        timeline.threshold,
        color=theme.detected,
        linestyle=(0, (5, 3)),
        linewidth=1.2,
        label=f"threshold {timeline.threshold:.2f}",
    )
    for index, event in enumerate(timeline.events):
        label = "detected" if index == 0 else None
        span = axis.span((event.start_seconds, event.end_seconds))
        axes.axvspan(*span, label=label, zorder=0, **shown)
    failed = timeline.failed
    spans = zip(timeline.start_seconds[failed], timeline.end_seconds[failed], strict=True)
    for count, span in enumerate(spans):
        label = "no score (backbone gave up)" if count == 0 else None
        look = {"facecolor": theme.faint, "alpha": 0.4, "linewidth": 0, "zorder": 0}
        axes.axvspan(*axis.span(span), label=label, **look)
    # Scores are probabilities. The scale is the same for all videos, so that charts can be
    # compared; only a threshold outside of it widens it.
    axes.set_ylim(min(-0.03, timeline.threshold - 0.03), max(1.03, timeline.threshold + 0.03))
    axes.set_ylabel("anomaly score")
    axes.grid(axis="y")
    open_frame(axes)


def _steps(
    timeline: Timeline, axis: ShownTime, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each score held over its segment, broken where time is missing between two segments.

    Steps, not points joined by lines: only so do the edges of events meet the threshold.
    """
    places = axis.place(np.stack([timeline.start_seconds, timeline.end_seconds], axis=1))
    heights = np.stack([values, values], axis=1)
    behind = np.flatnonzero(after_gap(timeline.start_seconds, timeline.end_seconds))
    return (
        np.insert(places.ravel(), 2 * behind, np.nan),
        np.insert(heights.ravel(), 2 * behind, np.nan),
    )


def _draw_truth(axes: Any, truth: Sequence[Span], theme: Theme) -> Any:
    """Draw the strip of the truth; returns its legend entry.

    An empty strip has one, too: "no event" must not look like "not known".
    """
    from matplotlib.patches import Patch

    # Hatched, so that truth and detection differ without colour as well.
    look: dict[str, Any] = {"facecolor": "none", "edgecolor": theme.truth, "hatch": "////"}
    for start, end in truth:
        axes.axvspan(start, end, facecolor=theme.truth, alpha=0.2, linewidth=0)
        axes.axvspan(start, end, linewidth=1.2, **look)
    axes.set_yticks([0.5], ["truth"])
    axes.set_ylim(0, 1)
    axes.tick_params(axis="y", length=0)
    return Patch(label="truth (annotation)" if truth else "truth: no event", **look)


def _draw_cuts(axes: Any, cuts_seconds: Sequence[float], theme: Theme) -> list[Any]:
    """Ticks in the strip of the truth; their legend entry where there are any."""
    from matplotlib.lines import Line2D

    look: dict[str, Any] = {"color": theme.ink, "linewidth": 1.0}
    for cut in cuts_seconds:
        axes.axvline(cut, ymin=0.0, ymax=1.0, **look)
    mark: dict[str, Any] = {"marker": "|", "markersize": 9, "linestyle": "none"}
    return [Line2D([], [], label="cut", **look, **mark)] if cuts_seconds else []


def _draw_gaps(rows: Any, timeline: Timeline, axis: ShownTime, theme: Theme) -> list[Any]:
    """Dotted bands where there are no pictures; their legend entry where there are any."""
    from matplotlib.patches import Patch

    if not timeline.gaps:
        return []
    look: dict[str, Any] = {"facecolor": "none", "edgecolor": theme.faint, "hatch": "...."}
    for axes in rows:
        for span in axis.gaps:
            axes.axvspan(*span, linewidth=0.8, zorder=0, **look)
    return [Patch(label=f"no pictures ({gap_words(timeline)})", **look)]


def _label(figure: Any, axes: Any, axis: ShownTime, *, title: str | None, note: str | None) -> None:
    from matplotlib.ticker import MultipleLocator

    length = axis.high - axis.low
    step = next((s for s in TICK_SECONDS if length / s <= 10), length)
    axes.set_xlim(axis.low, axis.high)
    # On an axis that is shortened in places, matplotlib's locator would label places, not moments.
    if axis.gaps:
        moments = axis.ticks(step)
        words = [_tick_words(seconds, step) for seconds in moments]
        axes.set_xticks(axis.place(moments), words)
    else:
        axes.xaxis.set_major_locator(MultipleLocator(step))
        axes.xaxis.set_major_formatter(lambda seconds, _: _tick_words(seconds, step))
    axes.set_xlabel("time")
    if title:
        figure.suptitle(title, fontsize=11, x=0.006, ha="left")
    add_note(figure, note)


def _tick_words(seconds: float, step: float) -> str:
    words = format_seconds(seconds)
    return words if step < 1 else words.rpartition(".")[0]
