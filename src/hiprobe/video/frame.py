"""One decoded frame, with its time and its way to RGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hiprobe.segment import Frame
from hiprobe.video.orientation import Orientation, orientation_of


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """One decoded picture, still in the codec's pixel format until `rgb` is called.

    `seconds` counts from the first frame of the stream; `pts` is the container's own number in
    units of `time_base_seconds`. `index` counts the frames of this reading from 0. `pixel_aspect`
    is the width of a pixel over its height.
    """

    index: int
    pts: int
    time_base_seconds: float
    seconds: float
    duration_seconds: float
    picture: Any
    pixel_aspect: float = 1.0

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
        """
        orientation, (width, height) = self.orientation, size or self.size
        if orientation.swaps_sides:
            width, height = height, width
        scaled = self.picture.reformat(
            width=width, height=height, format="rgb24", interpolation="AREA"
        )
        return orientation.upright(scaled.to_ndarray())

    def rgb_within(self, *, max_side_pixels: int | None) -> Frame:
        """Like `rgb`, shrunk (never enlarged) so that no side is longer than `max_side_pixels`."""
        width, height = self.size
        longest = max(width, height)
        if max_side_pixels is None or longest <= max_side_pixels:
            return self.rgb()
        scale = max_side_pixels / longest
        return self.rgb(size=(max(1, round(width * scale)), max(1, round(height * scale))))
