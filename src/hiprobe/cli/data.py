"""`hiprobe data`: list, check, fetch, sample and pack data sets."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli import options
from hiprobe.cli.console import echo, print_table
from hiprobe.cli.option_types import LocalPath, Number
from hiprobe.names import shown

if TYPE_CHECKING:
    from hiprobe.datasets.findings import CheckFinding, CheckReport
    from hiprobe.datasets.manifest import Manifest


@contextmanager
def git_progress(*, quiet: bool) -> Iterator[Callable[[str], None] | None]:
    """A function that shows progress on one line; None where nobody watches it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    try:
        # Back to the start of the line, then erase to its end: the line before may be longer.
        yield lambda line: click.echo(f"\r\x1b[K{shown(line)}", nl=False, err=True)
    finally:
        click.echo(err=True)


def list_rows() -> list[tuple[str, ...]]:
    """A row for each known data set."""
    from hiprobe.datasets.known_sets import known_sets

    rows = []
    for known in known_sets():
        counts = [str(known.counts.get(s, "-")) for s in ("train", "val", "test")]
        # The empty name stands for a set that has no splits.
        if "" in known.counts:
            counts = ["-", "-", f"{known.counts['']} in all"]
        spans = f"{known.truth_split} split, as {known.truth}" if known.truth else "none"
        names = " or ".join((known.name, *known.aliases))
        rows.append((names, *counts, spans, known.title))
    return rows


def print_report(report: CheckReport, *, limit: int | None) -> None:
    """Counts, then findings by kind, `limit` of each; faults before remarks; the verdict last."""
    from hiprobe.datasets.findings import KINDS

    _print_counts(report)
    for name, kind in KINDS.items():
        found = report.of(name)
        if found:
            _print_findings(kind.heading, found, limit)
    if report.manifest is not None:
        _print_remarks(report.manifest)
    _print_verdict(report)


def _print_findings(heading: str, found: tuple[CheckFinding, ...], limit: int | None) -> None:
    word = "" if found[0].is_fault else "remark: "
    echo(f"\n{word}{heading}: {len(found)}{_by_split(found)}")
    for f in found[:limit]:
        echo(shown(f"  {f.video}: {f.text}" if f.video not in f.text else f"  {f.text}"))
    if limit is not None and len(found) > limit:
        echo(f"  and {len(found) - limit} more (--all lists them)")
    if found[0].kind == "frames":
        echo(f"  in short: {_in_short(found)}")


def _by_split(found: tuple[CheckFinding, ...]) -> str:
    """How many of the missing videos belong to each split; empty for other findings."""
    # Findings of a missing video begin with its split.
    words = Counter(f.text.split()[0] for f in found if f.text.endswith("of the published list"))
    return f" ({', '.join(f'{n} {split}' for split, n in words.items())})" if words else ""


def _print_remarks(manifest: Manifest) -> None:
    rows = manifest.rows
    pictures = sum(r.video.is_dir() for r in rows)
    if pictures:
        echo(
            f"\n{pictures} videos are folders of pictures; `hiprobe data pack` makes video files "
            "of them, which the other commands read"
        )
    # Training splits of known sets are labelled by video; that is no fault.
    if any(r.label for r in rows) and not any(r.spans for r in rows):
        echo(
            "\nno abnormal frames are known here: the videos can be fitted on and tested as whole "
            "clips; frame-level metrics need spans"
        )
    spans = manifest.span_set
    if any(r.spans for r in rows):
        end = "included" if manifest.end == "inclusive" else "not included"
        echo(f"\nspans: {spans}, end frames {end}; half-open from 0 in the manifest")


def _print_verdict(report: CheckReport) -> None:
    from hiprobe.datasets.findings import EXIT_WORDS, KINDS

    faults = Counter(f.kind for f in report.findings if f.is_fault)
    total = sum(faults.values())
    how = "packets counted, not every frame decoded" if report.quick else "every frame decoded"
    kinds = ", ".join(f"{KINDS[kind].short} ({n})" for kind, n in faults.items())
    number = "1 fault" if total == 1 else f"{total} faults"
    echo(f"\n{f'{number}: {kinds}' if total else 'no faults'} ({how})")
    if report.exit_code:
        echo(f"exit code {report.exit_code}: {EXIT_WORDS[report.exit_code]}")


