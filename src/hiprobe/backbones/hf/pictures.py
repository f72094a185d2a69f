"""Frames to what a vision tower takes, equal frames once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from hiprobe.errors import BackboneError
from hiprobe.segment import Frame
from hiprobe.spec import AREA_RESIZE, RESIZES, TRAINED_RESIZE

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
# Budget of a frame that keeps its size: what InternVL sees of it; smaller ones stay.
MOST_PIXELS = 448 * 448
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
    # By identity: comparing values would take as long as preparing a frame twice.
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
    # Twice, as its processor does when it was trained: one resize gives other pixels.
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


Forward = Callable[..., Any]


def encode_distinct_frames(tower: Any) -> None:
    """Let a vision tower encode each distinct frame of a call once; what it returns is the same.

    Known are towers of pixels `[frames, 3, height, width]`, and those of flat patches with a grid
    `grid_thw` (Qwen). A call of another form goes through as it is.
    """
    tower.forward = _once(tower.forward)


def distinct_frames(frames: Sequence[Tensor]) -> tuple[list[int], list[int]]:
    """Numbers of the distinct frames, and for every frame its place among them.

    Equal means equal in every value; sums only tell which ones need comparing.
    """
    # In double, so that frames that differ hardly ever have the same sum.
    sums = torch.stack([f.double().sum() for f in frames]).tolist()
    chosen: list[int] = []
    places: list[int] = []
    for number, frame in enumerate(frames):
        for place, earlier in enumerate(chosen):
            if sums[earlier] == sums[number] and torch.equal(frames[earlier], frame):
                places.append(place)
                break
        else:
            places.append(len(chosen))
            chosen.append(number)
    return chosen, places


def _once(forward: Forward) -> Forward:
    @wraps(forward)
    def encode(*given: Any, **named: Any) -> Any:
        pixels, name = _pixels(given, named)
        if pixels is None:
            return forward(*given, **named)
        if named.get("grid_thw") is not None:
            return _patches(forward, pixels, name, named)
        if pixels.ndim == 4:
            return _squares(forward, pixels, name, named)
        return forward(*given, **named)

    return encode


def _pixels(given: Sequence[Any], named: dict[str, Any]) -> tuple[Tensor | None, str | None]:
    """The tensor of pixels where it is the only positional input, or by its name."""
    if not given:
        return named.get("pixel_values"), "pixel_values"
    return (given[0] if len(given) == 1 and isinstance(given[0], Tensor) else None), None


def _call(forward: Forward, pixels: Tensor, name: str | None, named: dict[str, Any]) -> Any:
    return forward(**{**named, name: pixels}) if name else forward(pixels, **named)


def _squares(forward: Forward, pixels: Tensor, name: str | None, named: dict[str, Any]) -> Any:
    chosen, places = distinct_frames(list(pixels))
    groups = _groups(chosen, pixels.device)

    def of(group: list[int]) -> dict[str, Any]:
        """Whatever else comes frame by frame, such as a mask of patches."""
        return {
            key: value[group]
            if isinstance(value, Tensor) and value.ndim and len(value) == len(pixels)
            else value
            for key, value in named.items()
        }

    made = [_call(forward, pixels[group], name, of(group)) for group in groups]
    return _joined(made, [[1] * len(group) for group in groups], places)


def _patches(forward: Forward, pixels: Tensor, name: str | None, named: dict[str, Any]) -> Any:
    # a video's steps in time do not see each other in the tower: each counts as a frame
    grids = torch.repeat_interleave(named["grid_thw"], named["grid_thw"][:, 0], dim=0)
    grids[:, 0] = 1
    counts = grids.prod(dim=1).tolist()
    frames = list(torch.split(pixels, counts))
    chosen, places = distinct_frames(frames)
    groups = _groups(chosen, pixels.device)
    made = [
        _call(forward, torch.cat([frames[i] for i in g]), name, {**named, "grid_thw": grids[g]})
        for g in groups
    ]
    return _joined(made, [[counts[i] for i in group] for group in groups], places)


def _groups(chosen: list[int], device: torch.device) -> list[list[int]]:
    # On a processor a frame alone is as fast, and has the same bits in any company; a GPU wants
    # them together.
    return [[number] for number in chosen] if device.type == "cpu" else [chosen]


def _joined(made: Sequence[Any], shares: Sequence[Sequence[int]], places: Sequence[int]) -> Any:
    """The outputs of all groups as one, its rows put where the frames stood.

    `shares` are each frame's parts of the rows of its group.
    """
    first = made[0]
    if first is None:
        return None
    if isinstance(first, Tensor):
        pieces = [p for m, s in zip(made, shares, strict=True) for p in _frames_of(m, s)]
        return torch.cat([pieces[place] for place in places])
    if isinstance(first, dict):  # the library's outputs are ordered dictionaries
        return type(first)(**{k: _joined([m[k] for m in made], shares, places) for k in first})
    return type(first)(_joined(list(part), shares, places) for part in zip(*made, strict=True))


def _frames_of(rows: Tensor, shares: Sequence[int]) -> tuple[Tensor, ...]:
    total = sum(shares)
    parts: tuple[Tensor, ...] = torch.split(rows, [len(rows) * share // total for share in shares])
    return parts
