"""The one loop: video in, hidden states out, decoding and the model side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from hiprobe.backbones.interface import Backbone
from hiprobe.pipeline.batches import Request
from hiprobe.pipeline.keeping import Kept
from hiprobe.pipeline.progress import Clock, Progress
from hiprobe.pipeline.settings import DEFAULTS, WHOLE, ExtractionSettings, Stretch
from hiprobe.pipeline.streaming import pass_over_both, pass_over_clip, pass_over_segments
from hiprobe.provenance import Provenance
from hiprobe.states import VideoStates
from hiprobe.store.cache import StatesCache
from hiprobe.video.probe import video_info

Unit = Literal["clip", "segments"]
"""What a row of states stands for."""


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
    made = settings.provenance(backbone)
    return _in_order(whole, request.prompts, made), _in_order(parts, request.prompts, made)


def _in_order(
    found: dict[str, VideoStates], prompts: Sequence[str], made: Provenance
) -> dict[str, VideoStates]:
    return {p: replace(found[p], provenance=made) for p in prompts if p in found}


def _clock(
    video: Path | str, settings: ExtractionSettings, stretch: Stretch, progress: Progress | None
) -> Clock:
    total = _estimate_segments(video, settings, stretch) if progress else None
    return Clock(progress, total, name=Path(video).name)


def _estimate_segments(
    video: Path | str, settings: ExtractionSettings, stretch: Stretch
) -> int | None:
    info = video_info(video)
    if info.frame_count_from_header and stretch == WHOLE and settings.segment_seconds is None:
        return -(-info.frame_count_from_header // settings.segment_frames)
    length, fps = info.duration_seconds_from_header, info.fps_from_header
    if length is None or fps is None:
        return None
    end = length if stretch.end_seconds is None else min(length, stretch.end_seconds)
    seconds = settings.segment_seconds or settings.segment_frames / fps
    return max(1, -int(-(end - (stretch.start_seconds or 0.0)) // seconds))
