"""One decoded frame, with its time and its way to upright RGB, and a budget for those held."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe.errors import VideoError
from hiprobe.segment import Frame, size_within
from hiprobe.video.container import READ_ERRORS

# A stated pixel aspect beyond this, or below its inverse, is taken for damage: square then.
WIDEST_PIXEL = 10.0

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


_CONVERSION_ERRORS: tuple[type[Exception], ...] = (*READ_ERRORS, ValueError)


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """One decoded picture, still in the codec's pixel format until `rgb` is called.

    `seconds` counts from the first frame of the stream; `pts` is the container's own number in
    units of `time_base_seconds`. `index` counts the frames of this reading from 0. `pixel_aspect`
    is the width of a pixel over its height. `path` names the file where an error must. Of a frame
    that was `shrunk`, `pixels` alone are left.
    """

    index: int
    pts: int
    time_base_seconds: float
    seconds: float
    duration_seconds: float
    picture: Any
    pixel_aspect: float = 1.0
    path: Path | None = None
    pixels: Frame | None = None

    @property
    def end_seconds(self) -> float:
        """When the next frame is due."""
        return self.seconds + self.duration_seconds

    @property
    def orientation(self) -> Orientation:
        """What makes the picture upright."""
        return orientation_of(self.picture)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in square pixels of the upright picture."""
        width = max(1, round(self.picture.width * self.pixel_aspect))
        height = int(self.picture.height)
        return (height, width) if self.orientation.swaps_sides else (width, height)

    def rgb(self, *, size: tuple[int, int] | None = None) -> Frame:
        """The upright picture, uint8 RGB `[height, width, 3]`, scaled to `size` (width, height).

        Scaling averages over areas, on the codec's own pixels, before the turn; it also makes
        pixels square.

        Raises:
            VideoError: the picture cannot be converted.
        """
        orientation, (width, height) = self.orientation, size or self.size
        if orientation.swaps_sides:
            width, height = height, width
        try:
            scaled = self.picture.reformat(
                width=width, height=height, format="rgb24", interpolation="AREA"
            )
            pixels = scaled.to_ndarray()
        except _CONVERSION_ERRORS as error:
            raise VideoError(
                f"{self.path} has a picture at {self.seconds:.3f} s that cannot be shown "
                f"({self.picture.width}x{self.picture.height}, {self.picture.format.name}); "
                "convert the video to MP4"
            ) from error
        return orientation.upright(pixels)

    def rgb_within(self, *, max_side_pixels: int | None) -> Frame:
        """Like `rgb`, shrunk (never enlarged) so that no side is longer than `max_side_pixels`."""
        if self.pixels is not None:
            return self.pixels
        return self.rgb(size=size_within(self.size, max_side_pixels))

    def shrunk(self, *, max_side_pixels: int | None) -> DecodedFrame:
        """The frame with the pixels of `rgb_within` in place of its picture."""
        pixels = self.rgb_within(max_side_pixels=max_side_pixels)
        return replace(self, picture=None, pixels=pixels)

    @property
    def held_bytes(self) -> int:
        """What the picture takes in memory."""
        if self.pixels is not None:
            return int(self.pixels.nbytes)
        if self.picture is None:
            return 0
        return sum(int(plane.buffer_size) for plane in self.picture.planes)

    def shrunk_bytes(self, *, max_side_pixels: int | None) -> int:
        """What it would take once `shrunk`."""
        width, height = size_within(self.size, max_side_pixels)
        return 3 * width * height


def without_picture(frame: DecodedFrame) -> DecodedFrame:
    """The time of a frame alone."""
    return replace(frame, picture=None, pixels=None)


# Pictures held as the codec gave them, together. A segment of Full HD takes 75 MB, one of 4K 300
# MB; a GIF may claim pictures of 268 MB each.
BUDGET_BYTES = 256_000_000

# From here on fewer pictures are held: only where key frames are not shrunk, or hardly.
FAR_EXCEEDED_BYTES = 1_000_000_000


class HeldBytes:
    """Keeps pictures within the budget: what comes beyond it is shrunk at once, not later.

    A picture is shrunk by the same call either way, so the pixels are the same.
    """

    def __init__(self, max_side_pixels: int | None) -> None:
        self._max_side_pixels = max_side_pixels

    def taken(self, frame: DecodedFrame, *, beside: Iterable[DecodedFrame]) -> DecodedFrame:
        """The frame as it is to be held in memory together with others."""
        size = frame.held_bytes
        fits = size + sum(f.held_bytes for f in beside) <= BUDGET_BYTES
        if fits or frame.shrunk_bytes(max_side_pixels=self._max_side_pixels) >= size:
            return frame
        return frame.shrunk(max_side_pixels=self._max_side_pixels)

    def is_far_exceeded(self, held: Iterable[DecodedFrame]) -> bool:
        """Whether fewer pictures must be held, since shrinking is not enough."""
        return sum(f.held_bytes for f in held) > FAR_EXCEEDED_BYTES
