"""What one segment costs on a backbone: visual tokens, operations, memory, counted from its shape.

An addition and a multiplication are two operations. Attention counts in full, as dense matrices
would be multiplied: kernels that leave out what a causal mask hides do up to 3 % less in all.
Norms, activations and the softmax are left out (below 1 %).
"""

from __future__ import annotations

from dataclasses import dataclass

from hiprobe.backbones.lite.lite_shape import LiteShape
from hiprobe.backbones.shape import Grid, Look, Matrix, Shape, Stack
from hiprobe.errors import UsageError
from hiprobe.paper import KEY_FRAMES
from hiprobe.spec import AS_VIDEO

FRAME_PIXELS = (240, 320)
"""Height and width of a frame where none is given: those of UCF-Crime and of many cameras."""
LAYER_SHARE = 20 / 32
"""Where the paper's layer l* lies, as a share of the decoder's depth."""


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


def middle_layer(shape: Shape | LiteShape) -> int:
    """The layer at 20/32 of the depth, where the paper's l* lies."""
    return round(LAYER_SHARE * shape.layer_count)


def count_segment(
    shape: Shape | LiteShape,
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
    if isinstance(shape, LiteShape):
        look = shape.look(frames=frames)
    else:
        look = _look(shape, frames, frame_pixels, is_video=frames_as == AS_VIDEO)
    positions = look.tokens + text
    return SegmentCost(
        visual_tokens=look.tokens,
        positions=positions,
        tower_flops=look.tower_flops,
        projector_flops=look.projector_flops,
        decoder_flops=depth * _layer_flops(shape.decoder, positions, positions**2),
    )


def _look(shape: Shape, frames: int, frame_pixels: tuple[int, int], *, is_video: bool) -> Look:
    pictures = -(-frames // (shape.grid.frames_together if is_video else 1))
    rows, columns = patch_grid(shape.grid, frame_pixels, video_frames=frames if is_video else 0)
    patches = rows * columns
    tokens = pictures * tokens_of_frame(shape.grid, rows, columns) + shape.grid.whole_video_tokens
    tower = pictures * (patches * shape.patch.flops + _tower_flops(shape, rows, columns))
    projector = pictures * patches * _flops(shape.patch_projector)
    return Look(tokens, tower, projector + tokens * _flops(shape.token_projector))


def patch_grid(
    grid: Grid, frame_pixels: tuple[int, int], *, video_frames: int = 0
) -> tuple[int, int]:
    """Rows and columns of patches of one frame: a picture, or one of a video's `video_frames`."""
    if grid.image_pixels is not None:
        edge = grid.image_pixels // grid.patch_pixels
        return edge, edge
    from hiprobe.backbones.hf.pictures import MOST_PIXELS, budget_size, video_size

    (height, width), factor = frame_pixels, grid.patch_pixels * grid.merge
    if video_frames and grid.least_video_pixels:
        height, width = video_size(
            frames=video_frames,
            height=height,
            width=width,
            factor=factor,
            together=grid.frames_together,
            least=grid.least_video_pixels,
            most=MOST_PIXELS * video_frames,
        )
    else:
        height, width = budget_size(
            height=height, width=width, factor=factor, least=grid.least_pixels, most=MOST_PIXELS
        )
    return height // grid.patch_pixels, width // grid.patch_pixels


def tokens_of_frame(grid: Grid, rows: int, columns: int) -> int:
    """Visual tokens that one frame's patches are merged into."""
    if grid.round_up:
        return -(-rows // grid.merge) * -(-columns // grid.merge)
    return (rows // grid.merge) * (columns // grid.merge)


def weight_bytes(
    shape: Shape | LiteShape, *, layer: int | None = None, fp8: bool = False, number_bytes: int = 2
) -> int:
    """Memory of the weights, in bfloat16 unless `number_bytes` says 4 for float32.

    With `fp8` the decoder's matrices take one byte a number. That is what `quantise` does: tower,
    projector, embeddings, norms and head stay as they are. Cut at `layer` the layers above it and
    the head are not loaded.
    """
    depth = shape.layer_count if layer is None else min(layer, shape.layer_count)
    left_out = (shape.layer_count - depth) * shape.decoder.layer_parameters
    if layer is not None and not shape.tied:
        left_out += shape.embedding.parameters
    weights = depth * sum(m.inputs * m.outputs for m in shape.decoder.matrices)
    saved = (number_bytes - 1) * weights if fp8 else 0
    return number_bytes * (shape.parameters - left_out) - saved


def _tower_flops(shape: Shape, rows: int, columns: int) -> int:
    grid, tower = shape.grid, shape.tower
    positions = rows * columns + grid.class_tokens
    whole = _layer_flops(tower, positions, positions**2)
    if grid.window_patches is None:
        return tower.count * whole
    edge = grid.window_patches
    pairs = sum(n * n for n in _spans(rows, edge)) * sum(n * n for n in _spans(columns, edge))
    windowed = _layer_flops(tower, positions, pairs)
    return grid.full_layers * whole + (tower.count - grid.full_layers) * windowed


def _spans(length: int, edge: int) -> list[int]:
    """Lengths of the windows that an edge is cut into; the last may be shorter."""
    return [min(edge, length - start) for start in range(0, length, edge)]


def _layer_flops(stack: Stack, positions: int, pairs: int) -> int:
    """One layer: its maps of every position, scores and weighted sums of every pair."""
    return positions * _flops(stack.matrices) + 4 * pairs * stack.attention_width


def _flops(matrices: tuple[Matrix, ...]) -> int:
    return sum(m.flops for m in matrices)
