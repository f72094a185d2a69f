"""Frames as the vision towers want them: Pillow's resize, as the models were trained.

Written here because the library's video processors need torchvision; equal to its image
processors (PIL) to within rounding, which the tests check.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hiprobe.backbones.spec import AREA_RESIZE, RESIZES, TRAINED_RESIZE
from hiprobe.errors import BackboneError
from hiprobe.segment import Frame

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
MOST_PIXELS = 448 * 448
"""Budget of a frame that keeps its size: what InternVL sees of it; smaller ones stay."""
Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Scale:
    """How a frame is resized and normalised.

    `mean` and `std` by channel, of values in 0..1; `resample` is Pillow's number of the filter
    (1 Lanczos, 2 bilinear, 3 bicubic), used unless `resize_by` is `area` (OpenCV's, faster).
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    resample: int
    resize_by: str = TRAINED_RESIZE

    def __post_init__(self) -> None:
        if self.resize_by not in RESIZES:
            raise BackboneError(
                f"resize {self.resize_by!r} is unknown; choose one of {', '.join(RESIZES)}"
            )

    def resize(self, frame: Frame, *, height: int, width: int) -> Frame:
        """The frame at another size, uint8 `[height, width, 3]`; rounds as Pillow does."""
        if self.resize_by == AREA_RESIZE:
            return _area_resized(frame, height=height, width=width)
        image = Image.fromarray(frame)
        filter_ = Image.Resampling(self.resample)
        return np.asarray(image.resize((width, height), filter_), dtype=np.uint8)

    def normalise(self, frame: Frame) -> Pixels:
        """Float32 `[3, height, width]`: values / 255, less the mean, by the deviation."""
        values = frame.astype(np.float32) / np.float32(255)
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        values = (values - mean) / std
        return np.ascontiguousarray(values.transpose(2, 0, 1))


def read_scale(
    settings: Mapping[str, Any],
    *,
    defaults: tuple[Sequence[float], Sequence[float]],
    resample: int = 3,
    resize_by: str = TRAINED_RESIZE,
) -> Scale:
    """A scale from a processor's settings, with the family's defaults where they are silent."""
    return Scale(
        mean=tuple(settings.get("image_mean") or defaults[0]),
        std=tuple(settings.get("image_std") or defaults[1]),
        resample=int(settings.get("resample") or resample),
        resize_by=resize_by,
    )


def _area_resized(frame: Frame, *, height: int, width: int) -> Frame:
    import cv2

    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def unique_frames(frames: Sequence[Frame]) -> tuple[list[Frame], list[int]]:
    """Each distinct array once, and for every frame its place among them.

    A stretch shorter than K repeats the same array: it is prepared once.
    """
    unique = {id(frame): frame for frame in frames}
    order = {key: place for place, key in enumerate(unique)}
    return list(unique.values()), [order[id(frame)] for frame in frames]


def square_pixels(frames: Sequence[Frame], *, size: tuple[int, int], scale: Scale) -> Pixels:
    """Frames stretched to one size `(height, width)`: float32 `[frames, 3, height, width]`."""
    unique, order = unique_frames(frames)
    height, width = size
    made = [scale.normalise(scale.resize(f, height=height, width=width)) for f in unique]
    return np.stack(made)[order]


def twice_resized(frame: Frame, *, edge: int, scale: Scale) -> Pixels:
    """SmolVLM without splitting: the longer edge to `edge`, keeping shape, then to a square."""
    height, width = _even_size(frame.shape[0], frame.shape[1], edge=edge)
    kept = scale.resize(frame, height=height, width=width)
    return scale.normalise(scale.resize(kept, height=edge, width=edge))


def _even_size(height: int, width: int, *, edge: int) -> tuple[int, int]:
    ratio = width / height
    if width >= height:
        short = int(edge / ratio)
        return max(1, short + short % 2), edge
    short = int(edge * ratio)
    return edge, max(1, short + short % 2)


def budget_size(*, height: int, width: int, factor: int, least: int, most: int) -> tuple[int, int]:
    """Qwen's size: multiples of `factor` near the frame's own, within a budget of pixels.

    The aspect ratio is kept as nearly as multiples allow; `least` and `most` are in pixels.
    """
    high, wide = (max(factor, round(v / factor) * factor) for v in (height, width))
    if high * wide > most:
        shrink = math.sqrt(height * width / most)
        sides = (math.floor(v / shrink / factor) * factor for v in (height, width))
        high, wide = (max(factor, side) for side in sides)
    elif high * wide < least:
        grow = math.sqrt(least / (height * width))
        high, wide = (math.ceil(v * grow / factor) * factor for v in (height, width))
    return high, wide


def video_size(
    *, frames: int, height: int, width: int, factor: int, together: int, least: int, most: int
) -> tuple[int, int]:
    """Qwen3-VL's size of each frame of a video: as `budget_size`, with one budget for all frames.

    `least` and `most` are in pixels of the whole video; `together` frames share their patches.
    """
    if min(height, width) < factor:
        grow = max(factor / height, factor / width)
        height, width = int(height * grow), int(width * grow)
    high, wide = (max(factor, round(v / factor) * factor) for v in (height, width))
    counted = max(together, round(frames / together) * together)
    if counted * high * wide > most:
        shrink = math.sqrt(frames * height * width / most)
        high, wide = (
            max(factor, math.floor(v / shrink / factor) * factor) for v in (height, width)
        )
    elif counted * high * wide < least:
        grow = math.sqrt(least / (frames * height * width))
        high, wide = (math.ceil(v * grow / factor) * factor for v in (height, width))
    return high, wide


def patch_rows(pixels: Pixels, *, patch: int, merge: int) -> Pixels:
    """Qwen's flat patches `[patches, 3 * frames * patch * patch]` of `[frames, 3, h, w]`.

    The frames share their patches; patches that are merged later follow each other.
    """
    frames, channels, height, width = pixels.shape
    block = patch * merge
    cut = pixels.reshape(
        frames, channels, height // block, merge, patch, width // block, merge, patch
    ).transpose(2, 5, 3, 6, 1, 0, 4, 7)
    return cut.reshape(-1, channels * frames * patch * patch)
