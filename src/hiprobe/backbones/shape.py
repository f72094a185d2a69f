"""What a model is made of, in numbers: matrices, layers, and how it cuts a frame into patches.

Read from a config by `shape_families`; counted by `cost`. Numbers only, no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hiprobe.errors import UsageError

TEXT_POSITIONS = 64
"""About what frame labels, question and chat marks take up; tokenizers differ."""


@dataclass(frozen=True)
class Matrix:
    """A linear map of one position: `inputs` to `outputs` values."""

    inputs: int
    outputs: int
    biased: bool = False

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.inputs * self.outputs + (self.outputs if self.biased else 0)

    @property
    def flops(self) -> int:
        """Of one position: a multiplication and an addition for every weight."""
        return 2 * self.inputs * self.outputs


@dataclass(frozen=True)
class Stack:
    """Equal transformer layers.

    Attributes:
        count: layers.
        matrices: of one layer.
        other: further parameters of one layer (norms, scales).
        attention_width: heads times the width of a head.
    """

    count: int
    matrices: tuple[Matrix, ...]
    other: int
    attention_width: int

    def __post_init__(self) -> None:
        if self.count < 1 or self.attention_width < 1:
            raise UsageError(f"a stack of {self.count} layers, attention {self.attention_width}")

    @property
    def layer_parameters(self) -> int:
        """Of one layer."""
        return sum(m.parameters for m in self.matrices) + self.other


@dataclass(frozen=True)
class Look:
    """What it takes to turn the frames of a segment into visual tokens.

    Attributes:
        tokens: visual tokens.
        tower_flops, projector_flops: operations.
    """

    tokens: int
    tower_flops: int
    projector_flops: int


@dataclass(frozen=True)
class Grid:
    """How a frame becomes patches, and patches become visual tokens.

    Attributes:
        patch_pixels: edge of a patch.
        image_pixels: edge of the square a frame is stretched to; None where it keeps its size.
        merge: patches along an edge that become one visual token.
        class_tokens: positions of the tower that stand for no patch.
        round_up: an edge that `merge` does not divide makes one more token, else one less.
        whole_video_tokens: further visual tokens after all frames.
        least_pixels: of a frame that keeps its size; smaller ones are enlarged.
        window_patches: edge of an attention window; None where all patches of a frame attend.
        full_layers: layers of the tower that attend to the whole frame in spite of windows.
        frames_together: frames of a video that share their patches.
        least_video_pixels: of all frames of a video together; 0 where each has `least_pixels`.
    """

    patch_pixels: int
    image_pixels: int | None
    merge: int
    class_tokens: int = 0
    round_up: bool = False
    whole_video_tokens: int = 0
    least_pixels: int = 0
    window_patches: int | None = None
    full_layers: int = 0
    frames_together: int = 1
    least_video_pixels: int = 0


@dataclass(frozen=True)
class Shape:
    """A whole model.

    Attributes:
        family: the `model_type` of its config.
        grid: how it sees a frame.
        patch: the map of a patch's pixels into the tower.
        tower, decoder: their layers.
        tower_other: parameters of the tower outside its layers, without `patch`.
        patch_projector: maps of every patch, before patches are merged.
        token_projector: maps of every visual token.
        projector_other: further parameters between tower and decoder.
        embedding: the table of words, `[vocabulary, width]`.
        tied: the head is that table.
    """

    family: str
    grid: Grid
    patch: Matrix
    tower: Stack
    tower_other: int
    patch_projector: tuple[Matrix, ...]
    token_projector: tuple[Matrix, ...]
    projector_other: int
    embedding: Matrix
    decoder: Stack
    tied: bool

    text_positions = TEXT_POSITIONS

    @property
    def width(self) -> int:
        """Of a hidden state."""
        return self.embedding.outputs

    @property
    def layer_count(self) -> int:
        """L of the decoder."""
        return self.decoder.count

    @property
    def parameters(self) -> int:
        """Of the whole model; a tied head counts once."""
        projector = (*self.patch_projector, *self.token_projector)
        table = self.embedding.parameters
        return (
            self.patch.parameters
            + self.tower.count * self.tower.layer_parameters
            + self.tower_other
            + sum(m.parameters for m in projector)
            + self.projector_other
            + table * (1 if self.tied else 2)
            + self.decoder.count * self.decoder.layer_parameters
            + self.width  # the final norm
        )


def gated_decoder(config: Mapping[str, Any]) -> Stack:
    """Llama, Mistral, InternLM2, Qwen2, Qwen3 and their like: gated, grouped keys.

    Raises:
        KeyError, TypeError, ValueError: the config lacks what they have.
    """
    width, kind = int(config["hidden_size"]), str(config.get("model_type", ""))
    heads = int(config["num_attention_heads"])
    groups = int(config.get("num_key_value_heads") or heads)
    head = int(config.get("head_dim") or width // heads)
    biased = kind.startswith("qwen2") or bool(config.get("attention_bias", False))
    normed = 2 * head if kind.startswith("qwen3") else 0
    gated = int(config["intermediate_size"])
    out_biased = bool(config.get("attention_bias", False)) and not kind.startswith("qwen2")
    matrices = (
        Matrix(width, heads * head, biased),
        Matrix(width, groups * head, biased),
        Matrix(width, groups * head, biased),
        Matrix(heads * head, width, out_biased),
        Matrix(width, gated),
        Matrix(width, gated),
        Matrix(gated, width),
    )
    return Stack(int(config["num_hidden_layers"]), matrices, 2 * width + normed, heads * head)
