"""`hiprobe reproduce`: the paper's tables and figures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli import options
from hiprobe.cli.console import echo, print_table, progress_bar, say, say_nothing
from hiprobe.cli.option_types import MAX_DRAWS, MAX_SEED, Number, Whole
from hiprobe.cli.run_files import Failures
from hiprobe.cli.session import SessionOptions, default_cache

if TYPE_CHECKING:
    from hiprobe.probe import Mode
    from hiprobe.reproduce.request import DataSource, ReproduceRequest
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
@click.option("--list", "listed", is_flag=True, help="List the experiments, and stop.")
@options.normal
@options.out("hiprobe-reproduce", unless="listed")
@options.reading(several=True)
@click.option(
    "--mode",
    type=click.Choice(["auto", "clip", "segment_mean", "segment", "mil"]),
    default="clip",
    show_default=True,
    help="What probes are trained on, as in `fit`; auto chooses inside each training fold and is "
    "slower.",
)
@click.option(
    "--seeds", type=Whole(1, 10_000), default=5, show_default=True, help="How many seeds."
)
@click.option(
    "--first-seed",
    type=Whole(0, MAX_SEED - 10_000),
    default=0,
    show_default=True,
    help="The other seeds count up from this one.",
)
@click.option(
    "--folds",
    type=Whole(2, 10_000),
    default=8,
    show_default=True,
    help="Folds of the cross-validation, grouped by source.",
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
    help="Share of the training split that is labelled, for data sets with a test split.",
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
@options.how_to_read(with_workers=False, with_windows=False)
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
    how: SessionOptions,
) -> None:
    """Run the paper's tables and figures on labelled clips: `all`, or some by name.

    All experiments of a run share one pass over the videos; its states are cached. Each leaves
    a folder with its table (Markdown, CSV, JSON: the paper's number, ours, interval, protocol,
    seeds, time) and its figures (PNG, SVG). The same command again resumes.

    \b
    Examples:
      hiprobe reproduce --list
      hiprobe reproduce table4 --data clips/
      hiprobe reproduce all --data fights.csv --data crashes.csv --docs results.md
    """
    from hiprobe.errors import UsageError

    if listed:
        _list_experiments()
        return
    if not experiments and not docs:
        raise UsageError("name an experiment, or all; `hiprobe reproduce --list` shows them")
    failed = None
    if experiments:
        from hiprobe.reproduce.request import ReproduceRequest

        request = ReproduceRequest(
            data=_name_data(data, normal=normal),
            out=out,
            backbone=how.backbone,
            readings=readings,
            mode=mode,
            seeds=tuple(range(first_seed, first_seed + seeds)),
            folds=folds,
            draws=draws,
            segment_seconds=how.segment_seconds,
            labelled_share=labelled_share,
        )
        failed = _run(experiments, request, how)
    if docs is not None:
        from hiprobe.reproduce.result_pages import write_page

        joined = write_page((out, *join), docs)
        if not how.quiet:
            say(f"wrote {docs}: {', '.join(joined)}")
    if failed is not None:
        failed.finish()


def _list_experiments() -> None:
    from hiprobe.reproduce.request import EXPERIMENTS

    rows = [(e.name, e.title, "" if e.in_all else "by name only") for e in EXPERIMENTS]
    print_table(("experiment", "what it shows", ""), rows)


def _name_data(paths: Sequence[Path], *, normal: Sequence[str]) -> tuple[DataSource, ...]:
    """Data sets named after their folder or table; `manifest.csv` after the folder it lies in."""
    from hiprobe.reproduce.request import DataSource

    found: list[DataSource] = []
    for path in paths:
        own = Path(os.path.abspath(path))  # noqa: PTH100 - ".." is no name for a folder
        # Many sets have a `manifest.csv`, so its name says nothing; its folder's does.
        plain = own.parent.name if own.stem == "manifest" else own.stem
        taken = {d.name for d in found}
        # Two folders may have the same name; results of both must not share one.
        names = (plain, *(f"{plain}-{n}" for n in range(2, len(paths) + 2)))
        found.append(DataSource(next(n for n in names if n not in taken), path, tuple(normal)))
    return tuple(found)


def _run(names: Sequence[str], request: ReproduceRequest, how: SessionOptions) -> Failures:
    """Run the experiments and show each page; returns the files that could not be read."""
    from hiprobe.reproduce.clip_states import Extraction
    from hiprobe.reproduce.result_pages import MARKDOWN_NAME
    from hiprobe.reproduce.run_experiments import chosen_experiments, run_experiments

    tell = say_nothing if how.quiet else say
    extraction = Extraction(
        request,
        partial(request.backbone.open, say=None if how.quiet else say),
        default_cache() if how.cached else None,
        partial(progress_bar, quiet=how.quiet),
        tell=tell,
    )
    chosen = chosen_experiments(names, data_sets=len(request.data))
    for result in run_experiments(chosen, extraction, say=tell):
        page = request.out / result.name / MARKDOWN_NAME
        echo(page.read_text(encoding="utf-8"))
        tell(f"wrote {page.parent} ({result.seconds:.0f} s)")
    failures = Failures()
    for failure in extraction.failures:
        failures.add(failure.video, failure.reason)
    return failures
