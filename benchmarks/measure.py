"""What is measured: shapes on the meta device, a small model on the CPU, large ones on a GPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from hiprobe.backbones.catalogue import CatalogueEntry, catalogue, find_entry
from hiprobe.backbones.cost import FRAME_PIXELS, count_segment, middle_layer, weight_bytes
from hiprobe.backbones.hf.hf_model import HfBackbone
from hiprobe.errors import BackboneMemoryError
from hiprobe.segment import Segment
from random_model import (
    build_model,
    library_config,
    random_backbone,
    random_segment,
    words_tokenizer,
)

Row = dict[str, Any]
Say = Callable[[str], None]
CPU_MODEL = "smolvlm2-256m"
GPU_MODELS = ("internvl2.5-8b", "qwen2.5-vl-7b", "llava-onevision-7b")
BATCHES = (1, 2, 4, 8)


def entry_of(name: str) -> CatalogueEntry:
    """A model of the catalogue that is known to be there."""
    entry = find_entry(name)
    assert entry is not None, name
    return entry


def meta_rows(say: Say) -> Iterator[Row]:
    """Every model built without weights: its parameters against those counted from its shape."""
    for entry in catalogue():
        say(entry.name)
        layer = middle_layer(entry.shape)
        config = library_config(entry, words_tokenizer())
        whole = build_model(config, device="meta", dtype=torch.bfloat16, cut_at_layer=None)
        cut = build_model(config, device="meta", dtype=torch.bfloat16, cut_at_layer=layer)
        yield {
            "name": entry.name,
            "layers": entry.shape.layer_count,
            "layer": layer,
            "width": entry.shape.width,
            "parameters": _parameters(whole),
            "counted": entry.shape.parameters,
            "bytes": 2 * _parameters(whole),
            "bytes_to_layer": 2 * _parameters(cut),
            "counted_bytes_to_layer": weight_bytes(entry.shape, layer=layer),
            "visual_tokens": count_segment(entry.shape).visual_tokens,
            "flops_to_layer": count_segment(entry.shape, layer=layer).flops,
            "flops": count_segment(entry.shape).flops,
        }


def _parameters(model: Any) -> int:
    return sum(p.numel() for p in model.parameters())


def cpu_rows(*, repeats: int, seed: int, say: Say) -> Iterator[Row]:
    """The ways to take states of one segment, in turn, so that a slow moment hits all alike."""
    entry = entry_of(CPU_MODEL)
    layer = middle_layer(entry.shape)
    segment = random_segment(height=FRAME_PIXELS[0], width=FRAME_PIXELS[1], seed=seed)
    still = random_segment(height=FRAME_PIXELS[0], width=FRAME_PIXELS[1], seed=seed, distinct=2)
    ways: dict[tuple[str, str], Callable[[], object]] = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        say(f"building {CPU_MODEL} in {name}")
        whole = random_backbone(entry, device="cpu", dtype=dtype, seed=seed)
        ways["generate, all states", name] = lambda b=whole: generated(b, segment)
        ways["to the last layer", name] = lambda b=whole: b.states(
            [segment], layers=[b.layer_count]
        )
        ways[f"to layer {layer}", name] = lambda b=whole: b.states([segment], layers=[layer])
        ways[f"to layer {layer}, 2 of 8 frames differ", name] = lambda b=whole: b.states(
            [still], layers=[layer]
        )
    times: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
    for turn in range(repeats + 1):  # the first warms up
        for way, call in ways.items():
            seconds = timed(call)
            say(f"turn {turn} of {repeats}: {way[0]}, {way[1]}: {seconds:.2f} s")
            if turn:
                times[way].append(seconds)
    for (way, dtype_name), taken in times.items():
        yield {"way": way, "dtype": dtype_name, "seconds": taken}


@torch.inference_mode()
def generated(backbone: HfBackbone, segment: Segment) -> object:
    """The usual way: generate one token and keep all hidden states."""
    inputs = backbone.inputs([backbone.prepare(segment.frames, prompt=backbone.prompt)])
    return backbone.model.generate(
        **inputs,
        attention_mask=torch.ones_like(inputs["input_ids"]),
        max_new_tokens=1,
        do_sample=False,
        output_hidden_states=True,
        return_dict_in_generate=True,
    )


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def gemm_tflops(*, size: int, device: str, dtype: torch.dtype, repeats: int) -> float:
    """The best rate of a square matrix product here, in TFLOP/s: what any model is measured by."""
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))

    def product() -> None:
        torch.mm(left, right)
        if device == "cuda":
            torch.cuda.synchronize()

    product()
    return 2 * size**3 / min(timed(product) for _ in range(repeats)) / 1e12


def large_rows(
    *,
    device: str,
    batches: Sequence[int] = BATCHES,
    repeats: int,
    seed: int,
    peak_tflops: float,
    say: Say,
) -> Iterator[Row]:
    """Each large model whole and cut, at growing batches, until memory ends."""
    for name in GPU_MODELS:
        entry = entry_of(name)
        for layer in (middle_layer(entry.shape), entry.shape.layer_count):
            say(f"building {name} to layer {layer}")
            _forget(device)
            backbone = random_backbone(
                entry,
                device=device,
                dtype=torch.bfloat16,
                cut_at_layer=layer if layer < entry.shape.layer_count else None,
                seed=seed,
            )
            known = {"name": name, "layer": layer, "weights_bytes": _allocated(device)}
            for batch in batches:
                row = _large_row(backbone, entry, layer, batch=batch, repeats=repeats, seed=seed)
                if row is None:
                    say(f"{name} to layer {layer}: a batch of {batch} does not fit")
                    break
                say(f"{name} to layer {layer}, {batch} together: {row['segments_a_second']:.2f}/s")
                fraction = row["segments_a_second"] * row["flops"] / 1e12 / peak_tflops
                yield {**known, **row, "fraction": fraction}
            del backbone


def _forget(device: str) -> None:
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _allocated(device: str, *, peak: bool = False) -> int:
    """Bytes of the GPU that are in use, or were at most; none elsewhere."""
    if device != "cuda":
        return 0
    return torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()


def _large_row(
    backbone: HfBackbone, entry: CatalogueEntry, layer: int, *, batch: int, repeats: int, seed: int
) -> Row | None:
    """Times of one batch; None where it does not fit into memory."""
    height, width = FRAME_PIXELS
    segments = [random_segment(height=height, width=width, seed=seed + n) for n in range(batch)]
    length = backbone.prepare(segments[0].frames, prompt=backbone.prompt).length
    text = length - count_segment(entry.shape).visual_tokens

    def call() -> None:
        backbone.states(segments, layers=[layer])  # gives numpy: waits for the device

    try:
        call()
        taken = [timed(call) for _ in range(repeats)]
    except BackboneMemoryError:
        return None
    preparing = timed(lambda: [backbone.prepare(s.frames, prompt="x") for s in segments])
    return {
        "batch": batch,
        "positions": length,
        "segments_a_second": batch / statistics.median(taken),
        "seconds": taken,
        "preparing_seconds": preparing / batch,
        "peak_bytes": _allocated(backbone.model.device.type, peak=True),
        "flops": count_segment(entry.shape, layer=layer, text_positions=text).flops,
    }
