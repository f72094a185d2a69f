"""`hiprobe extract`: hidden states as files, which fit and detect take in place of videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli import options

if TYPE_CHECKING:
    from hiprobe.states import Reading


@click.command()
@click.argument("videos", nargs=-1, required=True, metavar="VIDEO|FOLDER|GLOB|CSV...")
@options.out("hiprobe-states")
@click.option(
    "--layers",
    metavar="LIST",
    default="all",
    show_default=True,
    help="Layers to keep: all, or numbers and ranges such as 1,12-20 (0 = embeddings).",
)
@options.reading(several=True)
@options.how_to_read()
def extract(
    videos: tuple[str, ...],
    out: Path,
    layers: str,
    readings: tuple[Reading, ...],
    how: options.SessionOptions,
) -> None:
    """Write the hidden states of videos as safetensors, one file for each, with a manifest.

    VIDEO is a file, a folder, a pattern, or a CSV of labelled clips. Each file of states holds
    one row per segment and one over the whole clip; states.parquet lists every row with its
    times. Everything after it runs without a model: `hiprobe fit` and `hiprobe detect` take
    the files, or the folder, in place of videos. Files that are there already are not made again.

    \b
    Examples:
      hiprobe extract camera.mp4
      hiprobe extract clips/ -o states/ --layers 1-30 --reading last --reading visual_mean
      hiprobe extract clips.csv -o states/   # then: hiprobe fit states/
    """
    from hiprobe.cli.extracting import extract_all

    extract_all(videos, out=out, layers=layers, readings=readings, how=how)
