"""`hiprobe data subset`: draw labelled clips by seed."""

from __future__ import annotations

from pathlib import Path

import click

from hiprobe.cli import options
from hiprobe.cli.numbers import Number
from hiprobe.cli.terminal import echo


@click.command("subset")
@click.argument("manifest", type=click.Path(exists=True, path_type=Path))
@click.option("--fraction", type=Number(0, 1, low_open=True), default=0.01,
              show_default=True, help="How much of the split.")  # fmt: skip
@options.seed
@click.option("--split", help="Draw from this split [default: train, or all without splits].")
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    default="subset.csv", show_default=True, help="Write here, as .csv or .parquet.",
)  # fmt: skip
def subset(manifest: Path, fraction: float, seed: int, split: str | None, out: Path) -> None:
    """Draw labelled clips from MANIFEST by seed, stratified by class.

    The result is a manifest itself, and CLIPS of `hiprobe fit`.

    \b
    Examples:
      hiprobe data subset ucf.parquet --fraction 0.01 --seed 0 -o subset.csv
      hiprobe fit subset.csv -o my-probe
    """
    from hiprobe.cli.checking import print_classes
    from hiprobe.datasets.manifest import read_manifest, write_manifest
    from hiprobe.datasets.subset import draw_subset

    drawn = draw_subset(read_manifest(path=manifest), fraction=fraction, seed=seed, split=split)
    write_manifest(drawn, path=out)
    print_classes(drawn)
    echo(f"{out}: {len(drawn.rows)} videos, {drawn.note}")
