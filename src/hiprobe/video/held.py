"""How much memory the pictures may take that wait to become key frames."""

from __future__ import annotations

from collections.abc import Iterable

from hiprobe.video.frame import DecodedFrame

BUDGET_BYTES = 256_000_000
"""Pictures held as the codec gave them, together. A segment of Full HD takes 75 MB, one of 4K
300 MB; a GIF may claim pictures of 268 MB each."""

FAR_EXCEEDED_BYTES = 1_000_000_000
"""From here on fewer pictures are held: only where key frames are not shrunk, or hardly."""


class HeldBytes:
    """Keeps pictures within the budget: what comes beyond it is shrunk at once, not later.

    A picture is shrunk by the same call either way, so the pixels are the same.
    """

    def __init__(self, max_side_pixels: int | None) -> None:
        self._max_side_pixels = max_side_pixels

    def taken(self, frame: DecodedFrame, *, beside: Iterable[DecodedFrame]) -> DecodedFrame:
        """The frame as it is to be held beside others."""
        size = frame.held_bytes
        fits = size + sum(f.held_bytes for f in beside) <= BUDGET_BYTES
        if fits or frame.shrunk_bytes(max_side_pixels=self._max_side_pixels) >= size:
            return frame
        return frame.shrunk(max_side_pixels=self._max_side_pixels)

    def is_far_exceeded(self, held: Iterable[DecodedFrame]) -> bool:
        """Whether fewer pictures must be held, since shrinking is not enough."""
        return sum(f.held_bytes for f in held) > FAR_EXCEEDED_BYTES
