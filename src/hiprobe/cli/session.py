"""What a user names (videos, folders, labelled clips), and the backbone that reads it."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli.console import say
from hiprobe.cli.result_names import wanted_name
from hiprobe.cli.session_options import SessionOptions
from hiprobe.datasets.video_files import count_words, untimed_words
from hiprobe.errors import BackboneError, BackboneMemoryError, UsageError
from hiprobe.names import absolute, fits_file_name, is_address, why_no_file
from hiprobe.objects import exists, is_folder, matching
from hiprobe.store.content_hash import content_hash

if TYPE_CHECKING:
    from hiprobe.backbones.interface import Backbone
    from hiprobe.datasets.clips import LabelledClip, LabelledClips
    from hiprobe.datasets.same_content import Digest
    from hiprobe.pipeline.reading import ExtractionSettings
    from hiprobe.pipeline.states_folder import Item
    from hiprobe.pipeline.workers_crew import Crew
    from hiprobe.probe import Probe
    from hiprobe.provenance import Provenance
    from hiprobe.segment import Stretch
    from hiprobe.store.states_cache import StatesCache


# Endings of tables of labelled clips.
TABLE_SUFFIXES = frozenset((".csv", ".parquet"))

# Takes a sentence for the user.
Tell = Callable[[str], None]


def expand_videos(
    named: Sequence[str], *, out: Path | None = None, tell: Tell | None = None
) -> list[Path]:
    """Files of all names in order, each once; a folder stands for the videos at any depth in it.

    A name that is no file is kept, so that reading it gives the reason. In folders and patterns
    what HiProbe wrote is passed over; a file that is named itself is taken.

    Args:
        out: folder for the results of this run, which is passed over too.
        tell: takes a sentence on files of folders that were passed over, and on missing times.

    Raises:
        UsageError: a folder or a glob holds no video, or a name is the address of a stream.
    """
    from hiprobe.datasets.video_files import pass_over_own, untimed_words

    remarks: list[str] = []
    found = [file for name in named for file in _found(name, remarks)]
    kept = pass_over_own(found, out=out, say=remarks.append)
    if not kept:
        raise UsageError(
            f"{', '.join(named)}: HiProbe wrote everything there itself; name a file to read it"
        )
    once = list(dict.fromkeys(kept))
    if tell is not None:
        for remark in (*remarks, *untimed_words(once)):
            tell(remark)
    return once


def _found(name: str, remarks: list[str]) -> list[tuple[Path, Path | None]]:
    """Files that one name stands for, each with the folder it was found in; see `pass_over_own`."""
    from hiprobe.datasets.video_files import look_into

    if is_address(name):
        raise UsageError(why_no_file(name))
    path = Path(name).expanduser()
    if is_folder(path):
        inside = look_into(path)
        if not inside.videos:
            aside = "".join(f" ({remark})" for remark in inside.remarks())
            raise UsageError(f"folder {path} holds no video; give files, or another folder{aside}")
        remarks += inside.remarks()
        return [(video, path) for video in inside.videos]
    if glob.has_magic(name) and not exists(path):
        matches = matching(path)
        if not matches:
            raise UsageError(f"nothing matches {name}; check the pattern and the folder")
        return [(match, _before_magic(path)) for match in matches]
    return [(path, None)]


def _before_magic(pattern: Path) -> Path:
    """The folder that a pattern is searched in."""
    plain = takewhile(lambda part: not glob.has_magic(part), pattern.parts)
    return Path(*plain)


def items_to_extract(
    named: Sequence[str], *, out: Path | None = None, tell: Tell | None = None
) -> list[Item]:
    """What is extracted, and the file of states of each, named after its place in its folder.

    A table of labelled clips, or a folder with a `manifest.csv`, gives its clips with their
    labels, splits and stretches; anything else is a video without a label. States that lie in a
    folder are passed over: they were extracted from something already. Names never lead out of
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
        tell(f"passed over: {len(extracted)} files of states in {path}")
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
            raise UsageError(f"layers {text!r}: {part!r} is no number or range; write 1,12-20")
        # one above the last layer is enough to be refused below, whatever number was typed
        found.update(range(int(first), min(int(last or first), layer_count + 1) + 1))
        if int(first) > layer_count:
            found.add(int(first))
    if not found or max(found) > layer_count:
        raise UsageError(f"layers {text!r} are not within 0..{layer_count} of this backbone")
    return sorted(found)


