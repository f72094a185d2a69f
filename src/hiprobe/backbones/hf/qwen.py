"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: frames in their own size, here each as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hiprobe.backbones.hf import pictures
from hiprobe.backbones.hf.family import Family, Offsets, Parts, Pictures, labelled, preprocessing
from hiprobe.segment import Frame

TYPES = "mm_token_type_ids"
Channels = tuple[float, ...]
Size = tuple[int, int]
"""Height and width of a frame, in pixels."""


@dataclass(frozen=True)
class Sight:
    """How a tower takes pixels, and what stands for them in the prompt.

    `patch` is an edge in pixels, `merge` patches of an edge make one token, `together` frames
    share their patches. `start`, `pad`, `end` are the marks around and of visual tokens.
    """

    patch: int
    merge: int
    together: int
    scale: pictures.Scale
    start: str
    pad: str
    end: str

    @classmethod
    def of(cls, parts: Parts, token: int, scale: pictures.Scale) -> Sight:
        """By the config; `token` is the id that stands for what is shown."""
        vision = parts.config.vision_config
        marks = (f"vision_{which}_token_id" for which in ("start", "end"))
        start, end = (parts.token(int(getattr(parts.config, name))) for name in marks)
        return cls(
            patch=int(vision.patch_size),
            merge=int(vision.spatial_merge_size),
            together=int(vision.temporal_patch_size),
            scale=scale,
            start=start,
            pad=parts.token(token),
            end=end,
        )

    @property
    def factor(self) -> int:
        """Pixels of an edge that become one token."""
        return self.patch * self.merge

    def pixels(self, frame: Frame, size: Size) -> pictures.Pixels:
        """A frame resized and normalised: float32 `[3, height, width]`."""
        return self.scale.normalise(self.scale.resize(frame, height=size[0], width=size[1]))

    def rows(self, frames: Sequence[pictures.Pixels]) -> Tensor:
        """Flat patches of `together` frames."""
        flat = pictures.patch_rows(np.stack(frames), patch=self.patch, merge=self.merge)
        return torch.from_numpy(flat)

    def grid(self, size: Size, *, depth: int = 1) -> tuple[int, int, int]:
        """Patches in time, height and width."""
        return depth, size[0] // self.patch, size[1] // self.patch

    def block(self, grid: Sequence[int]) -> str:
        """The placeholder of a grid of patches, with its marks."""
        return self.start + self.pad * (int(np.prod(grid)) // self.merge**2) + self.end


def qwen_pictures(parts: Parts, *, defaults: tuple[Channels, Channels]) -> Family:
    """Each frame by itself, labelled; it fills both frames of a patch."""
    token, scale = parts.config.image_token_id, parts.scale(parts.images, defaults=defaults)
    sight = Sight.of(parts, token, scale)
    factor = sight.factor
    least, most = budget(parts.images, least=4 * factor * factor, most=pictures.MOST_PIXELS)
    most = min(most, pictures.MOST_PIXELS)

    def size_of(frame: Frame) -> Size:
        height, width = frame.shape[:2]
        return pictures.budget_size(
            height=height, width=width, factor=factor, least=least, most=most
        )

    def read(frames: Sequence[Frame], _: Offsets) -> Pictures:
        unique, order = pictures.unique_frames(frames)
        sizes = [size_of(frame) for frame in unique]
        pixels = [sight.pixels(f, s) for f, s in zip(unique, sizes, strict=True)]
        rows = [sight.rows([p] * sight.together) for p in pixels]
        grids = [sight.grid(sizes[i]) for i in order]
        tensors = {
            "pixel_values": torch.cat([rows[i] for i in order]),
            "image_grid_thw": torch.tensor(grids),
        }
        return Pictures(tensors, labelled([sight.block(grid) for grid in grids]))

    settings = preprocessing(scale, least_pixels=least, most_pixels=most)
    return Family("model.language_model", token, settings, read, token_types=TYPES)


def budget(settings: Mapping[str, Any], *, least: int, most: int) -> tuple[int, int]:
    """Fewest and most pixels of a processor's settings, else the given ones."""
    size = settings.get("size") or {}
    found = settings.get("min_pixels") or size.get("shortest_edge") or least
    return int(found), int(settings.get("max_pixels") or size.get("longest_edge") or most)
