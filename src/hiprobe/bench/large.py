"""Large models at full size with random weights, on a GPU: cut and whole, at growing batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from hiprobe.backbones.catalogue import CatalogueEntry, find_entry
from hiprobe.backbones.cost import count_segment, middle_layer
from hiprobe.bench.ways import Say
from hiprobe.errors import BackboneMemoryError, UsageError
from hiprobe.machine import seconds_of
from hiprobe.pipeline.measured_rate import noise_segments

if TYPE_CHECKING:
    from hiprobe.backbones.hf.hf_model import HfBackbone

LARGE_MODELS = ("internvl2.5-8b", "qwen2.5-vl-7b", "llava-onevision-7b")
# Doubled until memory ends: whether a GPU is filled shows in the first steps.
BATCHES = (1, 2, 4, 8)


@dataclass(frozen=True)
class LargeFound:
    """One model at one depth and batch.

    Attributes:
        layer: the layer that it is cut at, or its last one.
        batch: segments in a pass.
        positions: length of a prompt with its pictures, in tokens.
        weights_bytes, peak_bytes: memory of the GPU.
        segments_a_second: from frames in memory to states.
        preparing_seconds: what the processor takes to prepare the frames of a segment.
        flops: operations of a segment.
        share_of_floor: rate as a share of that of a plain matrix product in the same run.
        cut_distance: largest distance of states of a pass that stops at l* from those of a pass
            through all layers, as a share of their length; None for a cut model.
        batch_distance: the same between a batch and a segment alone; None for a batch of one.
    """

    backbone: str
    layer: int
    batch: int
    positions: int
    weights_bytes: int
    peak_bytes: int
    segments_a_second: float
    preparing_seconds: float
    flops: int
    share_of_floor: float
    cut_distance: float | None
    batch_distance: float | None


def measure_large(
    *,
    device: str,
    product_flops: float,
    turns: int,
    say: Say,
    names: Sequence[str] = LARGE_MODELS,
    batches: Sequence[int] = BATCHES,
) -> Iterator[LargeFound]:
    """Measure each model cut at l* and whole, with growing batches until memory ends.

    Cut and whole models have different random weights, so what stopping at a layer does to states
    is measured on the whole one alone.

    Args:
        device: as torch names it.
        product_flops: operations a second of a plain matrix product on it.
        turns: how often each batch is timed.
        say: is called with what is being measured now.
        names: models of the catalogue.
        batches: numbers of segments, growing.

    Raises:
        UsageError: a name is not in the catalogue.
    """
    for name in names:
        entry = find_entry(name)
        if entry is None:
            raise UsageError(f"{name} is not in the catalogue; `hiprobe backbones` lists it")
        for layer in (middle_layer(entry.shape), entry.shape.layer_count):
            yield from _at_depth(
                entry,
                layer,
                device=device,
                product_flops=product_flops,
                turns=turns,
                batches=batches,
                say=say,
            )


def _at_depth(
    entry: CatalogueEntry,
    layer: int,
    *,
    device: str,
    product_flops: float,
    turns: int,
    batches: Sequence[int],
    say: Say,
) -> Iterator[LargeFound]:
    from hiprobe.backbones.comparison import forget_gpu_peak, gpu_held, gpu_peak
    from hiprobe.backbones.hf.random_model import random_backbone_of

    say(f"building {entry.name} to layer {layer}")
    forget_gpu_peak()
    is_whole = layer == entry.shape.layer_count
    backbone = random_backbone_of(entry, device=device, cut_at_layer=None if is_whole else layer)
    weights, alone = gpu_held(), _states(backbone, noise_segments(1, seed=0), layer)
    cut_distance = _cut_distance(backbone, middle_layer(entry.shape)) if is_whole else None
    for batch in batches:
        segments = noise_segments(batch, seed=0)
        length = backbone.prepare(segments[0].frames, prompt=backbone.prompt).length
        text = length - count_segment(entry.shape).visual_tokens
        try:
            together = _states(backbone, segments, layer)
            read = partial(_states, backbone, segments, layer)
            taken = [seconds_of(read) for _ in range(turns)]
        except BackboneMemoryError:  # larger ones do not fit either
            say(f"{entry.name} to layer {layer}: a batch of {batch} does not fit")
            return
        flops = count_segment(entry.shape, layer=layer, text_positions=max(0, text)).flops
        rate = batch / median(taken)
        say(f"{entry.name} to layer {layer}, {batch} together: {rate:.2f}/s")
        yield LargeFound(
            backbone=entry.name,
            layer=layer,
            batch=batch,
            positions=length,
            weights_bytes=weights,
            peak_bytes=gpu_peak() or 0,
            segments_a_second=rate,
            preparing_seconds=_preparing_seconds(backbone, segments),
            flops=flops,
            share_of_floor=rate * flops / product_flops,
            cut_distance=cut_distance,
            batch_distance=None if batch == 1 else _distance(together[:1], alone),
        )


def _states(backbone: HfBackbone, segments: Sequence[Any], layer: int) -> Any:
    return backbone.states(segments, layers=[layer])["last"]


def _cut_distance(backbone: HfBackbone, layer: int) -> float:
    """A pass that stops at a layer, against the same layer of a whole pass."""
    (segment,) = noise_segments(1, seed=1)
    deepest = backbone.layer_count
    whole = backbone.states([segment], layers=[layer, deepest])["last"][:, :1]
    return _distance(_states(backbone, [segment], layer), whole)


def _distance(one: Any, other: Any) -> float:
    length = np.linalg.norm(other, axis=-1)
    return float((np.linalg.norm(one - other, axis=-1) / np.maximum(length, 1e-12)).max())


def _preparing_seconds(backbone: HfBackbone, segments: Sequence[Any]) -> float:
    def prepare() -> None:
        for segment in segments:
            backbone.prepare(segment.frames, prompt=backbone.prompt)

    return seconds_of(prepare) / len(segments)
