"""The small score curve along the bottom of the annotated video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hiprobe.gaps import after_gap
from hiprobe.report.shown_time import ShownTime
from hiprobe.report.sprites import load_font, render_text
from hiprobe.report.theme import TRUTH_RGB
from hiprobe.report.words import Span, event_spans
from hiprobe.timeline import Timeline

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw as Drawing

BACKGROUND_RGB = (10, 12, 15)
BACKGROUND_ALPHA = 165
DETECTED_DARK_RGB = (120, 26, 28)
GAP_RGB = (74, 80, 88)


def render_strip(
    timeline: Timeline,
    *,
    truth: Sequence[Span],
    size: tuple[int, int],
    inset: int,
    note: str | None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Colours `[rows, width, 3]` and opacities `[rows, width, 1]` of the strip, uint8.

    Events are dark red areas behind the curve, truth a blue band under it, the threshold a
    dashed line, failed segments holes in the curve, gaps in the pictures grey. `size` is height
    and width in pixels; `inset` pixels at the sides and below stay free for the red border. A
    note adds a line of its own on top.
    """
    from PIL import Image, ImageDraw

    height, width = size
    line = _note_picture(note, width=width - 2 * inset, pixels=max(8, round(height * 0.22)))
    head = 0 if line is None else len(line)
    image = Image.new("RGBA", (width, head + height), (*BACKGROUND_RGB, BACKGROUND_ALPHA))
    if line is not None:
        image.paste(Image.fromarray(line), (inset, 0))
    drawing = ImageDraw.Draw(image)
    band = max(2, height // 8)
    chart = _Chart(
        timeline, inset=inset, width=width, top=head, bottom=head + height - inset - band
    )
    for span in timeline.gaps:
        drawing.rectangle(chart.box(span, head, chart.bottom - 2), (*GAP_RGB, 225))
    for span in event_spans(timeline):
        drawing.rectangle(chart.box(span, head, chart.bottom - 2), (*DETECTED_DARK_RGB, 225))
    for span in truth:
        drawing.rectangle(chart.box(span, chart.bottom, chart.bottom + band - 1), TRUTH_RGB)
    _draw_threshold(drawing, chart, timeline.threshold)
    _draw_curve(drawing, chart, timeline)
    pixels = np.asarray(image)
    return pixels[:, :, :3].copy(), pixels[:, :, 3:].copy()


class _Chart:
    """Turns seconds and scores into columns and rows of the strip."""

    def __init__(
        self, timeline: Timeline, *, inset: int, width: int, top: int, bottom: int
    ) -> None:
        self.axis = TimeAxis(timeline, inset=inset, width=width)
        self.column = self.axis.column
        self.top, self.bottom = top, bottom
        self.line = max(1, (bottom - top) // 36)

    def box(self, span: Span, top: int, bottom: int) -> tuple[int, int, int, int]:
        return self.column(span[0]), top, self.column(span[1]), bottom

    def row(self, score: float) -> int:
        room = self.bottom - self.top - 4 - self.line
        return self.top + 1 + round((1 - min(max(score, 0.0), 1.0)) * room) + self.line // 2


class TimeAxis:
    """Columns of a frame that stand for moments of a video."""

    def __init__(self, timeline: Timeline, *, inset: int, width: int) -> None:
        self._time = ShownTime(timeline)
        self.first, self.last = inset, width - 1 - inset
        self._scale = (self.last - self.first) / (self._time.high - self._time.low)

    def column(self, seconds: float) -> int:
        """The column of a moment, held inside the axis."""
        place = float(self._time.place(seconds)) - self._time.low
        column = self.first + round(place * self._scale)
        return min(max(column, self.first), self.last)


def _draw_threshold(drawing: Drawing, chart: _Chart, threshold: float) -> None:
    row, dash = chart.row(threshold), max(2, (chart.axis.last - chart.axis.first) // 100)
    for left in range(chart.axis.first, chart.axis.last, 2 * dash):
        drawing.line([left, row, left + dash - 1, row], fill=(255, 214, 92, 255), width=chart.line)


def _draw_curve(drawing: Drawing, chart: _Chart, timeline: Timeline) -> None:
    last: tuple[int, int] | None = None
    start_seconds, end_seconds = timeline.start_seconds, timeline.end_seconds
    columns = (start_seconds, end_seconds, timeline.smoothed, after_gap(start_seconds, end_seconds))
    for start, end, score, is_behind_gap in zip(*columns, strict=True):
        if is_behind_gap:
            last = None
        if np.isnan(score):
            last = None
            continue
        left, right, row = chart.column(start), chart.column(end), chart.row(score)
        joined = [last] if last is not None and left - last[0] <= 1 else []
        points = [*joined, (left, row), (right, row)]
        drawing.line(points, fill=(240, 243, 247, 255), width=chart.line)
        last = (right, row)


def _note_picture(note: str | None, *, width: int, pixels: int) -> NDArray[np.uint8] | None:
    """The note on one line, as large as it fits, never cut where it fits at 6 pixels."""
    if not note:
        return None
    font = load_font(pixels)
    while pixels > 6 and font.getlength(note) + 6 > width:
        pixels -= 1
        font = load_font(pixels)
    return render_text(note, font, background=BACKGROUND_RGB)[:, :width]