def print_classes(manifest: Manifest) -> None:
    """Videos by class."""
    counts = Counter((r.label, r.class_name) for r in manifest.rows)
    rows = [
        (name, "anomalous" if label else "normal", str(n))
        for (label, name), n in sorted(counts.items())
    ]
    print_table(("class", "kind", "videos"), rows)


def _print_counts(report: CheckReport) -> None:
    splits = [
        s for s in ("train", "val", "test", "") if s in report.counts or s in report.published
    ]
    rows = []
    for split in splits:
        own = [r for r in (report.manifest.rows if report.manifest else ()) if r.split == split]
        rows.append(
            (
                split or "no split",
                str(report.counts.get(split, 0)),
                str(report.published.get(split, "-")),
                str(sum(not r.label for r in own)),
                str(sum(r.label for r in own)),
                str(sum(bool(r.spans) for r in own)),
                f"{sum((r.frame_count or 0) / r.fps for r in own if r.fps) / 3600:.2f}",
                str(sum(r.frame_count or 0 for r in own)),
                str(sum(b - a for r in own for a, b in r.spans)),
            )
        )
    head = ("split", "videos", "published", "normal", "anomalous", "with spans", "hours", "frames")
    print_table((*head, "abnormal frames"), rows)
    places = ", ".join(f"{shown(name)} ({n})" for name, n in sorted(report.folders.items())[:12])
    more = len(report.folders) - 12
    echo(f"folders: {places}{f' and {more} more' if more > 0 else ''}")


def _in_short(found: tuple[CheckFinding, ...]) -> str:
    """How many videos differ by how many frames, the most frequent differences first.

    A whole set that differs by 1 was counted in another way, and is not damaged.
    """
    steps = Counter(m[1] for f in found if (m := re.search(r"\(([+-]\d+)\)", f.text)))
    return ", ".join(f"{n} by {step}" for step, n in steps.most_common(5))


