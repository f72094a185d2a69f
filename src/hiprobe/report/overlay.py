"""The annotated video: score curve and events drawn under the picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
# RGB, uint8 `[height, width, 3]`.
Picture = NDArray[np.uint8]

PLATE_RGB = (16, 18, 21)
BAR_RGB = (235, 238, 242)
TRACK_RGB = (64, 70, 77)
THRESHOLD_RGB = (255, 214, 92)
CURVE_RGB = (240, 243, 247)
BACKGROUND_RGB = (10, 12, 15)
# Dark enough for a white curve over a bright picture, and the picture is still seen through it.
BACKGROUND_ALPHA = 165
DETECTED_DARK_RGB = (120, 26, 28)
GAP_RGB = (74, 80, 88)
AREA_ALPHA = 225
# Smaller letters of DejaVu Sans run into each other.
SMALLEST_FONT_PIXELS = 9


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

    Args:
        video: the video that was scored.
        timeline: its scores and events.
        path: the file to write.
        truth_spans: known events in seconds; None and empty look alike here.
        note: a line above the curve, such as "rendered scenes".

    Raises:
        UsageError: a truth span is not a stretch.
        VideoError: the video cannot be read.
        StorageError: the result cannot be written.
    """
    from hiprobe.video.write import redraw_video

    redraw_video(video, path, draw=Overlay(timeline, truth_spans=truth_spans, note=note).draw)


class Overlay:
    """Draws on frames of one video; what does not change is drawn once."""

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
        # Known with the first frame only; what depends on it is made then.
        self._size = (0, 0)
        self._border: int
        self._axis: TimeAxis
        self._sprites: Sprites
        self._strip: Picture
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
            edge = self._border
            for side in (picture[:edge], picture[-edge:], picture[:, :edge], picture[:, -edge:]):
                side[:] = DETECTED_RGB
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
        """The score as number and bar, and to the right or below it the marks of this moment."""
        score = self._score_at(seconds)
        top = self._border + 2 * self._sprites.line
        left = paste(picture, self._sprites.score(score), top=top, left=top)
        bar = self._sprites.bar(score, self._timeline.threshold)
        right = paste(picture, bar, top=top, left=left)
        marks = [("detected", DETECTED_RGB)] if detected else []
        if _inside(seconds, self._truth):
            marks.append(("truth", TRUTH_RGB))
        chips = [self._sprites.text(words, colour) for words, colour in marks]
        # On narrow pictures marks go below the score, so that neither covers the other.
        fits = right + sum(c.shape[1] + top for c in chips) <= picture.shape[1]
        left, row = (right + top, top) if fits else (top, top + len(bar) + self._sprites.line)
        for chip in chips:
            left = paste(picture, chip, top=row, left=left) + self._sprites.line * 2

    def _score_at(self, seconds: float) -> float:
        """Smoothed score of the segment that holds a moment; NaN outside of all."""
        # The slack as in `_inside`: a frame belongs to the segment that begins with it.
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


