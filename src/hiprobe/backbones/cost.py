"""What one segment costs on a backbone: visual tokens, operations, memory, counted from its shape.

An addition and a multiplication are two operations. Attention counts in full, as dense matrices
would be multiplied: kernels that leave out what a causal mask hides do up to 3 % less in all.
Norms, activations and the softmax are left out (below 1 %).
"""

from __future__ import annotations

from dataclasses import dataclass

from hiprobe.backbones.shape import GridTower, Shape
from hiprobe.errors import UsageError
from hiprobe.paper import KEY_FRAMES
from hiprobe.spec import AS_VIDEO

# Height and width of a frame where none is given: those of UCF-Crime and of many cameras.
FRAME_PIXELS = (240, 320)
# Where the paper's layer l* lies, as a share of the decoder's depth.
LAYER_SHARE = 20 / 32


@dataclass(frozen=True)
class SegmentCost:
    """Of one segment in one pass.

    Attributes:
        visual_tokens: positions that show frames.
        positions: all of the prompt.
        tower_flops, projector_flops, decoder_flops: operations; no head, it is not needed.
    """

    visual_tokens: int
    positions: int
    tower_flops: int
    projector_flops: int
    decoder_flops: int

    @property
    def flops(self) -> int:
        """All together."""
        return self.tower_flops + self.projector_flops + self.decoder_flops


def middle_layer(shape: Shape) -> int:
    """The layer at 20/32 of the depth, where the paper's l* lies."""
    return round(LAYER_SHARE * shape.layer_count)


def count_segment(
    shape: Shape,
    *,
    layer: int | None = None,
    frames: int = KEY_FRAMES,
    frame_pixels: tuple[int, int] = FRAME_PIXELS,
    text_positions: int | None = None,
    frames_as: str = AS_VIDEO,
) -> SegmentCost:
    """Operations of one segment, up to decoder layer `layer` (the last where None).

    Args:
        shape: of the model.
        layer: 0..L.
        frames: key frames of the segment.
        frame_pixels: height and width of a frame, for models that keep its size.
        text_positions: positions of the prompt that show no frame; None for about as many as
            the default prompt has.
        frames_as: one of `hiprobe.spec.FRAMES_AS`; frames of a Qwen model's video
            share their patches two by two. Others cost the same in both ways.

    Raises:
        UsageError: the layer does not exist, or a count is not positive.
    """
    depth = shape.layer_count if layer is None else layer
    if not 0 <= depth <= shape.layer_count:
        raise UsageError(f"layer {layer} is not within 0..{shape.layer_count}")
    text = shape.text_positions if text_positions is None else text_positions
    if min(frames, *frame_pixels) < 1 or text < 0:
        raise UsageError("frames and pixels must be 1 or more")
    # The towers of Qwen take two frames of a video in one patch, and half the tokens come of it.
    is_video = frames_as == AS_VIDEO
    if isinstance(shape.tower, GridTower):
        tokens, tower, projector = _kept_size(shape.tower, frames, frame_pixels, is_video=is_video)
    else:
        square = shape.tower
        tokens = frames * square.frame_tokens + square.more_tokens
        tower = frames * square.tower_flops
        projector = frames * square.projector_flops + square.more_projector_flops
    positions = tokens + text
    a_layer = 2 * positions * shape.layer_weights + positions**2 * shape.pair_flops
    return SegmentCost(tokens, positions, tower, projector, depth * a_layer)


def weight_bytes(
    shape: Shape, *, layer: int | None = None, fp8: bool = False, number_bytes: int = 2
) -> int:
    """Memory of the weights.

    Args:
        shape: of the model.
        layer: cut at this layer, the layers above it and the head are not loaded.
        fp8: the decoder's matrices take one byte a number, as with `quantise`; tower, projector,
            embeddings, norms and head stay as they are.
        number_bytes: 2 for bfloat16, 4 for float32.
    """
    depth = shape.layer_count if layer is None else min(layer, shape.layer_count)
    left_out = (shape.layer_count - depth) * shape.layer_parameters
    if layer is not None:
        left_out += shape.head_parameters
    saved = (number_bytes - 1) * depth * shape.layer_weights if fp8 else 0
    return number_bytes * (shape.parameters - left_out) - saved


def _kept_size(
    tower: GridTower, frames: int, frame_pixels: tuple[int, int], *, is_video: bool
) -> tuple[int, int, int]:
    """Visual tokens, operations of the tower, and of the projector."""
    pictures = -(-frames // (tower.frames_together if is_video else 1))
    rows, columns = patch_grid(tower, frame_pixels, video_frames=frames if is_video else 0)
    patches, edge = rows * columns, tower.window_patches
    tokens = pictures * (rows // tower.merge) * (columns // tower.merge)
    pairs = tower.full_layers * patches**2
    if tower.windowed_layers:
        seen = sum(n * n for n in _spans(rows, edge)) * sum(n * n for n in _spans(columns, edge))
        pairs += tower.windowed_layers * seen
    flops = pictures * (patches * tower.patch_flops + pairs * tower.pair_flops)
    return tokens, flops, tokens * tower.token_flops


def _spans(length: int, edge: int) -> list[int]:
    """Lengths of the windows that an edge is cut into; the last may be shorter."""
    return [min(edge, length - start) for start in range(0, length, edge)]


def patch_grid(
    tower: GridTower, frame_pixels: tuple[int, int], *, video_frames: int = 0
) -> tuple[int, int]:
    """Rows and columns of patches of one frame.

    Args:
        tower: what sees it.
        frame_pixels: its height and width.
        video_frames: frames of the video that it belongs to; 0 for a picture by itself.
    """
    from hiprobe.backbones.hf.pictures import MOST_PIXELS, budget_size, video_size

    (height, width), factor = frame_pixels, tower.patch_pixels * tower.merge
    if video_frames and tower.least_video_pixels:
        height, width = video_size(
            frames=video_frames,
            height=height,
            width=width,
            factor=factor,
            together=tower.frames_together,
            least=tower.least_video_pixels,
            most=MOST_PIXELS * video_frames,
        )
    else:
        height, width = budget_size(
            height=height, width=width, factor=factor, least=tower.least_pixels, most=MOST_PIXELS
        )
    return height // tower.patch_pixels, width // tower.patch_pixels
