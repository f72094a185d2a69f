"""`hiprobe reproduce`: the paper's tables and figures, and the questions around them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli import options
from hiprobe.cli.numbers import MAX_DRAWS, MAX_SEED, Number, Whole

if TYPE_CHECKING:
    from hiprobe.probe import Mode
    from hiprobe.states import Reading


@click.command()
@click.argument("experiments", nargs=-1, metavar="EXPERIMENT...")
@click.option(
    "--data",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER|CSV",
    help="Labelled clips, as `fit` takes them, or a manifest; several for comparisons.",
)
@click.option("--list", "listed", is_flag=True, help="Show what there is, and stop.")
@options.normal
@options.out("hiprobe-reproduce", unless="listed")
@options.reading(several=True)
@click.option(
    "--mode",
    type=click.Choice(["auto", "clip", "segment_mean", "segment", "mil"]),
    default="clip",
    show_default=True,
    help="What probes are fitted on; auto chooses inside each training fold, and takes longer.",
)
@click.option("--seeds", type=Whole(1, 10_000), default=5, show_default=True, help="How many.")
@click.option(
    "--first-seed",
    type=Whole(0, MAX_SEED - 10_000),
    default=0,
    show_default=True,
    help="The others follow it one by one.",
)
@click.option(
    "--folds",
    type=Whole(2, 10_000),
    default=8,
    show_default=True,
    help="Of the cross-validation, grouped by source.",
)
@click.option(
    "--draws",
    type=Whole(1, MAX_DRAWS),
    default=1000,
    show_default=True,
    help="Bootstrap draws of sources for the intervals.",
)
@click.option(
    "--labelled-share",
    type=Number(0, 1, low_open=True),
    default=0.01,
    show_default=True,
    help="Part of the training split that is labelled, where a data set has a test split.",
)
@click.option(
    "--docs",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PAGE",
    help="Join all results in --out to this Markdown page.",
)
@click.option(
    "--join",
    multiple=True,
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    metavar="FOLDER",
    help="More results of other runs for --docs.",
)
@options.how_to_read()
def reproduce(
    experiments: tuple[str, ...],
    data: tuple[Path, ...],
    listed: bool,
    normal: tuple[str, ...],
    out: Path,
    readings: tuple[Reading, ...],
    mode: Mode,
    seeds: int,
    first_seed: int,
    folds: int,
    draws: int,
    labelled_share: float,
    docs: Path | None,
    join: tuple[Path, ...],
    how: options.SessionOptions,
) -> None:
    """Run the paper's tables and figures on labelled clips: `all`, or some by name.

    All experiments of a run share one pass over the videos; its states are cached. Each leaves
    a folder with its table (Markdown, CSV, JSON: the paper's number, ours, interval, protocol,
    seeds, time) and its figures (PNG, SVG). The same command again goes on where it stopped.

    \b
    Examples:
      hiprobe reproduce --list
      hiprobe reproduce table4 --data clips/
      hiprobe reproduce all --data fights.csv --data crashes.csv --docs results.md
    """
    from hiprobe.cli.reproducing import Reproduction, list_experiments, write_docs
    from hiprobe.errors import UsageError

    if listed:
        list_experiments()
        return
    if not experiments and not docs:
        raise UsageError("name an experiment, or all; `hiprobe reproduce --list` shows them")
    failed = None
    if experiments:
        run = Reproduction.of(
            data,
            normal=normal,
            out=out,
            readings=readings,
            mode=mode,
            seeds=tuple(range(first_seed, first_seed + seeds)),
            folds=folds,
            draws=draws,
            labelled_share=labelled_share,
            how=how,
        )
        failed = run.run(experiments)
    if docs is not None:
        write_docs((out, *join), docs, quiet=how.quiet)
    if failed is not None:
        failed.finish()
