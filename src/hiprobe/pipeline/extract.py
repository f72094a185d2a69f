"""The one loop: video in, hidden states out, decoding and the model side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from hiprobe.backbones.interface import Backbone
from hiprobe.pipeline.batches import Request
from hiprobe.pipeline.extracted import is_extracted, load_extracted
from hiprobe.pipeline.keeping import Kept
from hiprobe.pipeline.progress import Clock, Progress
from hiprobe.pipeline.settings import DEFAULTS, WHOLE, ExtractionSettings, Stretch
from hiprobe.pipeline.streaming import pass_over_both, pass_over_clip, pass_over_segments
from hiprobe.states import VideoStates
from hiprobe.store.cache import StatesCache
from hiprobe.video.probe import video_info

Unit = Literal["clip", "segments"]
"""What a row of states stands for."""


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


def extract_units(
    video: Path | str,
    *,
    backbone: Backbone,
    prompts: Sequence[str],
    want: Sequence[Unit] = ("clip", "segments"),
    settings: ExtractionSettings = DEFAULTS,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, VideoStates], dict[str, VideoStates]]:
    """States by prompt of the whole clip and of its segments, as far as wanted.

    One decoding gives both, the same as each alone would be.

    Raises:
        As `extract_prompts`.
    """
    request = Request.of(backbone, settings, prompts)

    def kept_of(unit: Unit) -> Kept:
        asked = request if unit in want else replace(request, prompts=())
        return Kept.of(video, unit, stretch=stretch, settings=settings, request=asked, cache=cache)

    clip, segments = kept_of("clip"), kept_of("segments")
    whole, parts = clip.finished(), segments.finished()
    clip, segments = clip.without(whole), segments.without(parts)
    clock = _clock(video, settings, stretch, progress) if segments.request.prompts else None
    if clock and clip.request.prompts:
        more, others = pass_over_both(clip, segments, settings, stretch, clock)
        whole, parts = whole | more, parts | others
    elif clock:
        parts |= pass_over_segments(segments, settings, stretch, clock)
    elif clip.request.prompts:
        whole |= pass_over_clip(clip, settings, stretch)
    return _in_order(whole, request.prompts), _in_order(parts, request.prompts)


def _in_order(found: dict[str, VideoStates], prompts: Sequence[str]) -> dict[str, VideoStates]:
    return {prompt: found[prompt] for prompt in prompts if prompt in found}


def _clock(
    video: Path | str, settings: ExtractionSettings, stretch: Stretch, progress: Progress | None
) -> Clock:
    total = _estimate_segments(video, settings, stretch) if progress else None
    return Clock(progress, total, name=Path(video).name)


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
