"""`hiprobe detect`: find abnormal events in videos with a fitted probe."""

from __future__ import annotations

from pathlib import Path

import click

from hiprobe.cli import options
from hiprobe.cli.formats import formats as output_formats
from hiprobe.cli.numbers import MAX_KAPPA, MAX_SCORE, MAX_SIGMA, Number


@click.command()
@click.argument("probe", type=click.Path(path_type=Path))
@click.argument("videos", nargs=-1, required=True, metavar="VIDEO|STATES|FOLDER|GLOB...")
@options.out("hiprobe-results")
@output_formats
@click.option("--explain", is_flag=True, help="Let the model describe events, beside normal ones.")
@click.option(
    "--threshold",
    type=Number(-MAX_SCORE, MAX_SCORE),
    help="Threshold on the smoothed score [default: T].",
)
@click.option(
    "--kappa",
    type=Number(-MAX_KAPPA, MAX_KAPPA),
    help="T = mean + kappa x std of the few-shot scores.",
)
@click.option("--sigma", type=Number(0, MAX_SIGMA), help="Smoothing, in segments.")
@click.option("--clips", is_flag=True, help="Save each event as a clip of its own.")
@options.how_to_read(with_prompt=False)
def detect(
    probe: Path,
    videos: tuple[str, ...],
    out: Path,
    formats: tuple[str, ...],
    explain: bool,
    threshold: float | None,
    kappa: float | None,
    sigma: float | None,
    clips: bool,
    how: options.SessionOptions,
) -> None:
    """Score videos and list their abnormal events.

    Takes files, folders and globs, or states extracted before. Results are named after each
    video; a second video of that name gets a number, and keeps it. In folders and globs, files
    that HiProbe wrote are passed over. A file that cannot be read is listed at the end and in
    hiprobe-run.json; the exit code is then 3, and the other files are done. An interrupted run
    resumes when started again.

    \b
    Examples:
      hiprobe detect my-probe camera.mp4
      hiprobe detect my-probe recordings/ -o results --format json,html --explain
      hiprobe detect my-probe 'day-*.mp4' --kappa 0.5 --clips
    """
    from hiprobe.cli.detect_settings import Scoring, Wanted
    from hiprobe.cli.detecting import Detection

    wanted = Wanted(out=out, formats=formats, explain=explain, clips=clips)
    run = Detection.prepare(
        probe,
        videos,
        wanted=wanted,
        scoring=Scoring(threshold=threshold, kappa=kappa, sigma=sigma),
        how=how,
    )
    run.all()
