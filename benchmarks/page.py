"""docs/performance.md from the results of all parts."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

REFERENCE_TFLOPS = 790
"""Dense bfloat16 of an H100, as matrix products reach it: the floor that times are set beside."""
HEAD = """# Performance

<!-- Written by benchmarks/performance.py from benchmarks/results/; do not edit by hand. -->

Weights are random: they take the time and memory of real ones, and mean nothing. A segment has
eight key frames of 320x240 pixels; models of a fixed input size enlarge them. *l\\** stands for the
layer at 20/32 of the decoder's depth, where the paper's layer lies. Operations are counted from the
shapes by `hiprobe.backbones.cost` (an addition and a multiplication are two), and the tests compare
them with torch's own counter, operation for operation, on small models of every family.
"""
META = """## All models, by their shapes

Built on torch's meta device, without weights: parameters and memory are those of the models
themselves, whole and cut at *l\\** (without the layers above and the head, as `detect` loads
them). The last columns say how fast a GPU that multiplies {tflops} TFLOP/s in
bfloat16 (an H100) could be at best.
"""
CPU = """## A small model on the CPU

SmolVLM2-256M with random weights: the median of {repeats} turns, each way once a turn, and the
range. "Generate" is the usual way to hidden states: one new token, all states of all layers kept.
"""
GPU = """## Full-size models on a GPU

bfloat16, random weights. "Of the peak" sets the operations that were needed, by the shapes, against
the rate of a plain matrix product on the same GPU in the same run ({peak:.0f} TFLOP/s). Times
include what the CPU does to frames (column "frames", seconds of a segment).
"""
NO_GPU = """## Full-size models on a GPU

Not measured yet: no GPU was available where this page was written. On a machine with one (24 GB and
more), this runs InternVL2.5-8B, Qwen2.5-VL-7B and LLaVA-OneVision-7B at full size with random
weights, and adds memory, segments a second at *l\\** and at full depth, and the share of the floor:

```sh
python benchmarks/performance.py gpu --repeats 10
```
"""
NO_CPU = """## A small model on the CPU

Not measured yet. With nothing else running:

```sh
python benchmarks/performance.py cpu --repeats 5
```
"""
Document = dict[str, Any]


def write_page(path: Path, *, results: Path) -> None:
    """Write the page from the parts that lie in `results`."""
    sections = [HEAD]
    for part, section, without in (
        ("meta", _meta, ""),
        ("gpu", _gpu, NO_GPU),
        ("cpu", _cpu, NO_CPU),
    ):
        file = results / f"{part}.json"
        if file.is_file():
            sections += section(json.loads(file.read_text(encoding="utf-8")))
        elif without:
            sections.append(without)
    path.write_text("\n".join(sections), encoding="utf-8")


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _source(document: Document) -> str:
    return (
        f"`{document['command']}`, {document['minutes']:.1f} minutes, on {document['machine']}; "
        f"torch {document['torch']}, transformers {document['transformers']}.\n"
    )


def _meta(document: Document) -> list[str]:
    header = (
        *("model", "layers", "*l\\**", "width", "parameters", "GB", "GB to *l\\**", "tokens"),
        *("TFLOP to *l\\**", "TFLOP", "segments/s to *l\\**", "segments/s"),
    )
    rows = [
        (
            row["name"],
            str(row["layers"]),
            str(row["layer"]),
            str(row["width"]),
            f"{row['parameters'] / 1e9:.3f} B",
            f"{row['bytes'] / 1e9:.1f}",
            f"{row['bytes_to_layer'] / 1e9:.1f}",
            str(row["visual_tokens"]),
            f"{row['flops_to_layer'] / 1e12:.1f}",
            f"{row['flops'] / 1e12:.1f}",
            f"{REFERENCE_TFLOPS * 1e12 / row['flops_to_layer']:.0f}",
            f"{REFERENCE_TFLOPS * 1e12 / row['flops']:.0f}",
        )
        for row in document["rows"]
    ]
    wrong = [
        row["name"]
        for row in document["rows"]
        if row["parameters"] != row["counted"]
        or row["bytes_to_layer"] != row["counted_bytes_to_layer"]
    ]
    checked = (
        f"Counted from the shapes otherwise than the models have them: {', '.join(wrong)}.\n"
        if wrong
        else "Parameters and memory counted from the shapes are the same for every model.\n"
    )
    text = META.format(tflops=REFERENCE_TFLOPS)
    return [text, _table(header, rows), checked, _source(document)]


def _gpu(document: Document) -> list[str]:
    header = (
        *("model", "to layer", "together", "positions", "weights, GB", "peak, GB", "segments/s"),
        *("frames, s", "TFLOP", "of the peak"),
    )
    rows = [
        (
            row["name"],
            str(row["layer"]),
            str(row["batch"]),
            str(row["positions"]),
            f"{row['weights_bytes'] / 1e9:.1f}",
            f"{row['peak_bytes'] / 1e9:.1f}",
            f"{row['segments_a_second']:.2f}",
            f"{row['preparing_seconds']:.3f}",
            f"{row['flops'] / 1e12:.1f}",
            f"{row['fraction']:.0%}",
        )
        for row in document["rows"]
    ]
    text = GPU.format(peak=document["gemm_tflops"]["bfloat16"])
    return [text, _table(header, rows), _source(document)]


def _cpu(document: Document) -> list[str]:
    rows = [(r["way"], r["dtype"], sorted(r["seconds"])) for r in document["rows"]]
    base = next(statistics.median(s) for way, d, s in rows if (way, d) == _BASE)
    lines = [
        (
            way,
            dtype,
            f"{statistics.median(seconds):.2f}",
            f"{seconds[0]:.2f} to {seconds[-1]:.2f}",
            f"{base / statistics.median(seconds):.1f}x",
        )
        for way, dtype, seconds in rows
    ]
    peaks = ", ".join(f"{v:.2f} in {k}" for k, v in document["gemm_tflops"].items())
    rate = f"Matrix products here reach {peaks} (TFLOP/s, {document['threads']} threads).\n"
    header = ("way", "format", "seconds", "range", "against generate in float32")
    text = CPU.format(repeats=document["repeats"])
    return [text, _table(header, lines), rate, _source(document)]


_BASE = ("generate, all states", "float32")
