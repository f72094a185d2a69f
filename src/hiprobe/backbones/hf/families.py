"""The families of models, and the one that a config belongs to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
import torch

from hiprobe.backbones.hf import pictures
from hiprobe.backbones.hf.family import Family, Offsets, Parts, Pictures, labelled, preprocessing
from hiprobe.backbones.hf.qwen import (
    QWEN2_5_VIDEO,
    QWEN2_VIDEO,
    QWEN3_VIDEO,
    qwen_pictures,
    qwen_video,
)
from hiprobe.errors import BackboneError
from hiprobe.plugins import added_by_packages, load_entry
from hiprobe.segment import Frame
from hiprobe.spec import AS_PICTURES, AS_VIDEO, FRAMES_AS

# Entry points of other packages: `MODEL_TYPE = "module:ways"`, see `register_family`.
GROUP = "hiprobe.families"

Build = Callable[[Parts], Family]
_families: dict[str, Mapping[str, Build]] = {}

_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def smolvlm_pictures(parts: Parts) -> Family:
    """The frames as labelled pictures."""
    return _family(parts, lambda blocks, _: labelled(blocks))


def smolvlm_video(parts: Parts) -> Family:
    """The frames as a video: how many and how long, and the minute and second of each."""
    return _family(parts, _as_video)


def _family(parts: Parts, lead: Callable[[Sequence[str], Offsets], str]) -> Family:
    vision, token = parts.config.vision_config, parts.config.image_token_id
    edge = int(vision.image_size)
    count = int((edge // vision.patch_size) ** 2 / parts.config.scale_factor**2)
    scale = parts.scale(parts.images, defaults=pictures.HALVES, resample=1)
    around = "<fake_token_around_image>"
    block = f"{around}<global-img>{parts.token(token) * count}{around}"

    def read(frames: Sequence[Frame], offsets: Offsets) -> Pictures:
        unique, order = pictures.unique_frames(frames)
        made = [pictures.twice_resized(f, edge=edge, scale=scale) for f in unique]
        pixels = torch.from_numpy(np.stack(made)[order])[None]
        return Pictures({"pixel_values": pixels}, lead([block] * len(frames), offsets))

    settings = preprocessing(scale, tiles=1, input_pixels=edge)
    return Family("model.text_model", token, settings, read)


def _as_video(blocks: Sequence[str], offsets: Offsets) -> str:
    # key frames are the middles of equal parts, so that the last part ends one half after it
    gap = (offsets[-1] - offsets[0]) / max(1, len(offsets) - 1)
    length = timedelta(seconds=int(round(gap * len(offsets), 3)))
    intro = (
        f"You are provided the following series of {number_word(len(blocks))} frames from a "
        f"{length} [H:MM:SS] video.\n"
    )
    shown = (f"\nFrame from {_clock(t)}:{b}" for t, b in zip(offsets, blocks, strict=True))
    return intro + "".join(shown) + "\n\n"


def _clock(seconds: float) -> str:
    whole = int(round(seconds, 3))
    return f"{whole // 60:02d}:{whole % 60:02d}"


def number_word(number: int) -> str:
    """A number below a hundred in words, as the model was told it; larger ones in digits."""
    if number < len(_SMALL):
        return _SMALL[number]
    if number >= 100:
        return str(number)
    tens, ones = divmod(number, 10)
    return _TENS[tens] + (f"-{_SMALL[ones]}" if ones else "")


def build_family(parts: Parts, *, frames_as: str | None = None) -> Family:
    """The family of a config, by its `model_type`.

    Args:
        parts: what it is made from.
        frames_as: one of `hiprobe.spec.FRAMES_AS`; None for a video, where the
            family has a way for videos, else pictures.

    Raises:
        KeyError: the family is not known here.
        BackboneError: it does not read frames in this way.
    """
    kind = parts.config.model_type
    if not is_known(kind):
        raise KeyError(kind)
    ways = _families[kind]
    way = next(iter(ways)) if frames_as is None else frames_as
    if way not in ways:
        raise BackboneError(
            f"{kind} does not read frames as {way!r} here; leave the option out, it reads them as "
            f"{' or '.join(ways)}"
        )
    family = ways[way](parts)
    return replace(family, settings={**family.settings, "frames_as": way})


def is_known(model_type: str) -> bool:
    """Whether a `model_type` of config.json has a family of its own, here or in another package.

    Raises:
        BackboneError: another package adds the family, and it cannot be loaded.
    """
    if model_type not in _families:
        entry = added_by_packages(GROUP, error=BackboneError).get(model_type)
        if entry is not None:
            register_family(model_type, load_entry(entry, error=BackboneError))
    return model_type in _families


def register_family(model_type: str, ways: Mapping[str, Build]) -> None:
    """Make a family of models known for as long as this process runs.

    A package that adds one for good names its `ways` in the entry-point group `hiprobe.families`,
    under the model type.

    Args:
        model_type: as in the config.json of its models.
        ways: `hiprobe.spec.AS_VIDEO`, `AS_PICTURES` or both -> what builds the family that reads
            frames in that way; the first is taken where a user does not choose.

    Raises:
        BackboneError: there is no way, or one of another name.
    """
    if not isinstance(ways, Mapping) or not ways or set(ways) - set(FRAMES_AS):
        raise BackboneError(
            f"the family {model_type} is no mapping of {' or '.join(FRAMES_AS)} to functions that "
            "build it; correct the package that adds it"
        )
    _families[model_type] = ways


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


_CLIP_PICTURES = partial(qwen_pictures, defaults=pictures.CLIP)
register_family("idefics3", {AS_PICTURES: smolvlm_pictures})  # SmolVLM descends from it
register_family("internvl", {AS_VIDEO: _internvl})
register_family("llava_onevision", {AS_VIDEO: _llava_onevision})
register_family(
    "qwen2_5_vl", {AS_VIDEO: partial(qwen_video, how=QWEN2_5_VIDEO), AS_PICTURES: _CLIP_PICTURES}
)
register_family(
    "qwen2_vl", {AS_VIDEO: partial(qwen_video, how=QWEN2_VIDEO), AS_PICTURES: _CLIP_PICTURES}
)
register_family(
    "qwen3_vl",
    {
        AS_VIDEO: partial(qwen_video, how=QWEN3_VIDEO),
        AS_PICTURES: partial(qwen_pictures, defaults=pictures.HALVES),
    },
)
register_family("smolvlm", {AS_VIDEO: smolvlm_video, AS_PICTURES: smolvlm_pictures})