def _is_number(text: str) -> bool:
    # isdigit() is true of other scripts' digits too; more than nine digits are a slip.
    return text.isascii() and text.isdigit() and len(text) < 10


@dataclass(frozen=True)
class Session:
    """A backbone and how videos are read."""

    backbone: Backbone
    settings: ExtractionSettings
    cache: StatesCache | None
    quiet: bool

    @property
    def crew(self) -> Crew | None:
        """The workers that hold the backbone; None where this process does."""
        from hiprobe.pipeline.workers import crew_of

        return crew_of(self.backbone)

    def hash_of(self, video: Path) -> str:
        """Hash of a file's content, looked up where the cache knows it.

        Raises:
            VideoError: the file cannot be read.
        """
        return content_hash(video) if self.cache is None else self.cache.content_hash(video)


# What is put around a backbone.
View = Callable[["Backbone"], "Backbone"]


def open_session(
    how: SessionOptions, *, like: Provenance | None = None, view: View | None = None
) -> Session:
    """Open a backbone, fetching it where it is not on this disk yet, and say so.

    Args:
        how: which backbone, and how videos are read.
        like: how the clips of a probe were read; videos are cut as they were, as far as `how` does
            not say otherwise.
        view: what is put around the backbone, where it is opened.

    Raises:
        BackboneError, DownloadError: as `BackboneSpec.open`.
        EngineError: the cluster that is asked for cannot be had.
    """
    from hiprobe.pipeline.reading import ExtractionSettings

    if not how.quiet:  # loading the libraries alone takes seconds
        say(f"opening the backbone {how.backbone.known_as}")
    cache = default_cache() if how.cached else None
    if how.readers.are_elsewhere:
        opened = _held_by_workers(how, view, cache)
    else:
        opened = how.backbone.open(say=None if how.quiet else say)
        opened = opened if view is None else view(opened)
    settings = how.cut_of(ExtractionSettings.like(like))
    settings = replace(settings, skip_still=how.skip_still)
    return Session(opened, settings, cache, how.quiet)


