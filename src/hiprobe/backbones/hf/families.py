"""What differs between families of models: pixels, placeholders, where the decoder sits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hiprobe.backbones.hf import pictures
from hiprobe.backbones.loading import TRAINED_RESIZE
from hiprobe.segment import Frame


@dataclass(frozen=True)
class Pictures:
    """The frames of one segment, ready for the model.

    `tensors` are inputs of the model; those of several segments are joined along axis 0. `blocks`
    are the placeholders that stand for the frames in the prompt: one each, or one for all.
    """

    tensors: Mapping[str, Tensor]
    blocks: tuple[str, ...]


@dataclass(frozen=True)
class Parts:
    """What a family is made from: config, processor settings, and the text of a token id.

    `resize_by` is one of `hiprobe.backbones.loading.RESIZES`.
    """

    config: Any
    images: Mapping[str, Any]
    videos: Mapping[str, Any]
    token: Callable[[int], str]
    resize_by: str = TRAINED_RESIZE

    def scale(
        self,
        settings: Mapping[str, Any],
        *,
        defaults: tuple[Sequence[float], Sequence[float]],
        resample: int = 3,
    ) -> pictures.Scale:
        """How frames are resized and normalised, by a processor's settings or the defaults."""
        return pictures.read_scale(
            settings, defaults=defaults, resample=resample, resize_by=self.resize_by
        )


@dataclass(frozen=True)
class Family:
    """One family of models.

    `decoder` is the path of attributes to the decoder, `visual_token` the id that frames take up
    in the prompt, `settings` what of the preprocessing decides the states. `line_breaks` of the
    last visual tokens show no picture (LLaVA-OneVision's after the video). `token_types` is the
    input that marks visual tokens, where one is needed.
    """

    decoder: str
    visual_token: int
    needs_token_types: bool
    settings: Mapping[str, str | int | float | bool]
    read: Callable[[Sequence[Frame]], Pictures]
    line_breaks: int = 0
    token_types: str = "mm_token_type_ids"

    def is_visual(self, ids: Tensor) -> Tensor:
        """Which positions of token ids `[segments, positions]` show the frames: bool, as shaped."""
        visual = ids == self.visual_token
        if self.line_breaks:
            still_to_come = visual.flip(1).cumsum(1).flip(1)
            visual = visual & (still_to_come > self.line_breaks)
        return visual


def build_family(parts: Parts) -> Family:
    """The family of a config, by its `model_type`.

    Raises:
        KeyError: the family is not known here.
    """
    return _BUILDERS[parts.config.model_type](parts)


def is_known(model_type: str) -> bool:
    """Whether a `model_type` of config.json has a family of its own here."""
    return model_type in _BUILDERS


def _internvl(parts: Parts) -> Family:
    vision = parts.config.vision_config
    size = tuple(vision.image_size)
    scale = parts.scale(parts.images, defaults=pictures.IMAGENET)
    token = parts.config.image_token_id
    block = f"<img>{parts.token(token) * _internvl_tokens(parts.config)}</img>"

    def read(frames: Sequence[Frame]) -> Pictures:
        pixels = pictures.square_pixels(frames, size=(size[0], size[1]), scale=scale)
        return Pictures({"pixel_values": torch.from_numpy(pixels)}, (block,) * len(frames))

    settings = _settings(scale, tiles=1, input_pixels=size[0])
    return Family("model.language_model", token, False, settings, read)


