"""States of one source: of its segments or of the whole of it, for one prompt or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hiprobe.backbones.interface import Backbone
from hiprobe.pipeline.reading import DEFAULTS, ExtractionSettings
from hiprobe.pipeline.source import ReadPlan, open_source
from hiprobe.pipeline.stream import extract_units
from hiprobe.progress import Progress
from hiprobe.segment import WHOLE, Stretch
from hiprobe.states import VideoStates
from hiprobe.store.states_cache import StatesCache


def extract_video(
    video: Path | str,
    *,
    backbone: Backbone,
    settings: ExtractionSettings = DEFAULTS,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> VideoStates:
    """States of all segments of a video.

    Args:
        video: a video, or states extracted from one (then no backbone runs).
        backbone: reads the video; states must have been made by it.
        settings: how the video is cut, and what is read of its segments.
        stretch: the part of the video that is read.
        cache: where finished states are found and kept; None to keep nothing.
        progress: called after each batch of segments.

    Raises:
        VideoError: the file cannot be read.
        BackboneMemoryError: not a single segment fits into memory.
        StatesError: a layer does not exist, or a state is not finite.
    """
    settings.layers_of(backbone.layer_count)
    plan = ReadPlan(backbone, settings, want=("segments",), cache=cache)
    (found,) = open_source(video).states(plan, stretch, progress)
    return found


def extract_clip(
    video: Path | str,
    *,
    backbone: Backbone,
    settings: ExtractionSettings = DEFAULTS,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
) -> VideoStates:
    """States of a whole clip, one row, from K key frames spread over it; in `.clip`.

    Args and Raises:
        As `extract_video`.
    """
    settings.layers_of(backbone.layer_count)
    plan = ReadPlan(backbone, settings, want=("clip",), cache=cache)
    (found,) = open_source(video).states(plan, stretch)
    return found


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