def _held_by_workers(how: SessionOptions, view: View | None, cache: StatesCache | None) -> Backbone:
    """A backbone that workers hold; they end with the command.

    Raises:
        EngineError: there is no such cluster.
        BackboneError, DownloadError: as `BackboneSpec.open`.
    """
    from hiprobe.pipeline.workers import CachePlace, ElsewhereBackbone, OpenSpec
    from hiprobe.pipeline.workers_crew import Crew, Hands

    readers, threads = how.readers, how.readers.threads
    opened, place = OpenSpec(how.backbone, view, threads), CachePlace.of(cache)
    hands: Hands
    if readers.engine == "ray":
        from hiprobe.pipeline.ray_hands import RayHands

        hands = RayHands(opened, place, address=readers.address, size=readers.workers)
        size = hands.size
    else:
        from hiprobe.backbones.registry import backbone_folder
        from hiprobe.pipeline.workers_processes import ProcessHands
        from hiprobe.settings import usable_processors

        # A download is made once and shown here, before each worker would make it.
        backbone_folder(how.backbone.known_as, say=None if how.quiet else say)
        size = readers.workers or 1
        share = max(1, usable_processors() // size)
        hands = ProcessHands(opened, place, threads=threads or share)
    crew = Crew(hands, size=size, place=place)
    # Also after an error or Ctrl-C: workers that outlive the command would keep the GPU.
    click.get_current_context().call_on_close(crew.close)
    return ElsewhereBackbone.of(crew)


def default_cache() -> StatesCache:
    """The cache of states in the user's folder."""
    from hiprobe.settings import states_folder
    from hiprobe.store.states_cache import StatesCache

    return StatesCache(states_folder())


def say_how_it_is_cut(probe: Probe, how: SessionOptions) -> None:
    """Say which segments are taken, where these may not be those of the probe's clips."""
    from hiprobe.paper import SEGMENT_FRAMES

    made, asked = probe.provenance_, how.lengths_asked
    if how.quiet:
        return
    if made is None and not asked:
        say(
            f"the probe does not say how its clips were cut: {SEGMENT_FRAMES} frames are taken for "
            "a segment; --segment-seconds gives another length"
        )
    elif made is not None and how.cut_of(made.cut) != made.cut:
        wanted = how.cut_of(made.cut).segment_words
        say(
            f"note: segments of {wanted} are asked for, and the probe was fitted on segments "
            f"of {made.cut.segment_words}; its scores are meant for those"
        )


def open_for_probe(probe: Probe, how: SessionOptions, *, whole: bool) -> Session:
    """The backbone that a probe was fitted on, no deeper than its layer unless `whole`.

    It reads as the probe's clips were read, as far as `how` does not say otherwise. Of a probe on
    attention heads it gives those, read no deeper than the deepest of them.

    Raises:
        FingerprintError: it is another one.
        BackboneError: it is not to be found under its name.
    """
    from hiprobe.baselines.attention_heads import ChosenHeadsView, named_heads
    from hiprobe.joined import layers_read

    heads = named_heads(probe.fingerprint_)
    deepest = max(layers_read(probe))
    cut = None if whole else max((head.layer for head in heads), default=deepest)
    own = probe.backbone_spec()
    # The prompt is part of the fingerprint, so only the probe's own can be right.
    spec = replace(how.backbone.over(own), prompt=own.prompt, cut_at_layer=cut)
    try:
        view = partial(ChosenHeadsView, heads=heads) if heads else None
        session = open_session(replace(how, backbone=spec), like=probe.provenance_, view=view)
    except BackboneError as error:
        # With a name of their own choice, users need no hint to give one.
        if how.backbone.name is not None or isinstance(error, BackboneMemoryError):
            raise
        raise BackboneError(
            f"{error}; {spec.known_as} is what the probe was fitted on; if it lies elsewhere now, "
            "give --backbone"
        ) from error
    probe.check_fingerprint(session.backbone.fingerprint)
    return session


_SHOWN_CLASSES = 20


def clips_of(
    path: Path,
    *,
    normal: Sequence[str],
    split: str | None,
    cached: bool,
    quiet: bool,
    both_kinds: bool = True,
) -> tuple[LabelledClip, ...]:
    """Labelled clips of a folder or a table; says what was not taken and which classes are normal.

    Args:
        normal: names of the normal classes; empty to recognise them.
        split: rows of a table to take; see `read_clips`.
        cached: look up hashes of files in the cache.
        both_kinds: refuse clips of one kind only.

    Raises:
        LabelError: as `read_clips`, or the same content under two labels.
    """
    from hiprobe.datasets.clips import read_labelled

    found = read_labelled(path, normal=normal, split=split, both_kinds=both_kinds)
    return settled(found, cached=cached, tell=None if quiet else say)


def settled(
    found: LabelledClips, *, cached: bool, tell: Callable[[str], None] | None
) -> tuple[LabelledClip, ...]:
    """The clips without copies of the same content; `tell` takes the sentences about them.

    Raises:
        LabelError: the same content under two labels.
    """
    from hiprobe.datasets.same_content import settle_copies

    kept = settle_copies(found.clips, digest=digest_of(cached=cached))
    if tell is not None:
        untimed = untimed_words({c.video for c in kept.clips})
        lines = [*found.remarks, *kept.remarks, *untimed]
        for line in [*lines, class_words(kept.clips)]:
            tell(line)
    return kept.clips


def digest_of(*, cached: bool) -> Digest:
    """What hashes files: with the cache, which remembers hashes, or without."""
    return default_cache().content_hash if cached else partial(content_hash, remembered_in=None)


def class_words(clips: Sequence[LabelledClip]) -> str:
    """Which classes count as normal and which as abnormal, with their clips."""
    parts = []
    for label, what in ((0, "normal"), (1, "abnormal")):
        counts = Counter(c.class_name for c in clips if c.label == label)
        named = [f"{n} ({count_words(counts[n], 'clip')})" for n in sorted(counts)]
        more = [f"{len(named) - _SHOWN_CLASSES} more"] if len(named) > _SHOWN_CLASSES else []
        parts.append(f"counted as {what}: {', '.join([*named[:_SHOWN_CLASSES], *more]) or 'none'}")
    return "; ".join(parts)
