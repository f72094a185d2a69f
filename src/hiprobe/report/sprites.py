"""Small pictures of text and bars, made once and pasted onto many frames."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hiprobe.report.theme import DETECTED_RGB, font_file

if TYPE_CHECKING:
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
