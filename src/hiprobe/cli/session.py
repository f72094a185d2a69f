"""One open backbone with the settings of a run: what extract, fit, layers and detect share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from hiprobe.backbones.interface import Backbone
from hiprobe.backbones.spec import BackboneSpec
from hiprobe.cli.options import SessionOptions
from hiprobe.cli.text import say
from hiprobe.errors import BackboneError, BackboneMemoryError
from hiprobe.pipeline.settings import ExtractionSettings
from hiprobe.probe import Probe
from hiprobe.segment import SEGMENT_FRAMES
from hiprobe.store.cache import StatesCache
from hiprobe.store.content_hash import content_hash


@dataclass(frozen=True)
class Session:
    """A backbone and how videos are read."""

    backbone: Backbone
    settings: ExtractionSettings
    cache: StatesCache | None
    quiet: bool

    def hash_of(self, video: Path) -> str:
        """Hash of a file's content, looked up where the cache knows it.

        Raises:
            VideoError: the file cannot be read.
        """
        return content_hash(video) if self.cache is None else self.cache.content_hash(video)


def open_session(how: SessionOptions) -> Session:
    """Open a backbone, fetching it where it is not on this disk yet, and say so.

    Raises:
        BackboneError, DownloadError: as `BackboneSpec.open`.
    """
    return _open(how.backbone, how, settings=ExtractionSettings())


def default_cache() -> StatesCache:
    """The cache of states in the user's folder."""
    from hiprobe.settings import states_folder

    return StatesCache(states_folder())


def say_how_it_is_cut(probe: Probe, how: SessionOptions) -> None:
    """Say which segments are taken, where these may not be those of the probe's clips."""
    made, seconds = probe.provenance_, how.segment_seconds
    if how.quiet:
        return
    if made is None and seconds is None:
        say(
            f"the probe does not say how its clips were cut: {SEGMENT_FRAMES} frames are taken for "
            "a segment; --segment-seconds gives another length"
        )
    elif made is not None and seconds not in (None, made.segment_seconds):
        say(
            f"note: segments of {seconds:g} s are asked for, and the probe was fitted on segments "
            f"of {made.segment_words()}; its scores are meant for those"
        )


def open_for_probe(probe: Probe, how: SessionOptions, *, whole: bool) -> Session:
    """The backbone that a probe was fitted on, no deeper than its layer unless `whole`.

    It reads as the probe's clips were read, as far as `how` does not say otherwise. Of a probe on
    attention heads it gives those, read no deeper than the deepest of them.

    Raises:
        FingerprintError: it is another one.
        BackboneError: it is not to be found under its name.
    """
    from hiprobe.zero_label.head_views import ChosenHeadsView, named_heads

    heads = named_heads(probe.fingerprint_)
    cut = None if whole else max((head.layer for head in heads), default=probe.layer_)
    own = probe.backbone_spec()
    spec = replace(how.backbone.over(own), prompt=own.prompt, cut_at_layer=cut)
    settings = ExtractionSettings.like(probe.provenance_)
    try:
        session = _open(spec, how, settings=settings)
    except BackboneError as error:
        if how.backbone.name is not None or isinstance(error, BackboneMemoryError):
            raise
        raise BackboneError(
            f"{error}; {spec.known_as} is what the probe was fitted on; if it lies elsewhere now, "
            "give --backbone"
        ) from error
    if heads:
        session = replace(session, backbone=ChosenHeadsView(session.backbone, heads))
    probe.check_fingerprint(session.backbone.fingerprint)
    return session


def _open(spec: BackboneSpec, how: SessionOptions, *, settings: ExtractionSettings) -> Session:
    if not how.quiet:  # loading the libraries alone takes seconds
        say(f"opening the backbone {spec.known_as}")
    opened = spec.open(say=None if how.quiet else say)
    if how.segment_seconds is not None:
        settings = replace(settings, segment_seconds=how.segment_seconds)
    return Session(opened, settings, default_cache() if how.cached else None, how.quiet)
