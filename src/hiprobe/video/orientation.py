"""How a decoded picture is to be shown: turned, mirrored, and with pixels that are not square."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from hiprobe.segment import Frame

WIDEST_PIXEL = 10.0
"""A stated pixel aspect beyond this, or below its inverse, is taken for damage: square then."""

_MATRIX = "=9i"


@dataclass(frozen=True)
class Orientation:
    """What makes a picture upright: first counter-clockwise quarter turns, then a mirror.

    Attributes:
        turns: 0..3 quarter turns.
        mirrored: left and right change places after the turns.
    """

    turns: int = 0
    mirrored: bool = False

    @property
    def swaps_sides(self) -> bool:
        """Whether width and height change places."""
        return self.turns % 2 == 1

    def upright(self, pixels: Frame) -> Frame:
        """The picture as it is to be shown, uint8 `[height, width, 3]`."""
        turned = np.rot90(pixels, k=self.turns)
        return np.ascontiguousarray(turned[:, ::-1] if self.mirrored else turned, dtype=np.uint8)


def orientation_of(picture: Any) -> Orientation:
    """From the display matrix of a decoded picture; angles are rounded to quarter turns."""
    from av.sidedata.sidedata import SideDataContainer

    try:
        # `picture.side_data` would tie the picture to itself: it would stay in memory until the
        # garbage collector comes by, 40 pictures later.
        container_of: Any = SideDataContainer  # its stubs know no arguments
        found = list(container_of(picture))
    except ValueError:  # PyAV does not know each kind of side data that FFmpeg gives
        return Orientation(turns=round(picture.rotation / 90) % 4)
    for data in found:
        if data.type.name == "DISPLAYMATRIX":
            content = bytes(data)
            if len(content) == struct.calcsize(_MATRIX):
                return _of_matrix(*struct.unpack(_MATRIX, content))
    return Orientation()


def pixel_aspect_of(stream: Any) -> float:
    """Width of a pixel over its height, by the container or else the codec; 1 where unknown."""
    return sane_aspect(stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio)


def sane_aspect(ratio: Any) -> float:
    """A stated pixel aspect as a number; 1 where it is unknown or beyond `WIDEST_PIXEL`."""
    value = float(ratio) if ratio else 1.0
    return value if 1 / WIDEST_PIXEL <= value <= WIDEST_PIXEL else 1.0


def _of_matrix(a: int, b: int, _u: int, c: int, d: int, *_rest: int) -> Orientation:
    # Column p and row q of the picture are shown at column a p + c q and row b p + d q.
    mirrored = a * d - b * c < 0
    cosine = -a if mirrored else a  # undo the mirror, a pure turn remains
    return Orientation(round(math.atan2(-b, cosine) / (math.pi / 2)) % 4, mirrored)
