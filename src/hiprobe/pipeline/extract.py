"""States of one video: of its segments or of the whole of it, for one prompt or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hiprobe.backbones.interface import Backbone
from hiprobe.pipeline.extracted import is_extracted, load_extracted
from hiprobe.pipeline.progress import Progress
from hiprobe.pipeline.settings import DEFAULTS, WHOLE, ExtractionSettings, Stretch
from hiprobe.pipeline.units import extract_units
from hiprobe.states import VideoStates
from hiprobe.store.cache import StatesCache


def extract_video(
    video: Path | str,
    *,
    backbone: Backbone,
    settings: ExtractionSettings = DEFAULTS,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> VideoStates:
    """States of all segments of a video, as a stream: memory holds a few segments' frames.

    With a cache, finished videos are looked up and an interrupted run goes on from its last
    checkpoint (the frames before are decoded again, the model does not run on them).

    Args:
        video: a video, or states extracted from one (then no backbone runs).

    Raises:
        VideoError: the file cannot be read.
        BackboneMemoryError: not a single segment fits into memory.
        StatesError: a layer does not exist, or a state is not finite.
    """
    settings.layers_of(backbone.layer_count)
    if is_extracted(video):
        return load_extracted(video, layers=settings.layers, fingerprint=backbone.fingerprint)
    own = backbone.fingerprint.prompt
    return extract_prompts(
        video,
        backbone=backbone,
        prompts=(own,),
        settings=settings,
        stretch=stretch,
        cache=cache,
        progress=progress,
    )[own]


def extract_prompts(
    video: Path | str,
    *,
    backbone: Backbone,
    prompts: Sequence[str],
    settings: ExtractionSettings = DEFAULTS,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> dict[str, VideoStates]:
    """States of all segments for each of several prompts; the video is decoded once.

    Raises:
        UsageError: the backbone reads no prompt but its own.
        Else as `extract_video`.
    """
    _, segments = extract_units(
        video,
        backbone=backbone,
        prompts=prompts,
        want=("segments",),
        settings=settings,
        stretch=stretch,
        cache=cache,
        progress=progress,
    )
    return segments


def extract_clip(
    video: Path | str,
    *,
    backbone: Backbone,
    settings: ExtractionSettings = DEFAULTS,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
) -> VideoStates:
    """States of a whole clip, one row, from K key frames spread over it; in `.clip`.

    Raises:
        As `extract_video`.
    """
    settings.layers_of(backbone.layer_count)
    if is_extracted(video):
        return load_extracted(video, layers=settings.layers, fingerprint=backbone.fingerprint)
    own = backbone.fingerprint.prompt
    return extract_clip_prompts(
        video, backbone=backbone, prompts=(own,), settings=settings, stretch=stretch, cache=cache
    )[own]


def extract_clip_prompts(
    video: Path | str,
    *,
    backbone: Backbone,
    prompts: Sequence[str],
    settings: ExtractionSettings = DEFAULTS,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
) -> dict[str, VideoStates]:
    """States of a whole clip for each of several prompts; the clip is decoded once.

    Raises:
        As `extract_prompts`.
    """
    whole, _ = extract_units(
        video,
        backbone=backbone,
        prompts=prompts,
        want=("clip",),
        settings=settings,
        stretch=stretch,
        cache=cache,
    )
    return whole
