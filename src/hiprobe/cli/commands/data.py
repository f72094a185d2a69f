"""`hiprobe data`: which data sets there are, get one, check it, draw a part of it."""

from __future__ import annotations

from pathlib import Path

import click

from hiprobe.cli import options


@click.group()
def data() -> None:
    """Get and check data sets, and draw labelled clips from them.

    A checked set is one table, its manifest: which video, of which split and class, with how many
    frames, abnormal from when to when.
    """


@data.command(name="list")
def list_() -> None:
    """List the data sets that can be checked, and what the package knows of each.

    \b
    Examples:
      hiprobe data list
    """
    from hiprobe.cli.checking import list_rows
    from hiprobe.cli.text import print_table

    print_table(("name", "train", "val", "test", "spans in the package", "title"), list_rows())


@data.command()
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
    from hiprobe.datasets.catalog import known_set
    from hiprobe.datasets.check import check_dataset
    from hiprobe.datasets.manifest import check_suffix, write_manifest

    if out is not None:
        check_suffix(out)
    with progress_bar(f"checking {known_set(name).name}", quiet=quiet) as listener:
        found = check_dataset(
            name, root, quick=quick, spans=spans, end=end, splits=splits, progress=listener,  # type: ignore[arg-type]
        )  # fmt: skip
    print_report(found, limit=None if everything else 10)
    if report is not None:
        _write_report(found.to_json(), report)
    if out is not None and found.manifest is not None:
        write_manifest(found.manifest, path=out)
        click.echo(f"{out}: {len(found.manifest.rows)} videos")
    click.get_current_context().exit(found.exit_code)


@data.command()
@click.argument("manifest", type=click.Path(exists=True, path_type=Path))
@click.option("--fraction", type=click.FloatRange(0, 1, min_open=True), default=0.01,
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
    click.echo(f"{out}: {len(drawn.rows)} videos, {drawn.note}")


@data.command()
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
        click.echo(how_to_get(known, folder))
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
        click.echo(f"{folder / 'manifest.csv'}: {len(found.manifest.rows)} videos")
    click.get_current_context().exit(found.exit_code)


@data.command()
@click.argument("manifest", type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    required=True, help="Folder for the videos and their manifest.csv.",
)  # fmt: skip
@options.quiet
def pack(manifest: Path, out: Path, quiet: bool) -> None:
    """Write the picture folders of MANIFEST as video files.

    Some sets come as one picture for each frame. The other commands read video files; this makes
    one of each folder, frame for frame, with a manifest beside them.

    \b
    Examples:
      hiprobe data check shanghaitech /data/shanghaitech -o pictures.csv
      hiprobe data pack pictures.csv -o shanghaitech-videos/
    """
    from hiprobe.cli.progress import progress_bar
    from hiprobe.datasets.manifest import read_manifest, write_manifest
    from hiprobe.datasets.pack import pack_manifest

    with progress_bar("packing", quiet=quiet) as listener:
        packed = pack_manifest(read_manifest(path=manifest), folder=out, progress=listener)
    write_manifest(packed, path=out / "manifest.csv")
    click.echo(f"{out / 'manifest.csv'}: {len(packed.rows)} videos")


def _write_report(document: dict[str, object], path: Path) -> None:
    import json

    from hiprobe.store.atomic import atomic_path

    with atomic_path(path) as temporary:
        text = json.dumps(document, indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
