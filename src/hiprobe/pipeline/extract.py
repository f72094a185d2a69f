"""The one loop: video in, hidden states out, decoding and the model side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hiprobe.backbones.interface import Backbone
from hiprobe.pipeline.batches import Request
from hiprobe.pipeline.extracted import is_extracted, load_extracted
from hiprobe.pipeline.keeping import Kept
from hiprobe.pipeline.progress import Clock, Progress
from hiprobe.pipeline.settings import DEFAULTS, WHOLE, ExtractionSettings, Stretch
from hiprobe.pipeline.streaming import pass_over_clip, pass_over_segments
from hiprobe.states import VideoStates
from hiprobe.store.cache import StatesCache
from hiprobe.video.probe import video_info


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
    request = Request.of(backbone, settings, prompts)
    kept = Kept.of(
        video, "segments", stretch=stretch, settings=settings, request=request, cache=cache
    )
    found = kept.finished()
    left = kept.without(found)
    if left.request.prompts:
        total = _estimate_segments(video, settings, stretch) if progress else None
        clock = Clock(progress, total, name=Path(video).name)
        found |= pass_over_segments(left, settings, stretch, clock)
    return {prompt: found[prompt] for prompt in request.prompts}


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
    request = Request.of(backbone, settings, prompts)
    kept = Kept.of(video, "clip", stretch=stretch, settings=settings, request=request, cache=cache)
    found = kept.finished()
    left = kept.without(found)
    if left.request.prompts:
        found |= pass_over_clip(left, settings, stretch)
    return {prompt: found[prompt] for prompt in request.prompts}


def _estimate_segments(
    video: Path | str, settings: ExtractionSettings, stretch: Stretch
) -> int | None:
    info = video_info(video)
    length, fps = info.duration_seconds_from_header, info.fps_from_header
    if length is None or fps is None:
        return None
    end = length if stretch.end_seconds is None else min(length, stretch.end_seconds)
    seconds = settings.segment_seconds or settings.segment_frames / fps
    return max(1, -int(-(end - (stretch.start_seconds or 0.0)) // seconds))