@click.command("check")
@click.argument("name")
@click.argument("root", type=LocalPath())
@click.option(
    "-o", "--out", type=LocalPath(folder=False), metavar="FILE",
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
    help="Check only this split; may be given several times.",
)
@click.option(
    "--report", type=LocalPath(folder=False), metavar="FILE",
    help="Write all findings here, as JSON.",
)  # fmt: skip
@click.option(
    "--all", "everything", is_flag=True, help="Print every finding, not only ten of each kind."
)
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

    Files are found by name at any depth. Every video is decoded, and its frame count compared
    with the published one; missing and damaged files, copies, and near-duplicates in two splits
    are listed. An interrupted check resumes, and a second one reads only files that changed.

    \b
    Exit codes: 0 all is well; 12 something is missing or cannot be read; 14 a video is in two
    splits; 13 counts differ. The most serious problem sets the exit code; the manifest is written
    in any case.

    \b
    Examples:
      hiprobe data check ucf-crime /data/UCF_Crimes -o ucf.parquet
      hiprobe data check ucf-crime /data/UCF_Crimes --spans alternative -o ucf-alt.csv --quick
      hiprobe data check folder my-cameras/ -o mine.csv
    """
    from hiprobe.cli.console import progress_bar, say
    from hiprobe.datasets.check_folder import check_dataset
    from hiprobe.datasets.known_sets import known_set
    from hiprobe.datasets.manifest import check_suffix, write_manifest
    from hiprobe.store.text_files import json_text, write_text

    if out is not None:
        check_suffix(out)
    with progress_bar(f"checking {known_set(name).name}", quiet=quiet) as listener:
        found = check_dataset(
            name, root, quick=quick, spans=spans, end=end, splits=splits, progress=listener,  # type: ignore[arg-type]
            say=None if quiet else say,
        )  # fmt: skip
    print_report(found, limit=None if everything else 10)
    if report is not None:
        write_text(report, json_text(found.to_json(), indent=2) + "\n")
    if out is not None and found.manifest is not None:
        write_manifest(found.manifest, path=out)
        echo(f"{out}: {len(found.manifest.rows)} videos")
    click.get_current_context().exit(found.exit_code)


@click.command("get")
@click.argument("name")
@click.option(
    "-o", "--out", type=LocalPath(file=False), metavar="FOLDER",
    help="Folder to write to [default: one named after the data set].",
)  # fmt: skip
@options.quiet
def get(name: str, out: Path | None, quiet: bool) -> None:
    """Get the data set NAME if it is public, else say where to ask for it.

    surveillance-fights (MIT) is cloned from its authors' repository with git and checked. The
    others must be asked for from their authors; the command prints where to ask, and where to put
    the files.

    \b
    Examples:
      hiprobe data get surveillance-fights
      hiprobe data get ucf-crime
    """
    from hiprobe.cli.console import progress_bar, say
    from hiprobe.datasets.check_folder import check_dataset
    from hiprobe.datasets.known_sets import known_set
    from hiprobe.datasets.manifest import write_manifest
    from hiprobe.datasets.transfer import clone, how_to_get
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


@click.command("list")
def listing() -> None:
    """List the data sets that can be checked, and what the package knows about each.

    \b
    Examples:
      hiprobe data list
    """
    from hiprobe.cli.console import print_table

    print_table(("name", "train", "val", "test", "spans in the package", "title"), list_rows())


@click.command("pack")
@click.argument("manifest", type=LocalPath(exists=True))
@click.option(
    "-o", "--out", type=LocalPath(file=False), metavar="FOLDER",
    required=True, help="Folder for the videos and their manifest.csv.",
)  # fmt: skip
@options.quiet
def pack(manifest: Path, out: Path, quiet: bool) -> None:
    """Write the picture folders of MANIFEST as video files.

    Some sets come as one picture for each frame, but the other commands read video files. This
    makes one video of each folder, frame for frame, and a manifest of them.

    \b
    Examples:
      hiprobe data check shanghaitech /data/shanghaitech -o pictures.csv
      hiprobe data pack pictures.csv -o shanghaitech-videos/
    """
    from hiprobe.cli.console import progress_bar
    from hiprobe.cli.process import folder_in_use
    from hiprobe.datasets.manifest import read_manifest, write_manifest
    from hiprobe.datasets.transfer import pack_manifest

    # The manifest is written last: with it the folder is complete.
    with folder_in_use(out):
        with progress_bar("packing", quiet=quiet) as listener:
            packed = pack_manifest(read_manifest(path=manifest), folder=out, progress=listener)
        write_manifest(packed, path=out / "manifest.csv")
    echo(f"{out / 'manifest.csv'}: {len(packed.rows)} videos")


@click.command("subset")
@click.argument("manifest", type=LocalPath(exists=True))
@click.option("--fraction", type=Number(0, 1, low_open=True), default=0.01,
              show_default=True, help="Share of the split to pick.")  # fmt: skip
@options.seed
@click.option("--split", help="Pick from this split [default: train, or all if there are none].")
@click.option(
    "-o", "--out", type=LocalPath(folder=False), metavar="FILE",
    default="subset.csv", show_default=True, help="File to write, .csv or .parquet.",
)  # fmt: skip
def subset(manifest: Path, fraction: float, seed: int, split: str | None, out: Path) -> None:
    """Pick the few clips of MANIFEST to label: a random share of each class.

    The same seed picks the same clips. The result is a manifest too, which `hiprobe fit` takes as
    CLIPS.

    \b
    Examples:
      hiprobe data subset ucf.parquet --fraction 0.01 --seed 0 -o subset.csv
      hiprobe fit subset.csv -o my-probe
    """
    from hiprobe.datasets.manifest import read_manifest, write_manifest
    from hiprobe.datasets.transfer import draw_subset

    # A share of each class: drawn from all, a rare class would often have no clip.
    drawn = draw_subset(read_manifest(path=manifest), fraction=fraction, seed=seed, split=split)
    write_manifest(drawn, path=out)
    print_classes(drawn)
    echo(f"{out}: {len(drawn.rows)} videos, {drawn.note}")


@click.group()
def data() -> None:
    """Get and check data sets, and pick the clips to label.

    Checking a set makes one table of it, its manifest: for each video the split, the class, the
    number of frames, and the stretches that are abnormal.
    """


for _command in (listing, check, subset, get, pack):
    data.add_command(_command)
