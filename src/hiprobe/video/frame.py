"""One decoded frame, with its time and its way to RGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hiprobe.segment import Frame


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """One decoded picture, still in the codec's pixel format until `rgb` is called.

    `seconds` counts from the first frame of the stream; `pts` is the container's own number in
    units of `time_base_seconds`. `index` counts the frames of this reading from 0.
    """

    index: int
    pts: int
    time_base_seconds: float
    seconds: float
    duration_seconds: float
    picture: Any

    @property
    def end_seconds(self) -> float:
        """When the next frame is due."""
        return self.seconds + self.duration_seconds

    @property
    def turn_degrees(self) -> int:
        """Counter-clockwise turn, 0, 90, 180 or 270, that makes the picture upright."""
        return 90 * (round(int(self.picture.rotation) / 90) % 4)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of the upright picture."""
        width, height = self.picture.width, self.picture.height
        return (height, width) if self.turn_degrees % 180 else (width, height)

    def rgb(self, *, size: tuple[int, int] | None = None) -> Frame:
        """The upright picture, uint8 RGB `[height, width, 3]`, scaled to `size` (width, height).

        Scaling averages over areas, on the codec's own pixels, before the turn.
        """
        width, height = size or self.size
        if self.turn_degrees % 180:
            width, height = height, width
        scaled = self.picture.reformat(
            width=width, height=height, format="rgb24", interpolation="AREA"
        )
        pixels = np.rot90(scaled.to_ndarray(), k=self.turn_degrees // 90)
        return np.ascontiguousarray(pixels, dtype=np.uint8)

    def rgb_within(self, *, max_side_pixels: int | None) -> Frame:
        """Like `rgb`, shrunk (never enlarged) so that no side is longer than `max_side_pixels`."""
        width, height = self.size
        longest = max(width, height)
        if max_side_pixels is None or longest <= max_side_pixels:
            return self.rgb()
        scale = max_side_pixels / longest
        return self.rgb(size=(max(1, round(width * scale)), max(1, round(height * scale))))
