"""States of labelled clips for fitting; a bad file is listed, it does not stop the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hiprobe.backbones.interface import Backbone
from hiprobe.datasets.clips import STATES_SUFFIX, LabelledClip
from hiprobe.errors import (
    BackboneMemoryError,
    FingerprintError,
    StatesError,
    UsageError,
    VideoError,
)
from hiprobe.pipeline.extract import BATCH_SEGMENTS, MAX_SIDE_PIXELS, extract_clip, extract_video
from hiprobe.pipeline.extracted import load_extracted
from hiprobe.pipeline.progress import Clock, Progress
from hiprobe.segment import KEY_FRAMES, SEGMENT_FRAMES
from hiprobe.states import LabelledStates, Reading, States
from hiprobe.store.cache import StatesCache

Unit = Literal["clip", "segments"]


@dataclass(frozen=True)
class Failure:
    """A file that could not be used, and why."""

    video: Path
    reason: str


def extract_examples(
    clips: Sequence[LabelledClip],
    *,
    backbone: Backbone | None,
    layers: Sequence[int] | None = None,
    reading: Reading = "last",
    want: Sequence[Unit] = ("clip", "segments"),
    segment_frames: int = SEGMENT_FRAMES,
    segment_seconds: float | None = None,
    key_frames: int = KEY_FRAMES,
    max_side_pixels: int | None = MAX_SIDE_PIXELS,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
    batch: int = BATCH_SEGMENTS,
) -> tuple[list[LabelledStates], list[Failure]]:
    """States of every clip that can be read, in order, and the ones that cannot.

    Args:
        backbone: None where every clip is a file of extracted states.
        layers: layer numbers, None for 1..L (of a file of states: what it holds from 1 on).
        want: "clip" for one vector from key frames over the clip, "segments" for one each.

    Returns:
        The examples, and one `Failure` for each clip without states.

    Raises:
        UsageError: a video without a backbone.
    """

    _refuse_videos_without_backbone(clips, backbone)

    def one(clip: LabelledClip) -> LabelledStates:
        if clip.video.suffix == STATES_SUFFIX or backbone is None:
            return _from_file(clip, layers, reading, want, backbone)
        whole = segments = None
        if "clip" in want:
            whole = extract_clip(
                clip.video,
                backbone=backbone,
                layers=layers,
                readings=(reading,),
                key_frames=key_frames,
                start_seconds=clip.start_seconds,
                end_seconds=clip.end_seconds,
                max_side_pixels=max_side_pixels,
                cache=cache,
            ).clip[reading]
        if "segments" in want:
            segments = extract_video(
                clip.video,
                backbone=backbone,
                layers=layers,
                readings=(reading,),
                segment_frames=segment_frames,
                segment_seconds=segment_seconds,
                key_frames=key_frames,
                start_seconds=clip.start_seconds,
                end_seconds=clip.end_seconds,
                max_side_pixels=max_side_pixels,
                cache=cache,
                batch=batch,
            ).states[reading]
        return _labelled(clip, whole, segments)

    examples: list[LabelledStates] = []
    failures: list[Failure] = []
    clock, seconds = Clock(progress, len(clips)), 0.0
    for number, clip in enumerate(clips, start=1):
        clock.name = clip.name
        try:
            examples.append(one(clip))
            seconds += _length_seconds(examples[-1])
        except (VideoError, StatesError, FingerprintError, BackboneMemoryError) as error:
            failures.append(Failure(clip.video, str(error)))
        clock.tell(number, seconds_of_video=seconds)
    return examples, failures


def _refuse_videos_without_backbone(
    clips: Sequence[LabelledClip], backbone: Backbone | None
) -> None:
    videos = [c.name for c in clips if c.video.suffix != STATES_SUFFIX]
    if backbone is None and videos:
        raise UsageError(f"{videos[0]} is a video; reading it needs a backbone")


def _from_file(
    clip: LabelledClip,
    layers: Sequence[int] | None,
    reading: Reading,
    want: Sequence[Unit],
    backbone: Backbone | None,
) -> LabelledStates:
    fingerprint = None if backbone is None else backbone.fingerprint
    found = load_extracted(clip.video, layers=layers, fingerprint=fingerprint)
    is_whole = clip.start_seconds is None and clip.end_seconds is None
    # The vector of a whole video is not that of a stretch of it.
    whole = found.clip.get(reading) if is_whole and "clip" in want else None
    segments = found.states.get(reading) if "segments" in want else None
    if segments is not None:
        segments = _within(segments, clip)
    if whole is None and segments is None:
        raise StatesError(
            f"{clip.video} holds no states of {clip.name} read at {reading} by "
            f"{' or '.join(want)}; extract it again"
        )
    return _labelled(clip, whole, segments)


def _labelled(clip: LabelledClip, whole: States | None, segments: States | None) -> LabelledStates:
    return LabelledStates(clip.name, clip.label, clip.source, whole, segments, clip.class_name)


def _within(states: States, clip: LabelledClip) -> States | None:
    """The segments that begin within the clip's stretch; None where there are none."""
    begin, end = clip.start_seconds, clip.end_seconds
    rows = states.start_seconds >= (begin or 0.0)
    if end is not None:
        rows &= states.start_seconds < end
    return states.select_rows(rows) if rows.any() else None


def _length_seconds(example: LabelledStates) -> float:
    states = example.segments if example.segments is not None else example.clip
    return float(states.end_seconds[-1] - states.start_seconds[0]) if states is not None else 0.0
