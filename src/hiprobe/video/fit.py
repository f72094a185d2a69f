"""Bring a picture of any shape to one size."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from hiprobe.segment import Frame
from hiprobe.video.frame import DecodedFrame

Fit = Literal["letterbox", "crop"]
"""How a picture of another shape is brought to size: black bars, or its centre only."""

FITS: tuple[Fit, ...] = get_args(Fit)


def fitted(frame: DecodedFrame, *, size: tuple[int, int], fit: Fit) -> Frame:
    """The upright picture at `size` (width, height), its shape kept, uint8 RGB."""
    width, height = size
    ratios = width / frame.size[0], height / frame.size[1]
    scale = min(ratios) if fit == "letterbox" else max(ratios)
    inner = max(1, round(frame.size[0] * scale)), max(1, round(frame.size[1] * scale))
    picture = frame.rgb(size=inner)
    if fit == "crop":
        left, top = (inner[0] - width) // 2, (inner[1] - height) // 2
        return np.ascontiguousarray(picture[top : top + height, left : left + width])
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = picture
    return canvas
