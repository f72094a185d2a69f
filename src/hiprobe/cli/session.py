"""One open backbone with the settings of a run: what extract, fit, layers and detect share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from hiprobe.backbones.interface import Backbone
from hiprobe.cli.progress import progress_bar
from hiprobe.cli.text import say
from hiprobe.states import Reading, VideoStates
from hiprobe.store.cache import StatesCache

DEFAULT_BACKBONE = "lite"


@dataclass(frozen=True)
class Session:
    """A backbone and how videos are read."""

    backbone: Backbone
    segment_seconds: float | None
    cache: StatesCache | None
    quiet: bool

    def extract(
        self, video: Path, *, layers: Sequence[int], readings: Sequence[str]
    ) -> VideoStates:
        """Segments and whole clip of one video."""
        from hiprobe.pipeline import extract_clip, extract_video

        wanted = cast("Sequence[Reading]", readings)
        clip = extract_clip(
            video, backbone=self.backbone, layers=layers, readings=wanted, cache=self.cache
        )
        with progress_bar(video.name, quiet=self.quiet) as progress:
            segments = extract_video(
                video,
                backbone=self.backbone,
                layers=layers,
                readings=wanted,
                segment_seconds=self.segment_seconds,
                cache=self.cache,
                progress=progress,
            )
        return VideoStates(states=segments.states, outcome=segments.outcome, clip=clip.clip)


def open_session(
    *,
    backbone: str | None,
    prompt: str | None,
    segment_seconds: float | None,
    cached: bool,
    quiet: bool,
    cut_at_layer: int | None = None,
) -> Session:
    """Open a backbone, fetching it where it is not on this disk yet, and say so.

    Raises:
        BackboneError, DownloadError: as `open_backbone`.
    """
    from hiprobe.backbones.registry import open_backbone

    name = backbone or DEFAULT_BACKBONE
    opened = open_backbone(
        name, prompt=prompt, cut_at_layer=cut_at_layer, say=None if quiet else say
    )
    return Session(opened, segment_seconds, default_cache() if cached else None, quiet)


def default_cache() -> StatesCache:
    """The cache of states in the user's folder."""
    from hiprobe.settings import states_folder

    return StatesCache(states_folder())
