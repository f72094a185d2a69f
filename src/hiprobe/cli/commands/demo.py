"""`hiprobe demo`: the whole job once, on rendered scenes or on labelled clips of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from hiprobe.backbones.spec import BackboneSpec
from hiprobe.cli import options


@click.command()
@click.option(
    "--clips",
    type=click.Path(exists=True, path_type=Path),
    metavar="FOLDER|CSV",
    help="Labelled clips [default: rendered scenes, which say nothing about real cameras].",
)
@options.normal
@options.out("hiprobe-demo")
@options.how_opened(options.backbone, options.prompt, *options.numbers)
@options.seed
@options.quiet
def demo(
    clips: Path | None,
    normal: tuple[str, ...],
    out: Path,
    spec: BackboneSpec,
    seed: int,
    quiet: bool,
) -> None:
    """Fit on a handful of clips and detect in an untrimmed video of unseen sources.

    With --clips, some sources are kept from fitting and their clips joined to one video, with as
    many cuts between normal clips as at events. The folder then holds the probe, the events as
    JSON and CSV, the score curve beside the truth, the annotated video, the chart of layers and
    a report.

    \b
    Examples:
      hiprobe demo
      hiprobe demo --clips clips.csv --out try
    """
    from hiprobe.cli.demonstrating import demonstrate

    demonstrate(clips, normal=normal, out=out, backbone=spec, seed=seed, quiet=quiet)
