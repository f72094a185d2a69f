"""The small score curve along the bottom of the annotated video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hiprobe.report.sprites import load_font
from hiprobe.report.theme import TRUTH_RGB
from hiprobe.report.words import Span, event_spans, extent_seconds
from hiprobe.timeline import Timeline

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw as Drawing

BACKGROUND_RGB = (10, 12, 15)
BACKGROUND_ALPHA = 165
DETECTED_DARK_RGB = (120, 26, 28)


def render_strip(
    timeline: Timeline, *, truth: Sequence[Span], size: tuple[int, int], note: str | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Colours `[height, width, 3]` and opacities `[height, width, 1]` of the strip, uint8.

    Events are dark red areas behind the curve, truth a blue band at the lower edge, the
    threshold a dashed line, failed segments gaps in the curve.
    """
    from PIL import Image, ImageDraw

    height, width = size
    image = Image.new("RGBA", (width, height), (*BACKGROUND_RGB, BACKGROUND_ALPHA))
    drawing = ImageDraw.Draw(image)
    band = max(2, height // 8)
    chart = _Chart(timeline, width=width, height=height - band - 1)
    for span in event_spans(timeline):
        drawing.rectangle([*chart.columns(span, 0), height - band - 2], (*DETECTED_DARK_RGB, 225))
    for span in truth:
        left, top, right = chart.columns(span, height - band)
        drawing.rectangle([left, top, right, height - 1], (*TRUTH_RGB, 255))
    _draw_threshold(drawing, chart, timeline.threshold)
    _draw_curve(drawing, chart, timeline)
    if note:
        _draw_note(drawing, note, width=width, height=height)
    pixels = np.asarray(image)
    return pixels[:, :, :3].copy(), pixels[:, :, 3:].copy()


class _Chart:
    """Turns seconds and scores into columns and rows of the strip."""

    def __init__(self, timeline: Timeline, *, width: int, height: int) -> None:
        self.low, high = extent_seconds(timeline)
        self.scale = (width - 1) / (high - self.low)
        self.width, self.height = width, height

    def column(self, seconds: float) -> int:
        return min(max(round((seconds - self.low) * self.scale), 0), self.width - 1)

    def columns(self, span: Span, top: int) -> tuple[int, int, int]:
        return self.column(span[0]), top, self.column(span[1])

    def row(self, score: float) -> int:
        return round((1 - min(max(score, 0.0), 1.0)) * (self.height - 3)) + 1


def _draw_threshold(drawing: Drawing, chart: _Chart, threshold: float) -> None:
    row, dash = chart.row(threshold), max(2, chart.width // 100)
    for left in range(0, chart.width, 2 * dash):
        drawing.line([left, row, left + dash - 1, row], fill=(255, 214, 92, 255))


def _draw_curve(drawing: Drawing, chart: _Chart, timeline: Timeline) -> None:
    thickness = max(1, chart.height // 40)
    last: tuple[int, int] | None = None
    columns = (timeline.start_seconds, timeline.end_seconds, timeline.smoothed)
    for start, end, score in zip(*columns, strict=True):
        if np.isnan(score):
            last = None
            continue
        left, right, row = chart.column(start), chart.column(end), chart.row(score)
        joined = [last] if last is not None and left - last[0] <= 1 else []
        points = [*joined, (left, row), (right, row)]
        drawing.line(points, fill=(240, 243, 247, 255), width=thickness)
        last = (right, row)


def _draw_note(drawing: Drawing, note: str, *, width: int, height: int) -> None:
    """The note in the strip's upper left corner, as large as it fits on one line."""
    pixels = max(8, height // 5)
    font = load_font(pixels)
    while pixels > 6 and font.getlength(note) > width - 4:
        pixels -= 1
        font = load_font(pixels)
    drawing.text((3, 1), note, fill=(255, 255, 255, 255), font=font)
