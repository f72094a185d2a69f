"""What a family of models is to the one class that reads them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from hiprobe.backbones.hf import pictures
from hiprobe.backbones.spec import TRAINED_RESIZE
from hiprobe.segment import Frame

Offsets = Sequence[float]
"""When frames were taken, in seconds from the start of the stretch they are of; one for each."""

UNTIMED_GAP_SECONDS = 0.1
"""Between frames whose times are not known: 8 of 24 at 30 a second."""


@dataclass(frozen=True)
class Pictures:
    """The frames of one segment, ready for the model.

    `tensors` are inputs of the model; those of several segments are joined along axis 0. `lead`
    is what stands before the question: the placeholders of the frames and what is said to them.
    """

    tensors: Mapping[str, Tensor]
    lead: str


@dataclass(frozen=True)
class Parts:
    """What a family is made from: config, processor settings, and the text of a token id.

    `resize_by` is one of `hiprobe.backbones.spec.RESIZES`.
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
    """One family of models, and one way in which it reads frames.

    Attributes:
        decoder: the path of attributes to the decoder.
        visual_token: the id that frames take up in the prompt.
        settings: what of the preprocessing decides the states.
        read: makes frames, and the times they were taken at, ready.
        line_breaks: so many of the last visual tokens show no picture (LLaVA-OneVision's after
            the video).
        token_types: the input that marks visual tokens; empty where none is needed.
        token_type: what marks them in it: 1 a picture, 2 a video.
        exact: inputs that stay in float32 whatever the model's number format: times.
    """

    decoder: str
    visual_token: int
    settings: Mapping[str, str | int | float | bool]
    read: Callable[[Sequence[Frame], Offsets], Pictures]
    line_breaks: int = 0
    token_types: str = ""
    token_type: int = 1
    exact: tuple[str, ...] = ()

    def is_visual(self, ids: Tensor) -> Tensor:
        """Which positions of token ids `[segments, positions]` show the frames: bool, as shaped."""
        visual = ids == self.visual_token
        if self.line_breaks:
            still_to_come = visual.flip(1).cumsum(1).flip(1)
            visual = visual & (still_to_come > self.line_breaks)
        return visual


def labelled(blocks: Sequence[str]) -> str:
    """`Frame1: <image>` lines: each frame's placeholder with its number."""
    return "".join(f"Frame{n}: {block}\n" for n, block in enumerate(blocks, start=1))


def preprocessing(
    scale: pictures.Scale, **more: str | int | float | bool
) -> dict[str, str | int | float | bool]:
    """Settings of a family, for the fingerprint."""
    area = {} if scale.resize_by == TRAINED_RESIZE else {"resize_by": scale.resize_by}
    return {
        **area,
        "resample": scale.resample,
        "mean": ",".join(map(str, scale.mean)),
        "std": ",".join(map(str, scale.std)),
        **more,
    }
