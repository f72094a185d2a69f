"""What the backbone says about events, their normal neighbours and the whole video."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hiprobe.backbones.interface import DETECT_PROMPT, Backbone
from hiprobe.pipeline.progress import Clock, Progress
from hiprobe.pipeline.settings import MAX_SIDE_PIXELS
from hiprobe.segment import KEY_FRAMES
from hiprobe.timeline import Event, Explanation, Timeline
from hiprobe.video.clip import read_clip

PEAK_SEGMENTS = 3
"""An event is shown by the segments around its peak, at most this many."""


@dataclass(frozen=True)
class Prompts:
    """What the backbone is asked. Its answers are kept word for word."""

    event: str = DETECT_PROMPT
    normal: str = DETECT_PROMPT
    summary: str = "Describe what happens in this video."


def explain(
    timeline: Timeline,
    video: Path | str,
    *,
    backbone: Backbone,
    prompts: Prompts | None = None,
    key_frames: int = KEY_FRAMES,
    max_new_tokens: int = 64,
    max_side_pixels: int | None = MAX_SIDE_PIXELS,
    progress: Progress | None = None,
) -> Timeline:
    """The timeline with the backbone's own words: every event, a normal neighbour, a summary.

    Each event is described from key frames around its peak; beside it, the nearest segment
    outside of all events, each used once; and last, key frames over the whole timeline.

    Raises:
        VideoError: the video cannot be read.
    """
    asked = prompts or Prompts()
    stretches = _stretches(timeline, asked)
    clock = Clock(progress, len(stretches), name=Path(video).name)
    said = []
    for number, (kind, start, end, prompt) in enumerate(stretches, start=1):
        shown = read_clip(
            video,
            key_frames=key_frames,
            start_seconds=start,
            end_seconds=end,
            max_side_pixels=max_side_pixels,
        )
        text = backbone.describe(shown.frames, prompt=prompt, max_new_tokens=max_new_tokens)
        said.append(Explanation(kind, start, end, prompt, text))
        clock.tell(number, seconds_of_video=end - start)
    texts = iter([e.text for e in said if e.kind == "event"])
    events = tuple(replace(event, explanation=next(texts)) for event in timeline.events)
    return replace(timeline, events=events, explanations=tuple(said))


_Stretch = tuple[str, float, float, str]


def _stretches(timeline: Timeline, prompts: Prompts) -> list[_Stretch]:
    if not len(timeline):
        return []
    found: list[_Stretch] = []
    free = _normal_segments(timeline)
    for event in timeline.events:
        first, end = peak_segments(event, timeline)
        found.append(("event", *_times(timeline, first, end), prompts.event))
        if free:
            near = min(free, key=lambda i, e=event: _distance(i, e))  # type: ignore[misc]
            free.remove(near)
            found.append(("normal", *_times(timeline, near, near + 1), prompts.normal))
    found.append(("summary", *_times(timeline, 0, len(timeline)), prompts.summary))
    return found


def peak_segments(event: Event, timeline: Timeline) -> tuple[int, int]:
    """Half-open range of at most `PEAK_SEGMENTS` segments of an event, around its peak."""
    scores = timeline.smoothed[event.first_segment : event.end_segment]
    peak = event.first_segment + int(np.argmax(np.nan_to_num(scores, nan=-np.inf)))
    first = max(event.first_segment, peak - PEAK_SEGMENTS // 2)
    end = min(event.end_segment, first + PEAK_SEGMENTS)
    return max(event.first_segment, end - PEAK_SEGMENTS), end


def _normal_segments(timeline: Timeline) -> list[int]:
    inside = {i for e in timeline.events for i in range(e.first_segment, e.end_segment)}
    return [i for i in range(len(timeline)) if i not in inside and np.isfinite(timeline.scores[i])]


def _distance(segment: int, event: Event) -> int:
    if segment < event.first_segment:
        return event.first_segment - segment
    return segment - event.end_segment + 1


def _times(timeline: Timeline, first: int, end: int) -> tuple[float, float]:
    return float(timeline.start_seconds[first]), float(timeline.end_seconds[end - 1])
