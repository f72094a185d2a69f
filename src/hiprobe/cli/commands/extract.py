"""`hiprobe extract`: hidden states as files, which fit and detect take in place of videos."""

from __future__ import annotations

from pathlib import Path

import click

from hiprobe.cli import options


@click.command()
@click.argument("videos", nargs=-1, required=True, metavar="VIDEO|FOLDER|GLOB...")
@options.out("hiprobe-states")
@options.backbone
@options.prompt
@click.option(
    "--layers",
    metavar="LIST",
    default="all",
    show_default=True,
    help="Layers to keep: all, or numbers and ranges such as 1,12-20 (0 = embeddings).",
)
@click.option(
    "--reading",
    "readings",
    type=click.Choice(["last", "visual_mean", "prompt_mean"]),
    multiple=True,
    default=("last",),
    show_default=True,
    help="Where a layer is read; may be given several times.",
)
@options.segment_seconds
@options.no_cache
@options.quiet
def extract(
    videos: tuple[str, ...],
    out: Path,
    backbone: str | None,
    prompt: str | None,
    layers: str,
    readings: tuple[str, ...],
    segment_seconds: float | None,
    no_cache: bool,
    quiet: bool,
) -> None:
    """Write the hidden states of videos as safetensors, one file for each.

    Each file holds one row per segment and one over the whole clip. Everything after it runs
    without a model: `hiprobe fit` and `hiprobe detect` take these files in place of videos.

    \b
    Examples:
      hiprobe extract camera.mp4
      hiprobe extract clips/ -o states/ --layers 1-30 --reading last --reading visual_mean
    """
    from hiprobe.cli.failures import Failures
    from hiprobe.cli.inputs import expand_videos, parse_layers, result_names
    from hiprobe.cli.session import open_session
    from hiprobe.store.states_file import write_states

    files, failures = expand_videos(videos), Failures()
    session = open_session(
        backbone=backbone, prompt=prompt, segment_seconds=segment_seconds, cached=not no_cache,
        quiet=quiet,
    )  # fmt: skip
    chosen = parse_layers(layers, layer_count=session.backbone.layer_count)
    for file, name in zip(files, result_names(files), strict=True):
        with failures.of(file):
            states = session.extract(file, layers=chosen, readings=readings)
            target = out / f"{name}.safetensors"
            write_states(target, states, notes={"video": file.name})
            click.echo(str(target))
    failures.finish()
