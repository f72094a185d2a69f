"""The annotated video: score, detection and truth drawn onto every frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.report.sprites import Sprites, paste
from hiprobe.report.strip import TimeAxis, render_strip
from hiprobe.report.theme import DETECTED_RGB, TRUTH_RGB
from hiprobe.report.words import Span, checked_spans, event_spans
from hiprobe.segment import Frame
from hiprobe.timeline import Timeline


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
