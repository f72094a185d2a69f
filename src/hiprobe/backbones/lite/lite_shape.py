"""What the lite backbone is made of, in numbers: for counting it, without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
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

INPUT_PIXELS = 224
"""Edge of the square that a frame is squashed to."""

# EfficientNet-Lite0 never changes, so it is not derived here; a test holds both figures against
# torch's own counts.
VISION_PARAMETERS = 4_652_008
VISION_FLOPS = 767_815_104
"""Operations of the vision net for one frame of `INPUT_PIXELS`."""

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
class LiteShape:
    """The whole lite backbone; counted in float32, in which it runs.

    Attributes:
        cells: visual tokens of one picture, or of one change.
        seen, change: the projector's maps of a token, for pictures and for changes.
        decoder: layers of the LLM.
        embedding: its table of words, which is its head too.
    """

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
        projector = sum(m.parameters for m in (*self.seen, *self.change)) + 4 * self.width
        decoder = self.decoder.count * self.decoder.layer_parameters + self.width
        return VISION_PARAMETERS + projector + self.embedding.parameters + decoder

    def look(self, *, frames: int) -> Look:
        """Of a segment with so many key frames: one picture, and a change between each two."""
        changes = frames - 1
        projector = sum(m.flops for m in self.seen) + changes * sum(m.flops for m in self.change)
        return Look(self.cells * frames, frames * VISION_FLOPS, self.cells * projector)


@cache
def lite_shape() -> LiteShape:
    """The lite backbone that comes with this package."""
    return read_lite({"decoder": _DECODER, "vision": {"input_pixels": INPUT_PIXELS}})


def read_lite(config: Mapping[str, Any]) -> LiteShape:
    """The shape of an assembled folder, from its config and the projector of this package.

    Raises:
        KeyError, TypeError, ValueError: the config lacks something, or squashes frames to another
            size than the vision net was counted at.
    """
    if config["vision"]["input_pixels"] != INPUT_PIXELS:
        raise ValueError(f"frames of {config['vision']['input_pixels']} pixels are not counted")
    file = resources.files("hiprobe.backbones.lite").joinpath("projector.json")
    settings = json.loads(file.read_text(encoding="utf-8"))["projector"]
    hidden, width = int(settings["hidden"]), int(settings["width"])
    second = Matrix(hidden, width, biased=True)
    return LiteShape(
        cells=int(settings["grid"]) ** 2,
        seen=(Matrix(FEATURE_CHANNELS, hidden, biased=True), second),
        change=(Matrix(CHANGE_CHANNELS, hidden, biased=True), second),
        decoder=gated_decoder(config["decoder"]),
        embedding=Matrix(int(config["decoder"]["vocab_size"]), width),
    )
