"""SmolVLM2 and its forerunner Idefics3: every frame once, without splitting it into tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np
import torch

from hiprobe.backbones.hf import pictures
from hiprobe.backbones.hf.family import Family, Offsets, Parts, Pictures, labelled, preprocessing
from hiprobe.segment import Frame

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
