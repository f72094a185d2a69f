"""What a model is made of, in numbers that a segment's cost is counted from.

The numbers of the catalogue are measured on torch's meta device by `scripts/write_costs.py` and
stored in `costs.json`, so that listing backbones loads no torch. What depends on the size of a
frame, on the layer and on the number of frames is counted here and in `cost`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from hiprobe.errors import UsageError

# About what frame labels, question and chat marks take up; tokenizers differ.
TEXT_POSITIONS = 64


@dataclass(frozen=True)
class SquareTower:
    """Shows every frame at one size: each costs the same.

    Attributes:
        frame_tokens: visual tokens of a frame.
        tower_flops, projector_flops: operations of a frame.
        more_tokens, more_projector_flops: what a segment has besides, whatever its frames.
    """

    frame_tokens: int
    tower_flops: int
    projector_flops: int
    more_tokens: int = 0
    more_projector_flops: int = 0


@dataclass(frozen=True)
class GridTower:
    """Keeps the size of a frame (Qwen): patches, and what follows from their number.

    Attributes:
        patch_pixels: edge of a patch.
        merge: patches along an edge that become one visual token.
        patch_flops: of one patch through all layers, without attention.
        pair_flops: of one layer's attention, for two patches that see each other.
        token_flops: of the projector, for a visual token.
        full_layers: layers whose patches see the whole frame.
        windowed_layers: layers whose patches see their window only.
        window_patches: edge of a window.
        least_pixels: of a frame; smaller ones are enlarged.
        frames_together: frames of a video that share their patches.
        least_video_pixels: of all frames of a video together; 0 where each has `least_pixels`.
    """

    patch_pixels: int
    merge: int
    patch_flops: int
    pair_flops: int
    token_flops: int
    full_layers: int
    windowed_layers: int
    window_patches: int
    least_pixels: int
    frames_together: int
    least_video_pixels: int


@dataclass(frozen=True)
class Shape:
    """A whole model.

    Attributes:
        layer_count: L of the decoder.
        width: of a hidden state.
        parameters: of the whole model; a head that is the table of words counts once.
        head_parameters: of a head of its own; 0 where it is that table.
        layer_parameters: of one decoder layer.
        layer_weights: those of them in its matrices, without norms and biases.
        pair_flops: of one decoder layer's attention, for two positions.
        tower: how it sees frames.
        text_positions: of the prompt, that show no frame.
        float32_only: it runs in no other number format.
    """

    layer_count: int
    width: int
    parameters: int
    head_parameters: int
    layer_parameters: int
    layer_weights: int
    pair_flops: int
    tower: SquareTower | GridTower
    text_positions: int = TEXT_POSITIONS
    float32_only: bool = False

    def __post_init__(self) -> None:
        if self.layer_count < 1 or self.width < 1:
            raise UsageError(f"a decoder of {self.layer_count} layers of width {self.width}")

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary of JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        tower = document["tower"]
        kind = GridTower if "patch_pixels" in tower else SquareTower
        return cls(**{**document, "tower": kind(**tower)})
