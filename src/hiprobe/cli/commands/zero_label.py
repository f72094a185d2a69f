"""`hiprobe zero-label`: score videos by the backbone alone, to compare a probe with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli import options
from hiprobe.cli.formats import formats as output_formats
from hiprobe.cli.numbers import MAX_SCORE, MAX_SIGMA, Number

if TYPE_CHECKING:
    from hiprobe.zero_label import Method

METHOD_NAMES = ("first-token", "decoded", "heads")
"""The methods of `hiprobe.zero_label`, which is not loaded for a help text."""


@click.command("zero-label")
@click.argument("videos", nargs=-1, required=True, metavar="VIDEO|FOLDER|GLOB...")
@click.option(
    "--method",
    type=click.Choice(METHOD_NAMES),
    default="first-token",
    show_default=True,
    help="P(yes) of the first answer token, the number that the model says, or attention heads.",
)
@click.option(
    "--choose-on",
    type=click.Path(path_type=Path),
    metavar="FOLDER|CSV",
    help="Labelled clips on which heads are chosen and weighed; for the method heads only.",
)
@options.normal
@options.out("hiprobe-zero-label")
@output_formats
@click.option(
    "--threshold",
    type=Number(-MAX_SCORE, MAX_SCORE),
    help="Threshold on the smoothed score [default: 0.5].",
)
@click.option("--sigma", type=Number(0, MAX_SIGMA), help="Smoothing, in segments.")
@options.how_to_read(with_prompt=False)
def zero_label(
    videos: tuple[str, ...],
    method: Method,
    choose_on: Path | None,
    normal: tuple[str, ...],
    out: Path,
    formats: tuple[str, ...],
    threshold: float | None,
    sigma: float | None,
    how: options.SessionOptions,
) -> None:
    """Score videos by what the backbone says, without a probe: baselines to compare with.

    first-token asks two Yes-or-No questions and compares with a blank clip; decoded asks for a
    number from 0 to 1 (an answer without one has no score, and is counted); heads reads the
    attention heads that tell abnormal from normal best and most stably over prompts. The first
    two use no labels. heads is chosen on labelled clips, as a probe is fitted on them.

    Results are those of `hiprobe detect`. `hiprobe reproduce zero-label` compares all of them with
    the probe on labelled clips.

    \b
    Examples:
      hiprobe zero-label camera.mp4
      hiprobe zero-label recordings/ --method decoded --threshold 0.7
      hiprobe zero-label camera.mp4 --method heads --choose-on clips/
    """
    from hiprobe.cli.zero_labelling import Asked, ZeroLabelRun

    asked = Asked(method, choose_on, normal, threshold, sigma)
    ZeroLabelRun.prepare(videos, asked=asked, out=out, formats=formats, how=how).all()
