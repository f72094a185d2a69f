"""What the lite backbone is made of, in numbers: for counting it, without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from hiprobe.backbones.shape import Look, Matrix, Stack, gated_decoder

# repeats, kernel, stride, expansion, output channels of each stage of EfficientNet-Lite0
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS = 32
FEATURE_CHANNELS = 1280
FINE_CHANNELS = 112
CLASSES = 1000
CHANGE_CHANNELS = 2 * (FEATURE_CHANNELS + FINE_CHANNELS)
"""Mean and maximum of what changed, in both feature maps."""

TEXT_POSITIONS = 21
"""Of the default prompt with its chat marks; there are no frame labels."""

_DECODER = {
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
}
"""SmolLM2-135M's config, as far as its shape goes."""


@dataclass(frozen=True)
class Convolution:
    """A convolution without bias, and the norm behind it.

    Attributes:
        groups: the inputs fall into as many, each seen by its share of the outputs.
        stride: how far apart its results lie, in rows and columns of its input.
    """

    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    groups: int = 1

    @property
    def weights(self) -> int:
        """Of the filters alone."""
        return self.outputs * self.inputs // self.groups * self.kernel**2

    @property
    def parameters(self) -> int:
        """With scale and shift of the norm."""
        return self.weights + 2 * self.outputs


@dataclass(frozen=True)
class LiteShape:
    """The whole lite backbone; counted in float32, in which it runs.

    Attributes:
        pixels: edge of the square that a frame is squashed to.
        cells: visual tokens of one picture, or of one change.
        seen, change: the projector's maps of a token, for pictures and for changes.
        decoder: layers of the LLM.
        embedding: its table of words, which is its head too.
    """

    pixels: int
    cells: int
    seen: tuple[Matrix, ...]
    change: tuple[Matrix, ...]
    decoder: Stack
    embedding: Matrix

    family = "hiprobe-lite"
    tied = True
    text_positions = TEXT_POSITIONS

    @property
    def width(self) -> int:
        """Of a hidden state."""
        return self.embedding.outputs

    @property
    def layer_count(self) -> int:
        """L of the LLM."""
        return self.decoder.count

    @property
    def parameters(self) -> int:
        """Of the vision net with its classifier, the projector and the LLM."""
        vision = sum(c.parameters for c in convolutions())
        vision += Matrix(FEATURE_CHANNELS, CLASSES, biased=True).parameters
        projector = sum(m.parameters for m in (*self.seen, *self.change)) + 4 * self.width
        decoder = self.decoder.count * self.decoder.layer_parameters + self.width
        return vision + projector + self.embedding.parameters + decoder

    def look(self, *, frames: int) -> Look:
        """Of a segment with so many key frames: one picture, and a change between each two."""
        changes = frames - 1
        projector = sum(m.flops for m in self.seen) + changes * sum(m.flops for m in self.change)
        return Look(self.cells * frames, frames * tower_flops(self.pixels), self.cells * projector)


def convolutions() -> Iterator[Convolution]:
    """Those of EfficientNet-Lite0, in order."""
    yield Convolution(3, STEM_CHANNELS, 3, 2)
    inputs = STEM_CHANNELS
    for repeats, kernel, stride, expansion, outputs in STAGES:
        for repeat in range(repeats):
            hidden = inputs * expansion
            if expansion != 1:
                yield Convolution(inputs, hidden, 1)
            yield Convolution(hidden, hidden, kernel, 1 if repeat else stride, groups=hidden)
            yield Convolution(hidden, outputs, 1)
            inputs = outputs
    yield Convolution(inputs, FEATURE_CHANNELS, 1)


def tower_flops(pixels: int) -> int:
    """Operations of the vision net for one square frame: every weight, wherever it is applied."""
    edge, found = pixels, 0
    for convolution in convolutions():
        edge = -(-edge // convolution.stride)
        found += 2 * edge**2 * convolution.weights
    return found


@cache
def lite_shape() -> LiteShape:
    """The lite backbone that comes with this package."""
    return read_lite({"decoder": _DECODER, "vision": {"input_pixels": 224}})


def read_lite(config: Mapping[str, Any]) -> LiteShape:
    """The shape of an assembled folder, from its config and the projector of this package.

    Raises:
        KeyError, TypeError, ValueError: the config lacks something.
    """
    settings = _projector()
    hidden, width = int(settings["hidden"]), int(settings["width"])
    second = Matrix(hidden, width, biased=True)
    return LiteShape(
        pixels=int(config["vision"]["input_pixels"]),
        cells=int(settings["grid"]) ** 2,
        seen=(Matrix(FEATURE_CHANNELS, hidden, biased=True), second),
        change=(Matrix(CHANGE_CHANNELS, hidden, biased=True), second),
        decoder=gated_decoder(config["decoder"]),
        embedding=Matrix(int(config["decoder"]["vocab_size"]), width),
    )


def _projector() -> Mapping[str, Any]:
    file = resources.files("hiprobe.backbones.lite").joinpath("projector.json")
    found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))["projector"]
    return found
