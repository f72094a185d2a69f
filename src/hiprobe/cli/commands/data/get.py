"""`hiprobe data get`: clone a public data set, or say where to ask."""

from __future__ import annotations

from pathlib import Path

import click

from hiprobe.cli import options
from hiprobe.cli.terminal import echo


@click.command("get")
@click.argument("name")
@click.option(
    "-o", "--out", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    help="Where to [default: a folder of the set's name].",
)  # fmt: skip
@options.quiet
def get(name: str, out: Path | None, quiet: bool) -> None:
    """Get the data set NAME where it is public, else say where to ask for it.

    surveillance-fights (MIT) is cloned from its authors' repository with git and checked. The
    others are had from their authors; what to place where is printed.

    \b
    Examples:
      hiprobe data get surveillance-fights
      hiprobe data get ucf-crime
    """
    from hiprobe.cli.checking import print_report
    from hiprobe.cli.cloning import git_progress
    from hiprobe.cli.progress import progress_bar
    from hiprobe.cli.text import say
    from hiprobe.datasets.catalog import known_set
    from hiprobe.datasets.check import check_dataset
    from hiprobe.datasets.fetch import clone, how_to_get
    from hiprobe.datasets.manifest import write_manifest
    from hiprobe.settings import offline

    known = known_set(name)
    folder = out or Path(known.name)
    if known.clone is None:
        echo(how_to_get(known, folder))
        return
    if not quiet:
        say(f"cloning {known.clone} ({known.licence}) to {folder}")
    with git_progress(quiet=quiet) as tell:
        clone(known, folder=folder, offline=offline(), tell=tell)
    with progress_bar(f"checking {known.name}", quiet=quiet) as listener:
        found = check_dataset(known.name, folder, progress=listener)
    print_report(found, limit=10)
    if found.manifest is not None:
        write_manifest(found.manifest, path=folder / "manifest.csv")
        echo(f"{folder / 'manifest.csv'}: {len(found.manifest.rows)} videos")
    click.get_current_context().exit(found.exit_code)
