"""The annotated video: score curve and events drawn under the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hiprobe.report.theme import DETECTED_RGB, TRUTH_RGB, font_file
from hiprobe.report.words import ShownTime, Span, checked_spans, event_spans
from hiprobe.segment import Frame, after_gap
from hiprobe.timeline import Timeline

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw as Drawing
    from PIL.ImageFont import FreeTypeFont


RGB = tuple[int, int, int]
Picture = NDArray[np.uint8]

PLATE_RGB = (16, 18, 21)
BAR_RGB = (235, 238, 242)
SMALLEST_FONT_PIXELS = 9


class Sprites:
    """Pictures for frames of one size; all lengths follow the frame's height."""

    def __init__(self, height: int, width: int) -> None:
        short = min(height, width)
        self.font_pixels = max(SMALLEST_FONT_PIXELS, round(short / 26))
        self.line = max(1, round(short / 240))
        self._made: dict[object, Picture] = {}

    @cached_property
    def _font(self) -> FreeTypeFont:
        return load_font(self.font_pixels)

    def score(self, score: float) -> Picture:
        """The score as text, two digits; the same width for every number."""
        words = "no score" if math.isnan(score) else f"score {score:.2f}"
        return self._text(words, PLATE_RGB)

    def chip(self, words: str, colour: RGB) -> Picture:
        """A word on a plate of its own colour."""
        return self._text(words, colour)

    def bar(self, score: float, threshold: float) -> Picture:
        """A horizontal bar, filled to the score, red above the threshold, with a tick at it."""
        height, width = len(self.score(0.0)), self.font_pixels * 5
        picture = np.full((height, width, 3), PLATE_RGB, dtype=np.uint8)
        pad = max(1, height // 4)
        inner = picture[pad : height - pad, pad : width - pad]
        inner[:] = (64, 70, 77)
        if not math.isnan(score):
            colour = DETECTED_RGB if score > threshold else BAR_RGB
            inner[:, : round(_unit(score) * inner.shape[1])] = colour
        tick = pad + round(_unit(threshold) * (inner.shape[1] - 1))
        picture[pad // 2 : height - pad // 2, tick : tick + self.line] = (255, 214, 92)
        return picture

    def _text(self, words: str, background: RGB) -> Picture:
        key = (words, background)
        if key not in self._made:
            self._made[key] = render_text(words, self._font, background=background)
        return self._made[key]


def load_font(pixels: int) -> FreeTypeFont:
    """DejaVu Sans at a height in pixels."""
    from PIL import ImageFont

    return ImageFont.truetype(str(font_file()), pixels)


def render_text(words: str, font: FreeTypeFont, *, background: RGB) -> Picture:
    """White words on a plate, uint8 `[height, width, 3]`."""
    from PIL import Image, ImageDraw

    pad = max(2, round(font.size / 4))
    ascent, descent = font.getmetrics()
    size = (math.ceil(font.getlength(words)) + 2 * pad, ascent + descent + pad)
    image = Image.new("RGB", size, background)
    ImageDraw.Draw(image).text((pad, pad // 2), words, fill=(255, 255, 255), font=font)
    return np.asarray(image)


def paste(picture: Picture, sprite: Picture, *, top: int, left: int) -> int:
    """Copy a sprite into a picture, cut at its edges; returns the column after it."""
    space = picture[top : top + sprite.shape[0], left : left + sprite.shape[1]]
    space[:] = sprite[: space.shape[0], : space.shape[1]]
    return left + len(sprite[0])


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


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


def annotate_video(
    video: Path | str,
    timeline: Timeline,
    path: Path | str,
    *,
    truth_spans: Sequence[Span] | None = None,
    note: str | None = None,
) -> None:
    """Write `video` again with its scores drawn on it.

    A red border and the mark "detected" stand while an event lasts; the blue mark "truth" while
    a truth span lasts. Along the bottom runs the smoothed score with a playhead.

    Raises:
        UsageError: a truth span is not a stretch.
        VideoError: the video cannot be read.
        StorageError: the result cannot be written.
    """
    from hiprobe.video.write import redraw_video

    redraw_video(video, path, draw=Overlay(timeline, truth_spans=truth_spans, note=note).draw)


class Overlay:
    """Draws on frames of one video; what does not change is drawn once per frame size."""

    def __init__(
        self,
        timeline: Timeline,
        *,
        truth_spans: Sequence[Span] | None = None,
        note: str | None = None,
    ) -> None:
        self._timeline = timeline
        self._truth = checked_spans(truth_spans or ())
        self._events = event_spans(timeline)
        self._note = note
        self._size = (0, 0)
        self._border: int
        self._axis: TimeAxis
        self._sprites: Sprites
        self._strip: NDArray[np.uint8]
        self._strip_alpha: NDArray[np.uint8]

    def draw(self, frame: Frame, seconds: float) -> Frame:
        """A copy of `frame` (uint8 RGB `[height, width, 3]`) with everything drawn on it.

        All results have the size of the first frame: a source that changes its size is resized,
        since a written video has one size.
        """
        if self._size == (0, 0):
            self._prepare(*frame.shape[:2])
        picture = frame.copy() if frame.shape[:2] == self._size else _resized(frame, self._size)
        self._draw_strip(picture, seconds)
        detected = _inside(seconds, self._events)
        if detected:
            _draw_border(picture, self._border)
        self._draw_marks(picture, seconds, detected=detected)
        return picture

    def _prepare(self, height: int, width: int) -> None:
        self._size = (height, width)
        self._sprites = Sprites(height, width)
        self._border = max(2, round(min(height, width) / 60))
        self._axis = TimeAxis(self._timeline, inset=self._border, width=width)
        self._strip, self._strip_alpha = render_strip(
            self._timeline,
            truth=self._truth,
            size=(max(18, round(height * 0.16)), width),
            inset=self._border,
            note=self._note,
        )

    def _draw_strip(self, picture: Frame, seconds: float) -> None:
        """Blend the curve along the bottom and set the playhead on it."""
        strip = self._strip[: len(picture)]
        region = picture[len(picture) - len(strip) :]
        # Integer blending: on large frames several times faster than floats.
        alpha = self._strip_alpha[: len(strip)].astype(np.uint16)
        mixed = region * (255 - alpha) + strip * alpha
        region[:] = (mixed // 255).astype(np.uint8)
        column, half = self._axis.column(seconds), self._sprites.line // 2
        region[:, max(0, column - half) : column + half + 1] = 255

    def _draw_marks(self, picture: Frame, seconds: float, *, detected: bool) -> None:
        """The score as number and bar, and beside or under it the marks of this moment."""
        score = self._score_at(seconds)
        top = self._border + 2 * self._sprites.line
        left = paste(picture, self._sprites.score(score), top=top, left=top)
        bar = self._sprites.bar(score, self._timeline.threshold)
        right = paste(picture, bar, top=top, left=left)
        row_height = len(bar)
        marks = [("detected", DETECTED_RGB)] if detected else []
        if _inside(seconds, self._truth):
            marks.append(("truth", TRUTH_RGB))
        chips = [self._sprites.chip(text, colour) for text, colour in marks]
        fits = right + sum(c.shape[1] + top for c in chips) <= picture.shape[1]
        left, row = (right + top, top) if fits else (top, top + row_height + self._sprites.line)
        for chip in chips:
            left = paste(picture, chip, top=row, left=left) + self._sprites.line * 2

    def _score_at(self, seconds: float) -> float:
        """Smoothed score of the segment that holds a moment; NaN outside of all."""
        index = int(np.searchsorted(self._timeline.start_seconds, seconds + 1e-6, "right")) - 1
        if index < 0 or seconds >= self._timeline.end_seconds[index]:
            return float("nan")
        return float(self._timeline.smoothed[index])


def _resized(frame: Frame, size: tuple[int, int]) -> Frame:
    from PIL import Image

    return np.array(Image.fromarray(frame).resize(size[::-1]), dtype=np.uint8)


def _inside(seconds: float, spans: Sequence[Span]) -> bool:
    # A timestamp may miss its own span's start by the rounding of its time base.
    return any(start - 1e-6 <= seconds < end - 1e-6 for start, end in spans)


def _draw_border(picture: Frame, thickness: int) -> None:
    for edge in (
        picture[:thickness],
        picture[-thickness:],
        picture[:, :thickness],
        picture[:, -thickness:],
    ):
        edge[:] = DETECTED_RGB
