"""`hiprobe data check`: look at every video of a data set."""

from __future__ import annotations

from pathlib import Path

import click

from hiprobe.cli import options
from hiprobe.cli.terminal import echo


@click.command("check")
@click.argument("name")
@click.argument("root", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write the manifest here, as .csv or .parquet.",
)  # fmt: skip
@click.option("--quick", is_flag=True, help="Count packets instead of decoding every frame.")
@click.option("--spans", metavar="SET", help="Spans: official or alternative (UCF-Crime).")
@click.option(
    "--end",
    type=click.Choice(["inclusive", "half-open"]),
    help="Whether a span's end frame is abnormal [default: the data set's own].",
)
@click.option(
    "--split",
    "splits",
    type=click.Choice(["train", "val", "test"]),
    multiple=True,
    help="Look at this split only; may be given several times.",
)
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write everything that was found here, as JSON.",
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Print every finding, not ten of a kind.")
@options.quiet
def check(
    name: str,
    root: Path,
    out: Path | None,
    quick: bool,
    spans: str | None,
    end: str | None,
    splits: tuple[str, ...],
    report: Path | None,
    everything: bool,
    quiet: bool,
) -> None:
    """Check the data set NAME in the folder ROOT, and write its manifest.

    Files are found by name at any depth. Every video is decoded, its frames are counted and
    compared with the published ones; missing and damaged files, copies, and near-duplicates
    across splits are named. An interrupted check goes on where it was, and a second one reads
    changed files only.

    \b
    Exit codes: 0 all is well; 12 something is missing or cannot be read; 14 a video is in two
    splits; 13 counts differ. The gravest counts; the manifest is written in all of these cases.

    \b
    Examples:
      hiprobe data check ucf-crime /data/UCF_Crimes -o ucf.parquet
      hiprobe data check ucf-crime /data/UCF_Crimes --spans alternative -o ucf-alt.csv --quick
      hiprobe data check folder my-cameras/ -o mine.csv
    """
    from hiprobe.cli.checking import print_report
    from hiprobe.cli.progress import progress_bar
    from hiprobe.cli.text import say
    from hiprobe.datasets.catalog import known_set
    from hiprobe.datasets.check import check_dataset
    from hiprobe.datasets.manifest import check_suffix, write_manifest

    if out is not None:
        check_suffix(out)
    with progress_bar(f"checking {known_set(name).name}", quiet=quiet) as listener:
        found = check_dataset(
            name, root, quick=quick, spans=spans, end=end, splits=splits, progress=listener,  # type: ignore[arg-type]
            say=None if quiet else say,
        )  # fmt: skip
    print_report(found, limit=None if everything else 10)
    if report is not None:
        _write_report(found.to_json(), report)
    if out is not None and found.manifest is not None:
        write_manifest(found.manifest, path=out)
        echo(f"{out}: {len(found.manifest.rows)} videos")
    click.get_current_context().exit(found.exit_code)


def _write_report(document: dict[str, object], path: Path) -> None:
    from hiprobe.store.text_files import json_text, write_text

    write_text(path, json_text(document, indent=2) + "\n")