def _internvl_tokens(config: Any) -> int:
    vision = config.vision_config
    rows, columns = (s // p for s, p in zip(vision.image_size, vision.patch_size, strict=True))
    return int(rows * config.downsample_ratio) * int(columns * config.downsample_ratio)


def _smolvlm(parts: Parts) -> Family:
    vision, token = parts.config.vision_config, parts.config.image_token_id
    edge = int(vision.image_size)
    count = int((edge // vision.patch_size) ** 2 / parts.config.scale_factor**2)
    scale = parts.scale(parts.images, defaults=pictures.HALVES, resample=1)
    around = "<fake_token_around_image>"
    block = f"{around}<global-img>{parts.token(token) * count}{around}"

    def read(frames: Sequence[Frame]) -> Pictures:
        unique, order = pictures.unique_frames(frames)
        made = [pictures.twice_resized(f, edge=edge, scale=scale) for f in unique]
        pixels = torch.from_numpy(np.stack(made)[order])[None]
        return Pictures({"pixel_values": pixels}, (block,) * len(frames))

    settings = _settings(scale, tiles=1, input_pixels=edge)
    return Family("model.text_model", token, False, settings, read)


def _llava_onevision(parts: Parts) -> Family:
    vision, token = parts.config.vision_config, parts.config.video_token_id
    edge, grid = int(vision.image_size), math.ceil(vision.image_size // vision.patch_size / 2)
    scale = parts.scale(parts.videos or parts.images, defaults=pictures.HALVES)

    def read(frames: Sequence[Frame]) -> Pictures:
        pixels = pictures.square_pixels(frames, size=(edge, edge), scale=scale)
        # frames of a video are pooled 2x2, with one line break after the last
        block = parts.token(token) * (len(frames) * grid * grid + 1)
        return Pictures({"pixel_values_videos": torch.from_numpy(pixels)[None]}, (block,))

    settings = _settings(scale, pooled=True, input_pixels=edge)
    return Family("model.language_model", token, False, settings, read, line_breaks=1)


def _qwen(parts: Parts, *, defaults: tuple[tuple[float, ...], tuple[float, ...]]) -> Family:
    vision, token = parts.config.vision_config, parts.config.image_token_id
    patch, merge = int(vision.patch_size), int(vision.spatial_merge_size)
    scale = parts.scale(parts.images, defaults=defaults)
    least, most = _pixel_budget(parts.images, factor=patch * merge)
    start, end = (parts.token(_vision_mark(parts.config, which)) for which in ("start", "end"))
    repeats = int(vision.temporal_patch_size)

    def rows(frame: Frame) -> tuple[pictures.Pixels, tuple[int, int, int]]:
        height, width = pictures.budget_size(
            height=frame.shape[0],
            width=frame.shape[1],
            factor=patch * merge,
            least=least,
            most=most,
        )
        pixels = scale.normalise(scale.resize(frame, height=height, width=width))
        flat = pictures.patch_rows(pixels, patch=patch, merge=merge, repeats=repeats)
        return flat, (1, height // patch, width // patch)

    def read(frames: Sequence[Frame]) -> Pictures:
        unique, order = pictures.unique_frames(frames)
        made = [rows(frame) for frame in unique]
        flat = torch.from_numpy(np.concatenate([made[i][0] for i in order]))
        grids = torch.tensor([made[i][1] for i in order])
        pad = parts.token(token)
        blocks = [start + pad * (int(g.prod()) // merge**2) + end for g in grids]
        return Pictures({"pixel_values": flat, "image_grid_thw": grids}, tuple(blocks))

    settings = _settings(scale, least_pixels=least, most_pixels=most)
    return Family("model.language_model", token, True, settings, read)


def _vision_mark(config: Any, which: str) -> int:
    return int(getattr(config, f"vision_{which}_token_id"))


def _pixel_budget(images: Mapping[str, Any], *, factor: int) -> tuple[int, int]:
    size = images.get("size") or {}
    least = images.get("min_pixels") or size.get("shortest_edge") or 4 * factor * factor
    most = images.get("max_pixels") or size.get("longest_edge") or pictures.MOST_PIXELS
    return int(least), min(int(most), pictures.MOST_PIXELS)


def _settings(
    scale: pictures.Scale, **more: str | int | float | bool
) -> dict[str, str | int | float | bool]:
    area = {} if scale.resize_by == TRAINED_RESIZE else {"resize_by": scale.resize_by}
    return {
        **area,
        "resample": scale.resample,
        "mean": ",".join(map(str, scale.mean)),
        "std": ",".join(map(str, scale.std)),
        **more,
    }


_BUILDERS: dict[str, Callable[[Parts], Family]] = {
    "idefics3": _smolvlm,  # the same layout, from which SmolVLM descends
    "internvl": _internvl,
    "llava_onevision": _llava_onevision,
    "qwen2_5_vl": partial(_qwen, defaults=pictures.CLIP),
    "qwen2_vl": partial(_qwen, defaults=pictures.CLIP),
    "qwen3_vl": partial(_qwen, defaults=pictures.HALVES),
    "smolvlm": _smolvlm,
}
