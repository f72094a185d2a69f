"""The Qwen families: pictures, or a segment as a video with its times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
# Height and width of a frame, in pixels.
Size = tuple[int, int]


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


_SECONDS = "second_per_grid_ts"

# Takes frames, height and width of a video, by name; gives the height and width of each frame.
SizeOf = Callable[..., Size]
# What stands for a video with a grid of patches, whose pairs of frames begin at some times.
Lead = Callable[[Sight, Sequence[int], Offsets], str]


@dataclass(frozen=True)
class Video:
    """How a version of Qwen takes a video: its default colours, sizes, and how it tells times."""

    defaults: tuple[Channels, Channels]
    size_of: Callable[[Parts, Sight], tuple[SizeOf, Mapping[str, int]]]
    lead: Lead
    told_seconds: bool = False


def qwen_video(parts: Parts, *, how: Video) -> Family:
    """All frames as one video, two of them in a patch; the last one twice where one is left."""
    token, videos = parts.config.video_token_id, parts.videos or parts.images
    scale = parts.scale(videos, defaults=how.defaults)
    sight = Sight.of(parts, token, scale)
    size_of, limits = how.size_of(parts, sight)

    def read(frames: Sequence[Frame], offsets: Offsets) -> Pictures:
        height, width = frames[0].shape[:2]
        size = size_of(frames=len(frames), height=height, width=width)
        unique, order = pictures.unique_frames(frames)
        pixels = [sight.pixels(frame, size) for frame in unique]
        pairs = _together(order, sight.together)
        grid = sight.grid(size, depth=len(pairs))
        tensors = {
            "pixel_values_videos": torch.cat([sight.rows([pixels[i] for i in p]) for p in pairs]),
            "video_grid_thw": torch.tensor([grid]),
        }
        if how.told_seconds:
            gap = sight.together * _gap_seconds(offsets)
            # Rounded, since clocks of containers jitter and the rotary positions would follow every
            # digit.
            tensors[_SECONDS] = torch.tensor([round(gap, 2)])
        return Pictures(tensors, how.lead(sight, grid, offsets))

    return Family(
        "model.language_model",
        token,
        preprocessing(scale, **limits),
        read,
        token_types=TYPES,
        token_type=2,
        frames_together=sight.together,
        exact=(_SECONDS,),
    )


def _one_block(sight: Sight, grid: Sequence[int], _: Offsets) -> str:
    return sight.block(grid)


def _with_times(sight: Sight, grid: Sequence[int], offsets: Offsets) -> str:
    """Before each pair of frames the middle between their times, to a tenth of a second."""
    times = [(p[0] + p[-1]) / 2 for p in _together(offsets, sight.together)]
    block = sight.block((1, *grid[1:]))
    # to a thousandth first, so that what a float lacks of a half does not round it down
    return "".join(f"<{round(t, 3):.1f} seconds>{block}" for t in times)


def _gap_seconds(offsets: Offsets) -> float:
    """Mean time from a frame to the next; containers round times, so that single ones jump."""
    return (offsets[-1] - offsets[0]) / max(1, len(offsets) - 1)


def _together(values: Sequence[Any], count: int) -> list[list[Any]]:
    """Neighbours in groups of `count`; the last value again where one is not full."""
    full = [*values, *[values[-1]] * (-len(values) % count)]
    return [full[n : n + count] for n in range(0, len(full), count)]


def _of_each_frame(parts: Parts, sight: Sight) -> tuple[SizeOf, Mapping[str, int]]:
    """A budget of pixels for each frame: Qwen2-VL, Qwen2.5-VL."""
    area = sight.factor**2
    least, most = budget(parts.videos or parts.images, least=128 * area, most=768 * area)
    # Processors allow 768 tokens a frame and more; of 448x448 pixels come 256, as with InternVL.
    most = max(least, min(most, pictures.MOST_PIXELS))

    def size_of(*, frames: int, height: int, width: int) -> Size:
        return pictures.budget_size(
            height=height, width=width, factor=sight.factor, least=least, most=most
        )

    return size_of, {"least_pixels": least, "most_pixels": most}


def _of_all_frames(parts: Parts, sight: Sight) -> tuple[SizeOf, Mapping[str, int]]:
    """A budget of pixels for the whole video: Qwen3-VL."""
    area = sight.factor**2
    least, most = budget(parts.videos or parts.images, least=128 * area, most=768 * area)

    def size_of(*, frames: int, height: int, width: int) -> Size:
        return pictures.video_size(
            frames=frames,
            height=height,
            width=width,
            factor=sight.factor,
            together=sight.together,
            least=least,
            most=max(least, min(most, pictures.MOST_PIXELS * frames)),
        )

    limits = {"least_video_pixels": least, "most_video_pixels": most}
    return size_of, {**limits, "most_pixels": pictures.MOST_PIXELS}


QWEN2_VIDEO = Video(pictures.CLIP, _of_each_frame, _one_block)
QWEN2_5_VIDEO = Video(pictures.CLIP, _of_each_frame, _one_block, told_seconds=True)
QWEN3_VIDEO = Video(pictures.HALVES, _of_all_frames, _with_times)
