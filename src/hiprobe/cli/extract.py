"""`hiprobe extract`: hidden states of videos as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli import options
from hiprobe.cli.console import progress_bar, say
from hiprobe.cli.named_files import Tell, expand_videos
from hiprobe.cli.result_names import wanted_name
from hiprobe.cli.run_files import RunFile
from hiprobe.cli.session import Session, SessionOptions, open_session
from hiprobe.errors import UsageError
from hiprobe.names import absolute, fits_file_name, shown
from hiprobe.objects import exists, is_folder
from hiprobe.store.text_files import STATES, path_cell, write_table

if TYPE_CHECKING:
    from hiprobe.failures import Failure
    from hiprobe.pipeline.engine import Course
    from hiprobe.pipeline.reading import ReadUnit
    from hiprobe.pipeline.states_folder import Item
    from hiprobe.segment import Stretch
    from hiprobe.states import Reading


# Endings of tables of labelled clips.
TABLE_SUFFIXES = frozenset((".csv", ".parquet"))

# Labels of the extracted clips. `fit` looks for this name in a folder, so that the folder alone is
# enough for it.
LABELS_NAME = "manifest.csv"


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
@options.how_to_read(with_still=True)
def extract(
    videos: tuple[str, ...],
    out: Path,
    layers: str,
    readings: tuple[Reading, ...],
    how: SessionOptions,
) -> None:
    """Write the hidden states of videos as safetensors, one file for each, with a manifest.

    VIDEO is a file, a folder, a pattern, or a CSV of labelled clips; s3:// is read too. Each file
    of states holds one row per segment and one over the whole clip; states.parquet lists every row
    with its times. Everything after it runs without a model: `hiprobe fit` and `hiprobe detect`
    take the files, or the folder, in place of videos. Files that exist already are not written
    again.

    \b
    Examples:
      hiprobe extract camera.mp4
      hiprobe extract clips/ -o states/ --layers 1-30 --reading last --reading visual_mean
      hiprobe extract clips.csv -o states/   # then: hiprobe fit states/
    """

    from hiprobe.pipeline.engine import Engine

    # Before the backbone is opened: none of these takes a second to refuse.
    _refuse_own_table(videos, out)
    tell = None if how.quiet else say
    items = items_to_extract(videos, out=out, tell=tell)
    session = open_session(how)
    chosen = parse_layers(layers, layer_count=session.backbone.layer_count)
    # A reading given twice is read once; their order is that of the files' tensors.
    settings = replace(session.settings, layers=chosen, readings=tuple(dict.fromkeys(readings)))
    run_file = RunFile(out, kind=STATES, hash_of=session.hash_of, say=tell)
    run = _Extraction(items, replace(session, settings=settings), run_file)
    Engine(run, crew=session.crew).map(run.one, items, reads=run.unit_of)
    run_file.failures.finish()


def items_to_extract(
    named: Sequence[str], *, out: Path | None = None, tell: Tell | None = None
) -> list[Item]:
    """What is extracted, and the file of states of each, named after its place in its folder.

    A table of labelled clips, or a folder with a `manifest.csv`, gives its clips with their
    labels, splits and stretches; anything else is a video without a label. States that lie in a
    folder are skipped: they were extracted from something already. Names never lead out of
    the folder of states, wherever a table's videos lie.

    Args:
        out, tell: as for `expand_videos`.

    Raises:
        UsageError: a folder or a glob holds no video, or a name is the address of a stream.
        LabelError: a table cannot be read.
    """
    items: dict[tuple[Path, Stretch], Item] = {}
    for name in named:
        path = Path(name).expanduser()
        root = path if is_folder(path) else path.parent
        for item in _items_of(name, path, out, tell):
            named_so = replace(item, name=_below(item, root))
            items.setdefault((item.video, item.stretch), named_so)
    return list(items.values())


def _items_of(name: str, path: Path, out: Path | None, tell: Tell | None) -> list[Item]:
    from hiprobe.datasets.clips import read_labelled
    from hiprobe.pipeline.source import open_source
    from hiprobe.pipeline.states_folder import Item

    if path.suffix.lower() in TABLE_SUFFIXES or exists(path / "manifest.csv"):
        labelled = read_labelled(path, both_kinds=False, split="all")
        if tell is not None:
            for remark in labelled.remarks:
                tell(remark)
        return [Item(clip.video, "", clip) for clip in labelled.clips]
    videos = expand_videos([name], out=out, tell=tell)
    is_searched = is_folder(path)
    extracted = {v for v in videos if is_searched and not open_source(v).has_pictures}
    if extracted and tell is not None:
        tell(f"skipped: {len(extracted)} files of states in {path}")
    return [Item(video, "") for video in videos if video not in extracted]


def _below(item: Item, root: Path) -> str:
    """Where a video lies below a folder, without ending; a stretch of it is named by its seconds.

    A video that lies elsewhere has its name alone.
    """
    video, folder = map(absolute, (item.video, root))
    below = video.relative_to(folder) if video.is_relative_to(folder) else Path(video.name)
    name = wanted_name(below) + (f"_{item.part}" if item.part else "")
    return "/".join(map(fits_file_name, below.with_name(name).parts))


def parse_layers(text: str, *, layer_count: int) -> list[int]:
    """Layer numbers of `all` (1..L) or a list such as `1,12-20`, ascending, each once.

    Raises:
        UsageError: not such a list, or a layer that the backbone does not have.
    """
    if text.strip().lower() == "all":
        return list(range(1, layer_count + 1))
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = (p.strip() for p in part.partition("-"))
        if not _is_number(first) or (dash and not _is_number(last)):
            raise UsageError(f"layers {text!r}: {part!r} is not a number or a range; write 1,12-20")
        # One above the last layer is enough to be refused below; 1-999999999 makes no list of that
        # length.
        found.update(range(int(first), min(int(last or first), layer_count + 1) + 1))
        if int(first) > layer_count:
            found.add(int(first))
    if not found or max(found) > layer_count:
        raise UsageError(f"layers {text!r} are not within 0..{layer_count} of this backbone")
    return sorted(found)


def _is_number(text: str) -> bool:
    # isdigit() is true of other scripts' digits too; more than nine digits are a slip.
    return text.isascii() and text.isdigit() and len(text) < 10


def _refuse_own_table(named: Sequence[str], out: Path) -> None:
    """The labels are written as `manifest.csv`; a table of that name there would be lost."""
    labels = (out / LABELS_NAME).resolve()
    tables = [t for n in named for t in (Path(n).expanduser(), Path(n).expanduser() / LABELS_NAME)]
    if any(exists(t) and t.resolve() == labels for t in tables):
        raise UsageError(
            f"{out / LABELS_NAME} is the table to read from, and would be written over; choose "
            "another folder with --out"
        )


@dataclass(frozen=True)
class _Extraction:
    """One run of `hiprobe extract`; it writes the tables of the folder, then the run file."""

    items: Sequence[Item]
    session: Session
    run_file: RunFile

    def unit_of(self, item: Item) -> ReadUnit | None:
        """What is read of an item, unless its states are there from an earlier run."""
        from hiprobe.pipeline.source import ReadPlan

        name = self.run_file.names.find(item.video, part=item.part)
        if name is not None and exists(replace(item, name=name).target(self.run_file.out)):
            # By path alone: to hash every file here would hold up the workers. If the content is
            # another one, it is read when its turn comes.
            return None
        return ReadPlan(self.session.backbone, self.session.settings).unit(item.video, item.stretch)

    def one(self, item: Item, course: Course) -> None:
        """Write the states of one video, or find that they are there."""
        from hiprobe.pipeline.states_folder import extract_to_file

        out, quiet = self.run_file.out, self.session.quiet
        place = f"{course.done + 1}/{len(self.items)}"
        name = self.run_file.names.claim(item.video, wanted=item.name, part=item.part)
        named = replace(item, name=name)
        with progress_bar(f"{place} {name}", quiet=quiet) as progress:
            made = extract_to_file(
                named,
                out,
                backbone=self.session.backbone,
                settings=self.session.settings,
                cache=self.session.cache,
                progress=progress,
            )
        if not quiet:
            say(f"{place} {'wrote' if made else 'found'} {shown(named.target(out))}")
        self.run_file.add(item.video, files=[named.target(out)])

    def add_failure(self, failure: Failure) -> None:
        """Note a video that could not be used."""
        self.run_file.add_failure(failure)

    def write(self, *, interrupted: bool) -> None:
        """Write the tables over what is there by now, also of an interrupted run, and the record.

        Raises:
            StorageError: the folder cannot be written.
        """
        from hiprobe.store.states_table import write_states_manifest

        out, there, written = self.run_file.out, self._made(), []
        if there:
            with self.run_file.failures.of(out):  # a damaged file that lay there before
                written.append(write_states_manifest(out))
            labelled = [item for item in there if item.clip is not None]
            if labelled:
                written.append(_write_labels(labelled, out))
        if not self.session.quiet:
            for path in written:
                say(f"wrote {path}")
        self.run_file.write(interrupted=interrupted)

    def _made(self) -> list[Item]:
        """The items whose states are there, from this run or an earlier one."""
        names, out = self.run_file.names, self.run_file.out
        found = [(item, names.find(item.video, part=item.part)) for item in self.items]
        named = [replace(item, name=name) for item, name in found if name is not None]
        return [item for item in named if exists(item.target(out))]


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
