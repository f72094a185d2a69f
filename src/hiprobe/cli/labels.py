"""`hiprobe labels`: export the labels of a review, or import them into one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli.console import echo, say
from hiprobe.cli.events import opened_review, results_option, reviewer_name
from hiprobe.cli.named_files import clips_of, digest_of, settled
from hiprobe.cli.option_types import LocalPath
from hiprobe.cli.run_files import Failures
from hiprobe.cli.session import SessionOptions
from hiprobe.errors import LabelError, UsageError
from hiprobe.names import shown

if TYPE_CHECKING:
    from hiprobe.datasets.clips import LabelledClip
    from hiprobe.failures import Failure
    from hiprobe.probe import Probe

# Written out, since help texts are shown without loading the review; a test compares them.
EXPORT_NAMES = ("json", "csv", "activitynet", "fiftyone", "cvat", "labelstudio", "clips")


@click.group()
def labels() -> None:
    """Export the labels of a review, or import them.

    \b
    Examples:
      hiprobe labels export labels.json
      hiprobe labels import labels.json --results other-results
    """


@labels.command("export")
@click.argument("file", type=LocalPath(folder=False))
@click.option(
    "--format",
    "name",
    type=click.Choice(EXPORT_NAMES),
    help="json can be imported, csv is for spreadsheets, activitynet for action tools; "
    "fiftyone, cvat and labelstudio are ZIPs for these tools, and clips is a ZIP of the labelled "
    "stretches as MP4 [default: json or csv, by the file's ending].",
)
@results_option()
def export_labels(file: Path, name: str | None, results: Path) -> None:
    """Write all labels and events into FILE.

    Formats that need the videos leave out those that cannot be read, and name them.

    \b
    Examples:
      hiprobe labels export labels.json
      hiprobe labels export labels.csv --results results
      hiprobe labels export for-cvat.zip --format cvat
    """
    from hiprobe.review.exports import LibraryExports

    chosen = name or file.suffix.lower().removeprefix(".")
    if name is None and chosen not in ("json", "csv"):
        raise UsageError(f"{file} ends in neither .json nor .csv; choose a format with --format")
    with opened_review(results) as library:
        left_out = LibraryExports(library).write(chosen, file)
        count = len(library.labels())
    say(f"wrote {shown(file)}: {count} {'label' if count == 1 else 'labels'}")
    failures = Failures()
    for one in left_out:
        failures.add(one.video, one.reason)
    failures.finish()


@labels.command("import")
@click.argument("file", type=LocalPath(exists=True, folder=False))
@click.option("--reviewer", help="Who imports them; labels keep the names they carry.")
@results_option()
def import_labels(file: Path, reviewer: str | None, results: Path) -> None:
    """Take the labels of FILE into a review; those that it has already stay as they are.

    Videos are known again by their content.

    \b
    Examples:
      hiprobe labels import labels.json --results other-results
    """
    from hiprobe.documents.checked import read_json

    try:
        document = read_json(file, names=True)
    except ValueError as error:
        raise UsageError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(
            f"{file} is not an export of labels; give one that `hiprobe labels export` wrote"
        )
    with opened_review(results) as library:
        count = library.import_labels(document, reviewer_name(reviewer))
    echo(f"{count} new {'label' if count == 1 else 'labels'}")


def clips_with_labels(
    path: Path | None,
    review: Path | None,
    *,
    known: Probe | None,
    normal: Sequence[str],
    split: str | None,
    how: SessionOptions,
) -> tuple[tuple[LabelledClip, ...], tuple[Failure, ...]]:
    """Labelled clips for a fit, with those of a review.

    Args:
        path: a folder or a table of clips; None to fit on the review's labels alone.
        review: a folder of results with labels; None for none.
        known: the probe that is extended; None for a new one.
        normal: names of the normal classes; empty to recognise them.
        split: rows of a table to take; see `read_clips`.
        how: whether the cache is used, and whether to print what was taken.

    Returns:
        The clips, and the videos of the review whose labels were left out.

    Raises:
        LabelError: as `read_clips`, the same content under two labels, or clips of one kind only.
        UsageError: the review has no labels, or neither clips nor a review were given.
    """
    cached, quiet, new = how.cached, how.quiet, known is None
    if review is None:
        if path is None:
            raise UsageError("give labelled clips, or the labels of a review with --labels")
        clips = clips_of(
            path, normal=normal, split=split, cached=cached, quiet=quiet, both_kinds=new
        )
        return clips, ()
    from hiprobe.datasets.clips import LabelledClips, read_labelled
    from hiprobe.review.labels_as_clips import KnownClips, with_labels

    found = LabelledClips(())
    if path is not None:
        found = read_labelled(path, normal=normal, split=split, both_kinds=False)
    told = KnownClips(normal=frozenset(normal))
    if known is not None:
        told = told.with_probe(known)
    joined = with_labels(found, review, known=told, digest=digest_of(cached=cached))
    # Checked together: one of the two sources may well hold one kind only.
    kinds = {clip.label for clip in joined.clips.clips}
    if new and kinds != {0, 1}:
        there = "normal" if kinds == {0} else "abnormal"
        raise LabelError(
            f"all clips and labels are {there}; a probe needs both kinds: label some of the other "
            "in the review, or give clips of it"
        )
    settled_clips = settled(joined.clips, cached=cached, tell=None if quiet else say)
    return settled_clips, joined.failures
