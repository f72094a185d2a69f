"""States of one source: of its segments or of the whole of it, for one prompt or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hiprobe.backbones.interface import Backbone
from hiprobe.errors import StatesError
from hiprobe.pipeline.reading import DEFAULTS, ExtractionSettings
from hiprobe.pipeline.source import ReadPlan, open_source
from hiprobe.pipeline.stream import extract_units
from hiprobe.progress import Progress
from hiprobe.segment import WHOLE, Stretch
from hiprobe.spec import DEFAULT_BACKBONE, BackboneSpec
from hiprobe.states import Reading, States, VideoStates, layer_numbers
from hiprobe.store.states_cache import StatesCache


def states_of(
    video: Path | str,
    layers: int | Sequence[int] | None = None,
    *,
    backbone: Backbone | BackboneSpec | Path | str = DEFAULT_BACKBONE,
    reading: Reading = "last",
    settings: ExtractionSettings = DEFAULTS,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> States:
    """Hidden states of a video, one row per segment.

    Args:
        video: a video, or states extracted from one; those need no backbone.
        layers: one layer or several, 0 for the embedding output; None for 1..L.
        backbone: an open backbone; or how to open one, which is then loaded no deeper than to
            the highest of the layers. Open it yourself where you read several videos.
        reading: position at which the layers are read.
        settings: how the video is cut into segments; its layers and readings are not used.
        stretch: the part of the video to read.
        cache: keeps the states, and gives those of an earlier run.
        progress: takes a `ProgressEvent` after each few segments.

    Raises:
        BackboneError, DownloadError: the backbone cannot be opened.
        Else as `extract_video`.
    """
    wanted = [layers] if isinstance(layers, int) else layers
    source = open_source(video)
    if not source.has_pictures:
        opened = backbone if isinstance(backbone, Backbone) else None
        (found,) = source.states(ReadPlan(opened, replace(settings, layers=wanted)))
        if reading not in found.states:
            raise StatesError(
                f"{video} holds no segments read at {reading}, only {sorted(found.states)}; "
                "extract it again with that reading"
            )
        return found.states[reading]
    if isinstance(backbone, Path):
        backbone = BackboneSpec.of_folder(backbone)
    elif isinstance(backbone, str):
        backbone = BackboneSpec(backbone)
    if isinstance(backbone, BackboneSpec):
        deepest = None if wanted is None else max(layer_numbers(wanted), default=None)
        backbone = BackboneSpec(cut_at_layer=deepest).over(backbone).open()
    return extract_video(
        video,
        backbone=backbone,
        settings=replace(settings, layers=wanted, readings=(reading,)),
        stretch=stretch,
        cache=cache,
        progress=progress,
    ).states[reading]


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