class Sprites:
    """Small pictures for frames of one size; all lengths follow the frame's shorter side."""

    def __init__(self, height: int, width: int) -> None:
        short = min(height, width)
        self.font_pixels = max(SMALLEST_FONT_PIXELS, round(short / 26))
        self.line = max(1, round(short / 240))
        self._font = load_font(self.font_pixels)
        self._made: dict[tuple[str, RGB], Picture] = {}

    def score(self, score: float) -> Picture:
        """The score as text, with two digits.

        Digits of the font are of one width, so the bar beside it does not tremble.
        """
        words = "no score" if math.isnan(score) else f"score {score:.2f}"
        return self.text(words, PLATE_RGB)

    def bar(self, score: float, threshold: float) -> Picture:
        """A horizontal bar, filled to the score, red above the threshold, with a tick at it."""
        height, width = len(self.score(0.0)), self.font_pixels * 5
        picture = np.full((height, width, 3), PLATE_RGB, dtype=np.uint8)
        pad = max(1, height // 4)
        inner = picture[pad : height - pad, pad : width - pad]
        inner[:] = TRACK_RGB
        if not math.isnan(score):
            colour = DETECTED_RGB if score > threshold else BAR_RGB
            inner[:, : round(_unit(score) * inner.shape[1])] = colour
        tick = pad + round(_unit(threshold) * (inner.shape[1] - 1))
        picture[pad // 2 : height - pad // 2, tick : tick + self.line] = THRESHOLD_RGB
        return picture

    def text(self, words: str, background: RGB) -> Picture:
        """White words on a plate of a colour, drawn once."""
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


def render_strip(
    timeline: Timeline,
    *,
    truth: Sequence[Span],
    size: tuple[int, int],
    inset: int,
    note: str | None,
) -> tuple[Picture, NDArray[np.uint8]]:
    """The strip along the bottom of a frame.

    Events are dark red areas behind the curve, truth a blue band under it, the threshold a
    dashed line, failed segments holes in the curve, gaps in the pictures grey.

    Args:
        timeline: what to draw.
        truth: known events in seconds.
        size: height and width of the strip in pixels, without the note.
        inset: pixels at the sides and below that stay free for the red border.
        note: adds a line of its own on top.

    Returns:
        Colours `[rows, width, 3]` and opacities `[rows, width, 1]`, uint8.
    """
    from PIL import Image, ImageDraw

    height, width = size
    line = _note_picture(note, width=width - 2 * inset, pixels=max(8, round(height * 0.22)))
    top = 0 if line is None else len(line)
    image = Image.new("RGBA", (width, top + height), (*BACKGROUND_RGB, BACKGROUND_ALPHA))
    if line is not None:
        image.paste(Image.fromarray(line), (inset, 0))
    drawing = ImageDraw.Draw(image)
    axis = TimeAxis(timeline, inset=inset, width=width)
    band = max(2, height // 8)
    bottom = top + height - inset - band
    thickness = max(1, (bottom - top) // 36)

    def area(span: Span, above: int, below: int, colour: tuple[int, ...]) -> None:
        drawing.rectangle((axis.column(span[0]), above, axis.column(span[1]), below), colour)

    def row(score: float) -> int:
        room = bottom - top - 4 - thickness
        return top + 1 + round((1 - _unit(score)) * room) + thickness // 2

    for span in timeline.gaps:
        area(span, top, bottom - 2, (*GAP_RGB, AREA_ALPHA))
    for span in event_spans(timeline):
        area(span, top, bottom - 2, (*DETECTED_DARK_RGB, AREA_ALPHA))
    for span in truth:
        area(span, bottom, bottom + band - 1, TRUTH_RGB)
    dash, height_of_t = max(2, (axis.last - axis.first) // 100), row(timeline.threshold)
    for left in range(axis.first, axis.last, 2 * dash):
        ends = [left, height_of_t, left + dash - 1, height_of_t]
        drawing.line(ends, fill=(*THRESHOLD_RGB, 255), width=thickness)
    _draw_curve(drawing, timeline, axis, row, thickness)
    pixels = np.asarray(image)
    return pixels[:, :, :3].copy(), pixels[:, :, 3:].copy()


def _draw_curve(
    drawing: Drawing,
    timeline: Timeline,
    axis: TimeAxis,
    row: Callable[[float], int],
    thickness: int,
) -> None:
    """Each smoothed score over its segment, joined to the one before where no time is missing."""
    last: tuple[int, int] | None = None
    start_seconds, end_seconds = timeline.start_seconds, timeline.end_seconds
    columns = (start_seconds, end_seconds, timeline.smoothed, after_gap(start_seconds, end_seconds))
    for start, end, score, is_behind_gap in zip(*columns, strict=True):
        if is_behind_gap or np.isnan(score):
            last = None
        if np.isnan(score):
            continue
        left, right, height = axis.column(start), axis.column(end), row(score)
        joined = [last] if last is not None and left - last[0] <= 1 else []
        points = [*joined, (left, height), (right, height)]
        drawing.line(points, fill=(*CURVE_RGB, 255), width=thickness)
        last = (right, height)


def _note_picture(note: str | None, *, width: int, pixels: int) -> Picture | None:
    """The note on one line, as large as it fits; it is cut only if it does not fit at 6 pixels."""
    if not note:
        return None
    font = load_font(pixels)
    while pixels > 6 and font.getlength(note) + 6 > width:
        pixels -= 1
        font = load_font(pixels)
    return render_text(note, font, background=BACKGROUND_RGB)[:, :width]
