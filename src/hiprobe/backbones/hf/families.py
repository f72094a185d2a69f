"""Families of models by name, and the ways in which each reads frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from hiprobe.backbones.hf import pictures
from hiprobe.backbones.hf.family import Family, Offsets, Parts, Pictures, labelled, preprocessing
from hiprobe.backbones.hf.qwen import qwen_pictures
from hiprobe.backbones.hf.qwen_video import QWEN2_5_VIDEO, QWEN2_VIDEO, QWEN3_VIDEO, qwen_video
from hiprobe.backbones.hf.smolvlm import smolvlm_pictures, smolvlm_video
from hiprobe.backbones.spec import AS_PICTURES, AS_VIDEO
from hiprobe.errors import BackboneError
from hiprobe.segment import Frame


def build_family(parts: Parts, *, frames_as: str | None = None) -> Family:
    """The family of a config, by its `model_type`.

    Args:
        parts: what it is made from.
        frames_as: one of `hiprobe.backbones.spec.FRAMES_AS`; None for a video, where the
            family has a way for videos, else pictures.

    Raises:
        KeyError: the family is not known here.
        BackboneError: it does not read frames in this way.
    """
    kind = parts.config.model_type
    ways = _BUILDERS[kind]
    way = next(iter(ways)) if frames_as is None else frames_as
    if way not in ways:
        raise BackboneError(
            f"{kind} does not read frames as {way!r} here; leave the option out, it reads them as "
            f"{' or '.join(ways)}"
        )
    family = ways[way](parts)
    return replace(family, settings={**family.settings, "frames_as": way})


def is_known(model_type: str) -> bool:
    """Whether a `model_type` of config.json has a family of its own here."""
    return model_type in _BUILDERS


def _internvl(parts: Parts) -> Family:
    """Labelled frames, one tile each: that is how InternVL reads videos."""
    vision = parts.config.vision_config
    size = tuple(vision.image_size)
    scale = parts.scale(parts.images, defaults=pictures.IMAGENET)
    token = parts.config.image_token_id
    block = f"<img>{parts.token(token) * _internvl_tokens(parts.config)}</img>"

    def read(frames: Sequence[Frame], _: Offsets) -> Pictures:
        pixels = pictures.square_pixels(frames, size=(size[0], size[1]), scale=scale)
        tensors = {"pixel_values": torch.from_numpy(pixels)}
        return Pictures(tensors, labelled([block] * len(frames)))

    settings = preprocessing(scale, tiles=1, input_pixels=size[0])
    return Family("model.language_model", token, settings, read)


def _internvl_tokens(config: Any) -> int:
    vision = config.vision_config
    rows, columns = (s // p for s, p in zip(vision.image_size, vision.patch_size, strict=True))
    return int(rows * config.downsample_ratio) * int(columns * config.downsample_ratio)


def _llava_onevision(parts: Parts) -> Family:
    """A video: the tokens of a frame are pooled 2x2, and one line break stands after the last."""
    vision, token = parts.config.vision_config, parts.config.video_token_id
    edge, grid = int(vision.image_size), math.ceil(vision.image_size // vision.patch_size / 2)
    scale = parts.scale(parts.videos or parts.images, defaults=pictures.HALVES)

    def read(frames: Sequence[Frame], _: Offsets) -> Pictures:
        pixels = pictures.square_pixels(frames, size=(edge, edge), scale=scale)
        block = parts.token(token) * (len(frames) * grid * grid + 1)
        return Pictures({"pixel_values_videos": torch.from_numpy(pixels)[None]}, f"{block}\n")

    settings = preprocessing(scale, pooled=True, input_pixels=edge)
    return Family("model.language_model", token, settings, read, line_breaks=1)


_Build = Callable[[Parts], Family]
_CLIP_PICTURES = partial(qwen_pictures, defaults=pictures.CLIP)
_BUILDERS: dict[str, Mapping[str, _Build]] = {
    "idefics3": {AS_PICTURES: smolvlm_pictures},  # the same layout, from which SmolVLM descends
    "internvl": {AS_VIDEO: _internvl},
    "llava_onevision": {AS_VIDEO: _llava_onevision},
    "qwen2_5_vl": {
        AS_VIDEO: partial(qwen_video, how=QWEN2_5_VIDEO),
        AS_PICTURES: _CLIP_PICTURES,
    },
    "qwen2_vl": {AS_VIDEO: partial(qwen_video, how=QWEN2_VIDEO), AS_PICTURES: _CLIP_PICTURES},
    "qwen3_vl": {
        AS_VIDEO: partial(qwen_video, how=QWEN3_VIDEO),
        AS_PICTURES: partial(qwen_pictures, defaults=pictures.HALVES),
    },
    "smolvlm": {AS_VIDEO: smolvlm_video, AS_PICTURES: smolvlm_pictures},
}
"""Ways of every family by its `model_type`, the one it takes unless told otherwise first."""
