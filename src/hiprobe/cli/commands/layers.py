"""`hiprobe layers`: the paper's Figures 2 to 4 on one's own clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli import options

if TYPE_CHECKING:
    from hiprobe.states import Reading


@click.command()
@click.argument("clips", type=click.Path(path_type=Path))
@options.out("hiprobe-layers")
@options.normal
@options.split
@options.reading()
@options.seed
@options.how_to_read()
def layers(
    clips: Path,
    out: Path,
    normal: tuple[str, ...],
    split: str | None,
    reading: Reading,
    seed: int,
    how: options.SessionOptions,
) -> None:
    """Measure every layer on labelled clips, and draw it.

    KL, LDR, entropy, S(l), silhouette and cross-validated AUC per layer, and t-SNE maps of the
    first, the chosen and the last layer. A clip that cannot be used is listed at the end and in
    layers.json; the exit code is then 3, and the others are measured.

    \b
    Examples:
      hiprobe layers clips/
      hiprobe layers clips.csv -o figures --reading visual_mean
    """
    from hiprobe.cli.fit_settings import FitSettings
    from hiprobe.cli.fitting import Fitting
    from hiprobe.cli.measuring import measure_layers

    run = Fitting.prepare(
        clips,
        add=None,
        normal=normal,
        split=split,
        settings=FitSettings(readings=(reading,), seed=seed),
        how=how,
    )
    measure_layers(run, out)
    run.failures.finish()
