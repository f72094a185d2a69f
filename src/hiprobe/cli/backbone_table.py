"""The list of backbones as a table on the screen, as Markdown for the documentation, as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from hiprobe.backbones.cost import count_segment, middle_layer, weight_bytes
from hiprobe.backbones.lite.shape import LiteShape
from hiprobe.backbones.registry import BackboneInfo, list_backbones
from hiprobe.backbones.shape import Shape
from hiprobe.cli.terminal import echo
from hiprobe.cli.text import print_table
from hiprobe.errors import UsageError
from hiprobe.segment import KEY_FRAMES

VERSION = 1
HEADER = ("name", "here", "parameters", "bf16", "fp8", "tokens", "TFLOP to l*", "TFLOP", "licence")


def parse_frame(text: str) -> tuple[int, int]:
    """Height and width of `WIDTHxHEIGHT`.

    Raises:
        UsageError: it is not of that form.
    """
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text.strip().lower())
    if match is None:
        raise UsageError(f"--frame {text!r} is not WIDTHxHEIGHT in pixels, such as 320x240")
    return int(match[2]), int(match[1])


def print_overview(frame: str) -> None:
    """The table, with a line on how to read it."""
    pixels = parse_frame(frame)
    print_table(HEADER, [_cells(facts(info, pixels)) for info in list_backbones()])
    echo(
        f"\nWeights in GB (*: in float32, the only format it runs in); visual tokens and TFLOP of "
        f"a segment of {KEY_FRAMES} key frames at {frame}; l*: the layer at 20/32 of the depth.\n"
        "`hiprobe backbones get NAME` fetches one. A hub id (owner/name) or a model folder can be "
        "given as well."
    )


def print_json(frame: str) -> None:
    """Everything that is known, as one document."""
    height, width = pixels = parse_frame(frame)
    document = {
        "version": VERSION,
        "frame": {"width": width, "height": height},
        "key_frames": KEY_FRAMES,
        "backbones": [facts(info, pixels) for info in list_backbones()],
    }
    echo(json.dumps(document, indent=1))


def markdown(frame: str) -> str:
    """The table for the documentation: without what lies on this disk."""
    pixels = parse_frame(frame)
    rows = [_cells(facts(info, pixels)) for info in list_backbones()]
    keep = [n for n, title in enumerate(HEADER) if title != "here"]
    lines = [[HEADER[n] for n in keep], ["---"] * len(keep), *([r[n] for n in keep] for r in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def facts(info: BackboneInfo, frame_pixels: tuple[int, int]) -> dict[str, Any]:
    """One backbone: what it is, where it lies, what it costs."""
    known: dict[str, Any] = {
        "name": info.name,
        "hub": info.hub,
        "summary": info.summary,
        "licence": info.licence,
        "parameters": info.parameters,
        "download_bytes": info.download_bytes,
        "on_disk": info.on_disk,
        "place": info.place,
        "folder": str(info.folder),
    }
    return known | _cost(info, frame_pixels)


def _cost(info: BackboneInfo, frame_pixels: tuple[int, int]) -> dict[str, Any]:
    shape, layer = info.shape, middle_layer(info.shape)
    whole = count_segment(shape, frame_pixels=frame_pixels)
    cut = count_segment(shape, layer=layer, frame_pixels=frame_pixels)
    return {
        "layers": shape.layer_count,
        "width": shape.width,
        "layer": layer,
        "weight_bytes": _weights(shape, layer),
        "visual_tokens": whole.visual_tokens,
        "positions": whole.positions,
        "flops": {"to_layer": cut.flops, "whole": whole.flops},
    }


def _weights(shape: Shape | LiteShape, layer: int) -> dict[str, int]:
    """Bytes by number format; lite runs in float32 only."""
    if isinstance(shape, LiteShape):
        return {
            "float32": weight_bytes(shape, number_bytes=4),
            "float32_to_layer": weight_bytes(shape, layer=layer, number_bytes=4),
        }
    return {
        "bf16": weight_bytes(shape),
        "fp8": weight_bytes(shape, fp8=True),
        "bf16_to_layer": weight_bytes(shape, layer=layer),
        "fp8_to_layer": weight_bytes(shape, layer=layer, fp8=True),
    }


def _cells(known: dict[str, Any]) -> Sequence[str]:
    count = known["parameters"]
    size = f"{count / 1e9:.2f} B" if count >= 1e9 else f"{count / 1e6:.0f} M"
    here = {None: "no", "hiprobe": "yes"}.get(known["place"], str(known["place"]))
    memory, flops = known["weight_bytes"], known["flops"]
    return (
        known["name"],
        here,
        size,
        _gigabytes(memory["bf16"]) if "bf16" in memory else f"{_gigabytes(memory['float32'])} *",
        _gigabytes(memory["fp8"]) if "fp8" in memory else "-",
        str(known["visual_tokens"]),
        _tera(flops["to_layer"]),
        _tera(flops["whole"]),
        known["licence"],
    )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f}"


def _tera(flops: int) -> str:
    return f"{flops / 1e12:.1f}" if flops >= 1e11 else f"{flops / 1e12:.3f}"
