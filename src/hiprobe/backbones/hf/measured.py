"""The shape of a model of transformers, read off its modules: on the meta device or loaded."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import nn

from hiprobe.backbones.shape import GridTower, Shape, SquareTower


def measured_shape(
    model: Any, *, least_pixels: int | None = None, least_video_pixels: int | None = None
) -> Shape | None:
    """The shape of a whole model; None for a family whose vision tower is not counted here.

    Args:
        model: of transformers, with its head.
        least_pixels: the smallest frame of a Qwen model, by its preprocessor's settings.
        least_video_pixels: the smallest video of a Qwen3-VL model, all frames together.
    """
    read_tower = _TOWERS.get(model.config.model_type)
    if read_tower is None:
        return None
    tower = read_tower(model)
    if isinstance(tower, GridTower):
        tower = _with_limits(tower, least_pixels, least_video_pixels)
    decoder, text = model.get_decoder(), model.config.get_text_config()
    layer, heads = decoder.layers[0], int(text.num_attention_heads)
    table, head = model.get_input_embeddings().weight, model.lm_head.weight
    head_width = int(getattr(text, "head_dim", None) or text.hidden_size // heads)
    return Shape(
        layer_count=len(decoder.layers),
        width=int(text.hidden_size),
        parameters=sum(p.numel() for p in model.parameters()),
        head_parameters=0 if head is table else head.numel(),
        layer_parameters=sum(p.numel() for p in layer.parameters()),
        layer_weights=_weights(layer),
        pair_flops=4 * heads * head_width,
        tower=tower,
    )


def _weights(*modules: nn.Module) -> int:
    """Numbers in the matrices of some modules: each is a multiplication and an addition."""
    parts = [part for module in modules for part in module.modules()]
    return sum(p.in_features * p.out_features for p in parts if isinstance(p, nn.Linear))


def _filters(tower: nn.Module) -> int:
    """Numbers of the convolution that takes in patches."""
    found = [p.weight.numel() for p in tower.modules() if isinstance(p, nn.Conv2d | nn.Conv3d)]
    return sum(found)


def _edge(size: Any) -> int:
    return int(size[0] if isinstance(size, list | tuple) else size)


def _square(
    model: Any, tower: Any, layers: Any, projector: Any, *, merge: float, round_up: bool = False
) -> SquareTower:
    """A tower for frames of one size.

    Args:
        tower: the module, `layers` its layers.
        projector: the module behind it.
        merge: patches along an edge that become one visual token.
        round_up: patches are projected and merged then (LLaVA-OneVision), an edge that `merge`
            does not divide makes one more token; else merged and projected, and one less.
    """
    vision = model.config.vision_config
    edge = _edge(vision.image_size) // _edge(vision.patch_size)
    patches = edge**2
    positions = patches + (1 if hasattr(tower.embeddings, "cls_token") else 0)
    tokens = (math.ceil(edge / merge) if round_up else int(edge / merge)) ** 2
    pairs = 4 * positions**2 * int(vision.hidden_size)
    attention = len(layers) * pairs
    return SquareTower(
        frame_tokens=tokens,
        tower_flops=2 * (patches * _filters(tower) + positions * _weights(*layers)) + attention,
        projector_flops=2 * (patches if round_up else tokens) * _weights(projector),
        more_tokens=1 if round_up else 0,  # the line break after a video
    )


def _internvl(model: Any) -> SquareTower:
    tower, merge = model.model.vision_tower, 1 / model.config.downsample_ratio
    layers = tower.encoder.layer
    return _square(model, tower, layers, model.model.multi_modal_projector, merge=merge)


def _llava_onevision(model: Any) -> SquareTower:
    tower, projector = model.model.vision_tower, model.model.multi_modal_projector
    return _square(model, tower, tower.encoder.layers, projector, merge=2, round_up=True)


def _smolvlm(model: Any) -> SquareTower:
    tower, merge = model.model.vision_model, model.config.scale_factor
    return _square(model, tower, tower.encoder.layers, model.model.connector, merge=merge)


def _qwen(model: Any) -> GridTower:
    tower, vision = model.model.visual, model.config.vision_config
    windowed = hasattr(vision, "window_size")
    count = len(tower.blocks)
    full = len(vision.fullatt_block_indexes) if windowed else count
    mergers = (tower.merger, *getattr(tower, "deepstack_merger_list", ()))
    area = (int(vision.patch_size) * int(vision.spatial_merge_size)) ** 2
    return GridTower(
        patch_pixels=int(vision.patch_size),
        merge=int(vision.spatial_merge_size),
        patch_flops=2 * (_filters(tower) + _weights(*tower.blocks)),
        pair_flops=4 * int(vision.hidden_size),
        token_flops=2 * _weights(*mergers),
        full_layers=full,
        windowed_layers=count - full,
        window_patches=int(vision.window_size) // int(vision.patch_size) if windowed else 0,
        least_pixels=4 * area,
        frames_together=int(vision.temporal_patch_size),
        least_video_pixels=0 if windowed else 4 * area,
    )


def _with_limits(tower: GridTower, frame: int | None, video: int | None) -> GridTower:
    from dataclasses import replace

    if frame is not None:
        tower = replace(tower, least_pixels=frame)
    if video is not None and tower.least_video_pixels:  # a budget for each frame has none for all
        tower = replace(tower, least_video_pixels=video)
    return tower


_TOWERS: dict[str, Callable[[Any], SquareTower | GridTower]] = {
    "internvl": _internvl,
    "llava_onevision": _llava_onevision,
    "qwen2_5_vl": _qwen,
    "qwen3_vl": _qwen,
    "smolvlm": _smolvlm,
}
