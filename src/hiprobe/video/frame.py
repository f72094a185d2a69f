"""One decoded frame, with its time and its way to RGB."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hiprobe.errors import VideoError
from hiprobe.segment import Frame
from hiprobe.video.container import READ_ERRORS
from hiprobe.video.orientation import Orientation, orientation_of

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
        return self.rgb(size=self._size_within(max_side_pixels))

    def shrunk(self, *, max_side_pixels: int | None) -> DecodedFrame:
        """The frame with the pixels of `rgb_within` in place of its picture."""
        pixels = self.rgb_within(max_side_pixels=max_side_pixels)
        return replace(self, picture=None, pixels=pixels)

    @property
    def held_bytes(self) -> int:
        """What the picture takes in memory."""
        if self.pixels is not None:
            return int(self.pixels.nbytes)
        return sum(int(plane.buffer_size) for plane in self.picture.planes)

    def shrunk_bytes(self, *, max_side_pixels: int | None) -> int:
        """What it would take once `shrunk`."""
        width, height = self._size_within(max_side_pixels)
        return 3 * width * height

    def _size_within(self, max_side_pixels: int | None) -> tuple[int, int]:
        width, height = self.size
        longest = max(width, height)
        if max_side_pixels is None or longest <= max_side_pixels:
            return width, height
        scale = max_side_pixels / longest
        return max(1, round(width * scale)), max(1, round(height * scale))


def without_picture(frame: DecodedFrame) -> DecodedFrame:
    """The time of a frame alone."""
    return replace(frame, picture=None, pixels=None)
