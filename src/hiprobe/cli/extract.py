"""`hiprobe extract`: hidden states of videos as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli import options
from hiprobe.cli.console import progress_bar, say
from hiprobe.cli.options import SessionOptions
from hiprobe.cli.result_names import ResultNames
from hiprobe.cli.run_files import Failures, RunFile
from hiprobe.cli.session import Session, items_to_extract, open_session, parse_layers
from hiprobe.errors import UsageError
from hiprobe.names import shown
from hiprobe.store.text_files import STATES, path_cell, write_table

if TYPE_CHECKING:
    from hiprobe.pipeline.states_folder import Item
    from hiprobe.states import Reading


LABELS_NAME = "manifest.csv"
"""Labels of the extracted clips, under the name by which `fit` finds them in a folder."""


def extract_all(
    named: Sequence[str],
    *,
    out: Path,
    layers: str,
    readings: tuple[Reading, ...],
    how: SessionOptions,
) -> None:
    """Extract the states of every video into `out`; a bad one is listed at the end.

    The tables are written also where the run is interrupted, over what is there by then; so is
    `hiprobe-run.json`, which names what is done and what could not be used.
    """
    _refuse_own_table(named, out)
    told = None if how.quiet else say
    items, failures = items_to_extract(named, out=out, tell=told), Failures()
    session = open_session(how)
    chosen = parse_layers(layers, layer_count=session.backbone.layer_count)
    settings = replace(session.settings, layers=chosen, readings=tuple(dict.fromkeys(readings)))
    session = replace(session, settings=settings)
    run_file = RunFile(out, kind=STATES, hash_of=session.hash_of, say=told, failures=failures)
    is_cut_off = True
    try:
        for number, item in enumerate(items, start=1):
            with failures.of(item.video):
                named_item = _named(item, run_file.names)
                _extract(named_item, out, session, place=f"{number}/{len(items)}")
                run_file.add(item.video, files=[named_item.target(out)])
        is_cut_off = False
    finally:
        _write_tables(_made(items, run_file.names, out), out, failures, quiet=how.quiet)
        run_file.write(failures, interrupted=is_cut_off)
    failures.finish()


def _refuse_own_table(named: Sequence[str], out: Path) -> None:
    """The labels are written as `manifest.csv`; a table of that name there would be lost."""
    labels = (out / LABELS_NAME).resolve()
    tables = [t for n in named for t in (Path(n).expanduser(), Path(n).expanduser() / LABELS_NAME)]
    if any(t.is_file() and t.resolve() == labels for t in tables):
        raise UsageError(
            f"{out / LABELS_NAME} is the table to read from, and would be written over; choose "
            "another folder with --out"
        )


def _named(item: Item, names: ResultNames) -> Item:
    """The item with the name that its states have for good."""
    return replace(item, name=names.claim(item.video, wanted=item.name, part=item.part))


def _made(items: Sequence[Item], names: ResultNames, out: Path) -> list[Item]:
    """The items whose states are there, from this run or an earlier one."""
    found = [(item, names.find(item.video, part=item.part)) for item in items]
    named = [replace(item, name=name) for item, name in found if name is not None]
    return [item for item in named if item.target(out).exists()]


def _extract(item: Item, out: Path, session: Session, *, place: str) -> None:
    from hiprobe.pipeline.states_folder import extract_to_file

    with progress_bar(f"{place} {item.name}", quiet=session.quiet) as progress:
        made = extract_to_file(
            item,
            out,
            backbone=session.backbone,
            settings=session.settings,
            cache=session.cache,
            progress=progress,
        )
    if not session.quiet:
        say(f"{place} {'wrote' if made else 'found'} {shown(item.target(out))}")


def _write_tables(there: Sequence[Item], out: Path, failures: Failures, *, quiet: bool) -> None:
    from hiprobe.store.states_table import write_states_manifest

    if not there:
        return
    written = []
    with failures.of(out):  # a damaged file that lay there before
        written.append(write_states_manifest(out))
    labelled = [item for item in there if item.clip is not None]
    if labelled:
        written.append(_write_labels(labelled, out))
    if not quiet:
        for path in written:
            say(f"wrote {path}")


def _write_labels(items: Sequence[Item], out: Path) -> Path:
    """The labels as a table that `fit` takes; each file of states holds just its clip's stretch."""
    path = out / LABELS_NAME
    clips = [(item, item.clip) for item in items if item.clip is not None]
    has_splits = any(clip.split for _, clip in clips)
    rows = []
    for item, clip in clips:
        target = path_cell(item.target(out).relative_to(out))
        own = (target, clip.label, clip.class_name, clip.source)
        rows.append((*own, clip.split) if has_splits else own)
    header = ("video", "label", "class", "source", *(["split"] if has_splits else []))
    write_table(path, header, rows)
    return path


@click.command()
@click.argument("videos", nargs=-1, required=True, metavar="VIDEO|FOLDER|GLOB|CSV...")
@options.out("hiprobe-states")
@click.option(
    "--layers",
    metavar="LIST",
    default="all",
    show_default=True,
    help="Layers to keep: all, or numbers and ranges such as 1,12-20 (0 = embeddings).",
)
@options.reading(several=True)
@options.how_to_read()
def extract(
    videos: tuple[str, ...],
    out: Path,
    layers: str,
    readings: tuple[Reading, ...],
    how: options.SessionOptions,
) -> None:
    """Write the hidden states of videos as safetensors, one file for each, with a manifest.

    VIDEO is a file, a folder, a pattern, or a CSV of labelled clips. Each file of states holds
    one row per segment and one over the whole clip; states.parquet lists every row with its
    times. Everything after it runs without a model: `hiprobe fit` and `hiprobe detect` take
    the files, or the folder, in place of videos. Files that are there already are not made again.

    \b
    Examples:
      hiprobe extract camera.mp4
      hiprobe extract clips/ -o states/ --layers 1-30 --reading last --reading visual_mean
      hiprobe extract clips.csv -o states/   # then: hiprobe fit states/
    """

    extract_all(videos, out=out, layers=layers, readings=readings, how=how)
