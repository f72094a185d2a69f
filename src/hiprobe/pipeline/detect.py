"""Detection in one video: only the probe's layer is read, then everything is numpy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from hiprobe.backbones.interface import Backbone
from hiprobe.datasets.clips import STATES_SUFFIX
from hiprobe.errors import StatesError, UsageError
from hiprobe.pipeline.extract import BATCH_SEGMENTS, MAX_SIDE_PIXELS, extract_video
from hiprobe.pipeline.extracted import load_extracted
from hiprobe.pipeline.progress import Progress
from hiprobe.segment import KEY_FRAMES, SEGMENT_FRAMES
from hiprobe.states import Reading, States, VideoStates
from hiprobe.store.cache import StatesCache
from hiprobe.timeline import Timeline


class Detector(Protocol):
    """What detection needs of a fitted probe."""

    @property
    def layer_(self) -> int:
        """The layer that it reads."""
        ...

    def detect(self, states: States) -> Timeline:
        """Scores and events of one video's states."""
        ...


@dataclass(frozen=True)
class DetectResult:
    """A scored video.

    Attributes:
        timeline: scores and events; `timeline.ended` repeats `outcome`.
        states: what was scored.
        elapsed_seconds: time from opening the video to its events.
        real_time_factor: seconds of video per second of work; above 1 is faster than the
            camera. None where it would mean nothing: states from a file.
        outcome: "end" or "truncated".
    """

    timeline: Timeline
    states: States
    elapsed_seconds: float
    real_time_factor: float | None
    outcome: str


def detect_video(
    video: Path | str,
    *,
    probe: Detector,
    backbone: Backbone | None,
    reading: Reading = "last",
    score: Callable[[States], Timeline] | None = None,
    segment_frames: int = SEGMENT_FRAMES,
    segment_seconds: float | None = None,
    key_frames: int = KEY_FRAMES,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    max_side_pixels: int | None = MAX_SIDE_PIXELS,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
    batch: int = BATCH_SEGMENTS,
) -> DetectResult:
    """Score a video, or states extracted from one (then `backbone` may be None).

    Args:
        score: how states become a timeline, `probe.detect` unless given (other thresholds).

    Raises:
        VideoError, BackboneMemoryError, StatesError: as `extract_video`.
        FingerprintError: the probe was fitted on another backbone.
        UsageError: a video without a backbone.
    """
    began = time.monotonic()
    extracted = Path(video).suffix == STATES_SUFFIX
    if extracted and backbone is None:
        found = load_extracted(video, layers=(probe.layer_,), fingerprint=None)
    elif backbone is None:
        raise UsageError(f"{video} is a video; reading it needs the probe's backbone")
    else:
        found = extract_video(
            video,
            backbone=backbone,
            layers=(probe.layer_,),
            readings=(reading,),
            segment_frames=segment_frames,
            segment_seconds=segment_seconds,
            key_frames=key_frames,
            start_seconds=start_seconds,
            end_seconds=end_seconds,
            max_side_pixels=max_side_pixels,
            cache=cache,
            progress=progress,
            batch=batch,
        )
    states = _segments(found, reading, video)
    timeline = replace((score or probe.detect)(states), ended=found.outcome)
    elapsed = time.monotonic() - began
    length = float(states.end_seconds[-1] - states.start_seconds[0])
    factor = None if extracted else length / max(elapsed, 1e-9)
    return DetectResult(timeline, states, elapsed, factor, found.outcome)


def _segments(found: VideoStates, reading: Reading, video: Path | str) -> States:
    states = found.states.get(reading)
    if states is None or not len(states):
        raise StatesError(
            f"{video} holds no segments read at {reading}, only {sorted(found.states)}; "
            "extract it again with that reading"
        )
    return states
