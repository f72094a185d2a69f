"""Experiments as the command line runs them: data named, progress shown, results listed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from hiprobe.cli.failures import Failures
from hiprobe.cli.options import SessionOptions
from hiprobe.cli.progress import progress_bar
from hiprobe.cli.session import default_cache
from hiprobe.cli.terminal import echo
from hiprobe.cli.text import print_table, say
from hiprobe.probe import Mode
from hiprobe.reproduce.extraction import Extraction
from hiprobe.reproduce.page import write_page
from hiprobe.reproduce.registry import EXPERIMENTS
from hiprobe.reproduce.request import DataSource, Request
from hiprobe.reproduce.run import chosen_experiments, run_experiments
from hiprobe.reproduce.writer import MARKDOWN_NAME
from hiprobe.states import Reading


@dataclass(frozen=True)
class Reproduction:
    """One run of experiments."""

    request: Request
    extraction: Extraction
    quiet: bool

    @classmethod
    def of(
        cls,
        paths: Sequence[Path],
        *,
        normal: Sequence[str],
        out: Path,
        readings: tuple[Reading, ...],
        mode: Mode | Literal["auto"],
        seeds: tuple[int, ...],
        folds: int,
        draws: int,
        labelled_share: float,
        how: SessionOptions,
    ) -> Reproduction:
        """Name the data sets and prepare the extraction; nothing is decoded yet.

        Raises:
            UsageError: no data, or a setting out of its range.
        """
        request = Request(
            data=name_data(paths, normal=normal),
            out=out,
            backbone=how.backbone,
            readings=readings,
            mode=mode,
            seeds=seeds,
            folds=folds,
            draws=draws,
            segment_seconds=how.segment_seconds,
            labelled_share=labelled_share,
        )
        extraction = Extraction(
            request,
            partial(request.backbone.open, say=None if how.quiet else say),
            default_cache() if how.cached else None,
            partial(progress_bar, quiet=how.quiet),
            tell=_nothing if how.quiet else say,
        )
        return cls(request, extraction, how.quiet)

    def run(self, names: Sequence[str]) -> Failures:
        """Run, and say what was written; returns the files that could not be read."""
        chosen = chosen_experiments(names, data_sets=len(self.request.data))
        tell = _nothing if self.quiet else say
        for result in run_experiments(chosen, self.extraction, say=tell):
            page = self.request.out / result.name / MARKDOWN_NAME
            echo(page.read_text(encoding="utf-8"))
            tell(f"wrote {page.parent} ({result.seconds:.0f} s)")
        failures = Failures()
        for failure in self.extraction.failures:
            failures.add(failure.video, failure.reason)
        return failures


def name_data(paths: Sequence[Path], *, normal: Sequence[str]) -> tuple[DataSource, ...]:
    """Data sets named after their folder or table; `manifest.csv` after the folder it lies in."""
    found: list[DataSource] = []
    for path in paths:
        own = Path(os.path.abspath(path))  # noqa: PTH100 - ".." is no name for a folder
        plain = own.parent.name if own.stem == "manifest" else own.stem
        taken = {d.name for d in found}
        names = (plain, *(f"{plain}-{n}" for n in range(2, len(paths) + 2)))
        found.append(DataSource(next(n for n in names if n not in taken), path, tuple(normal)))
    return tuple(found)


def list_experiments() -> None:
    """What can be run."""
    rows = [(e.name, e.title, "" if e.in_all else "by name only") for e in EXPERIMENTS]
    print_table(("experiment", "what it shows", ""), rows)


def write_docs(folders: Sequence[Path], page: Path, *, quiet: bool) -> None:
    """Join results to a page."""
    joined = write_page(folders, page)
    if not quiet:
        say(f"wrote {page}: {', '.join(joined)}")


def _nothing(line: str) -> None:
    return None
