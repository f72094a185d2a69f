"""One open backbone with the settings of a run: what extract, fit, layers and detect share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from hiprobe.backbones.interface import Backbone
from hiprobe.cli.options import SessionOptions
from hiprobe.cli.text import say
from hiprobe.pipeline.settings import ExtractionSettings
from hiprobe.probe import Probe
from hiprobe.prompts import find_prompt
from hiprobe.store.cache import StatesCache
from hiprobe.store.content_hash import content_hash

DEFAULT_BACKBONE = "lite"


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
        BackboneError, DownloadError: as `open_backbone`.
        UsageError: the prompt is one word that names no preset.
    """
    prompt = None if how.prompt is None else find_prompt(how.prompt).text
    return _open(how, prompt=prompt, cut_at_layer=None)


def default_cache() -> StatesCache:
    """The cache of states in the user's folder."""
    from hiprobe.settings import states_folder

    return StatesCache(states_folder())


def open_for_probe(probe: Probe, how: SessionOptions, *, whole: bool) -> Session:
    """The backbone that a probe was fitted on, no deeper than its layer unless `whole`.

    Of a probe on attention heads it gives those, read no deeper than the deepest of them.

    Raises:
        FingerprintError: it is another one.
        BackboneError: it is not to be found under its name.
    """
    from hiprobe.zero_label.head_views import ChosenHeadsView, named_heads

    heads = named_heads(probe.fingerprint_)
    cut = None if whole else max((head.layer for head in heads), default=probe.layer_)
    like = replace(how, load=how.load.like(probe.fingerprint_))
    session = _open(like, prompt=probe.fingerprint_.prompt, cut_at_layer=cut)
    if heads:
        session = replace(session, backbone=ChosenHeadsView(session.backbone, heads))
    probe.check_fingerprint(session.backbone.fingerprint)
    return session


def _open(how: SessionOptions, *, prompt: str | None, cut_at_layer: int | None) -> Session:
    from hiprobe.backbones.registry import open_backbone

    if not how.quiet:  # loading the libraries alone takes seconds
        say(f"opening the backbone {how.backbone or DEFAULT_BACKBONE}")
    settings = ExtractionSettings(segment_seconds=how.segment_seconds)
    opened = open_backbone(
        how.backbone or DEFAULT_BACKBONE,
        prompt=prompt,
        cut_at_layer=cut_at_layer,
        dtype=how.load.dtype,
        device=how.load.device,
        resize=how.load.resize,
        quantise=how.load.quantise,
        frames_as=how.load.frames_as,
        say=None if how.quiet else say,
    )
    return Session(opened, settings, default_cache() if how.cached else None, how.quiet)
