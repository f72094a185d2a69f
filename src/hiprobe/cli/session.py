"""How a command reads videos: what the user chose, and the backbone that is opened for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hiprobe.cli.console import say
from hiprobe.errors import BackboneError, BackboneMemoryError, UsageError
from hiprobe.prompts import find_prompt
from hiprobe.spec import OPTIONS, BackboneSpec
from hiprobe.store.content_hash import content_hash

if TYPE_CHECKING:
    from hiprobe.backbones.interface import Backbone
    from hiprobe.pipeline.reading import ExtractionSettings
    from hiprobe.pipeline.workers_crew import Crew
    from hiprobe.probe import Probe
    from hiprobe.provenance import Provenance
    from hiprobe.segment import Cut
    from hiprobe.store.states_cache import StatesCache


ENGINES = ("local", "ray")


def spec_of_options(given: dict[str, Any]) -> BackboneSpec:
    """The spec that some of a command's options make; they are taken out of `given`.

    Raises:
        UsageError: the prompt is one word that names no preset.
    """
    names = {name: option.removeprefix("--").replace("-", "_") for name, option in OPTIONS.items()}
    chosen = {name: given.pop(own, None) for name, own in names.items()}
    if chosen["prompt"] is not None:
        chosen["prompt"] = find_prompt(chosen["prompt"]).text
    return BackboneSpec(**chosen)


@dataclass(frozen=True)
class Readers:
    """Which processes read the videos.

    Attributes:
        workers: how many; None for this process alone, or for as many as a cluster has room for.
        engine: one of `ENGINES`.
        address: that of a Ray cluster; None for the one that is found.
        threads: how many each of them has; None for a fair share of the processors.

    Raises:
        UsageError: an address without a cluster.
    """

    workers: int | None = None
    engine: str = ENGINES[0]
    address: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.address is not None and self.engine != "ray":
            raise UsageError(f"--address {self.address} is that of a Ray cluster: add --engine ray")

    @property
    def are_elsewhere(self) -> bool:
        """Whether other processes than this one read."""
        return self.engine == "ray" or (self.workers or 1) > 1

    def refuse_elsewhere(self, what: str) -> None:
        """Refuse workers for what they cannot read; `what` is the option that asks for it.

        Raises:
            UsageError: other processes are to read.
        """
        if self.are_elsewhere:
            typed = "--engine ray" if self.engine == "ray" else f"--workers {self.workers}"
            raise UsageError(
                f"{what} needs the backbone in this process, and workers give hidden states only; "
                f"leave out {typed}"
            )


# What `SessionOptions` says of segments, and its options.
LENGTHS = {
    "segment_frames": "--segment-frames",
    "segment_seconds": "--segment-seconds",
    "hop_seconds": "--hop-seconds",
}

_Cut = TypeVar("_Cut", bound="Cut")


@dataclass(frozen=True)
class SessionOptions:
    """How videos are read, as the user chose it; None is the default, or the probe's own way.

    `backbone` holds what was chosen of it, and nothing of what was left open.

    Raises:
        UsageError: the length of segments is given twice.
    """

    backbone: BackboneSpec = field(default_factory=BackboneSpec)
    segment_seconds: float | None = None
    segment_frames: int | None = None
    hop_seconds: float | None = None
    cached: bool = True
    quiet: bool = False
    readers: Readers = field(default_factory=Readers)
    skip_still: bool = False

    def __post_init__(self) -> None:
        if None not in (self.segment_frames, self.segment_seconds):
            raise UsageError(
                f"--segment-frames {self.segment_frames} and --segment-seconds "
                f"{self.segment_seconds:g} are two lengths of a segment; give one"
            )

    @property
    def lengths_asked(self) -> dict[str, float]:
        """The lengths of segments and hop that were asked for, by option."""
        found = {option: getattr(self, name) for name, option in LENGTHS.items()}
        return {option: value for option, value in found.items() if value is not None}

    def cut_of(self, own: _Cut) -> _Cut:
        """A cut with the lengths that were asked for in place of its own.

        Raises:
            UsageError: the hop does not go with the length of segments.
        """
        changes: dict[str, Any] = {n: v for n in LENGTHS if (v := getattr(self, n)) is not None}
        if self.segment_frames is not None:
            # The length that was asked for replaces the other unit's.
            changes["segment_seconds"] = None
        if changes.keys() & {"segment_seconds", "hop_seconds"}:
            # A hop that the probe has in frames means nothing next to a length in seconds.
            changes["hop_frames"] = None
        return replace(own, **changes)

    @property
    def after_interrupt(self) -> str:
        """What a user who pressed Ctrl-C wants to know."""
        if not self.cached:
            return "interrupted; with --no-cache nothing was kept, and the next run starts over"
        return "interrupted; what was read is kept: run the same command again to resume"


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
        EngineError: the cluster that is asked for cannot be reached.
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
