"""Detection in one video: only the probe's layer is read, then everything is numpy."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from hiprobe.backbones.interface import Backbone
from hiprobe.errors import StatesError, UsageError
from hiprobe.joined import ReadsStates, layers_read, readings_read, states_read
from hiprobe.pipeline.reading import ExtractionSettings
from hiprobe.pipeline.source import ReadPlan, open_source
from hiprobe.progress import Progress, ProgressEvent
from hiprobe.provenance import Provenance
from hiprobe.segment import WHOLE, Stretch, covered_seconds
from hiprobe.states import Reading, States, VideoStates
from hiprobe.store.states_cache import StatesCache
from hiprobe.timeline import Timeline
from hiprobe.video.container import seconds_since_change


class Detector(ReadsStates, Protocol):
    """What detection needs of a fitted probe."""

    @property
    def provenance_(self) -> Provenance | None:
        """How the clips of its fit were read, where that is known."""
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
        real_time_factor: seconds of video per second of work, without gaps and what was known from
            before; above 1 is faster than the camera. None where nothing was read anew.
        known_segments: segments whose states lay in a file, in the cache, or were kept by an
            interrupted run.
        outcome: "end" or "truncated".
        seconds_since_change: how long before the end of the work the file was changed; a recording
            may still go on. None for states.
        video: the file that was scored.
        probe: what scored it.
    """

    timeline: Timeline
    states: States
    elapsed_seconds: float
    real_time_factor: float | None
    known_segments: int
    outcome: str
    seconds_since_change: float | None = None
    video: Path | None = None
    probe: Detector | None = None


def detect_video(
    video: Path | str,
    *,
    probe: Detector,
    backbone: Backbone | None,
    score: Callable[[States], Timeline] | None = None,
    settings: ExtractionSettings | None = None,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> DetectResult:
    """Score a video, or states extracted from one (then `backbone` may be None).

    Args:
        score: how states become a timeline, `probe.detect` unless given (other thresholds).
        settings: how the video is cut; as the probe's clips were where None. Layer and reading
            are the probe's own.

    Raises:
        VideoError, BackboneMemoryError, StatesError: as `extract_video`.
        FingerprintError: the probe was fitted on another backbone.
        UsageError: a video without a backbone.
    """
    began = time.monotonic()
    fresh = _Fresh(progress)
    source = open_source(video)
    if source.has_pictures and backbone is None:
        raise UsageError(f"{video} is a video; reading it needs the probe's backbone")
    plan = detection_plan(probe, backbone, settings=settings, cache=cache)
    if backbone is not None:
        plan.settings.layers_of(backbone.layer_count)
    (found,) = source.states(plan, stretch, fresh)
    if not source.has_pictures:
        _tell_of_another_cut(found.provenance, probe.provenance_, video)
    every = {reading: _segments(found, reading, video) for reading in plan.settings.readings}
    states = states_read(every, probe)
    timeline = replace((score or probe.detect)(states), ended=found.outcome)
    elapsed = max(time.monotonic() - began, fresh.elapsed_seconds)
    known = len(states) - fresh.count
    seconds = covered_seconds(states.start_seconds[known:], states.end_seconds[known:])
    factor = seconds / max(elapsed, 1e-9) if fresh.count else None
    changed = seconds_since_change(video) if source.has_pictures else None
    return DetectResult(
        timeline,
        states,
        elapsed,
        factor,
        known,
        found.outcome,
        changed,
        video=Path(video),
        probe=probe,
    )


def detection_plan(
    probe: Detector,
    backbone: Backbone | None,
    *,
    settings: ExtractionSettings | None = None,
    cache: StatesCache | None = None,
) -> ReadPlan:
    """What is read of a video to score it: the probe's layer and reading, a row a segment.

    Args:
        settings: how the video is cut; as the probe's clips were where None.
    """
    own = ExtractionSettings.like(probe.provenance_) if settings is None else settings
    own = replace(own, layers=layers_read(probe), readings=readings_read(probe))
    return ReadPlan(backbone, own, want=("segments",), cache=cache)


def _tell_of_another_cut(
    made: Provenance | None, fitted: Provenance | None, video: Path | str
) -> None:
    if made is not None and fitted is not None and made.cut.words != fitted.cut.words:
        warnings.warn(
            f"{video} holds states of {made.cut.words}, the probe was fitted on "
            f"{fitted.cut.words}: its scores are of another kind; extract the video again so",
            stacklevel=3,
        )


@dataclass
class _Fresh:
    """Counts what is read anew, and passes on what it hears."""

    progress: Progress | None
    count: int = 0
    elapsed_seconds: float = 0.0

    def __call__(self, event: ProgressEvent) -> None:
        # A worker may have read it before it was asked for here.
        self.elapsed_seconds = event.elapsed_seconds
        self.count = event.done - event.skipped
        if self.progress is not None:
            self.progress(event)


def _segments(found: VideoStates, reading: Reading, video: Path | str) -> States:
    states = found.states.get(reading)
    if states is None or not len(states):
        raise StatesError(
            f"{video} holds no segments read at {reading}, only {sorted(found.states)}; "
            "extract it again with that reading"
        )
    return states
