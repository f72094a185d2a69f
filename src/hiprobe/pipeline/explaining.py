"""The backbone's own words about events and about normal stretches near them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from hiprobe.backbones.interface import DETECT_PROMPT, Backbone, Speech, speech_of
from hiprobe.errors import BackboneMemoryError, UsageError, VideoError
from hiprobe.paper import KEY_FRAMES
from hiprobe.pipeline.answers import Answer, read_answer
from hiprobe.progress import Clock, Progress
from hiprobe.segment import MAX_SIDE_PIXELS, Cut, Stretch, after_gap
from hiprobe.timeline import Event, Explanation, Kind, Timeline
from hiprobe.video.clip import read_clip_and_outcome

# Longest plain answer: two or three sentences.
PLAIN_TOKENS = 64

# Longest answer in JSON: four fields of a sentence or two.
STRUCTURED_TOKENS = 320

_FORM = (
    "Answer with one JSON object and nothing else. Its keys are "
    '"title" (a few words), "what_happens" (one or two sentences), '
    '"why_unusual" ({why}) and "confidence" (a number from 0 to 1: how sure you are).'
)


@dataclass(frozen=True)
class Prompts:
    """What the backbone is asked. Its answers are kept word for word.

    Attributes:
        event, normal, summary: about a detected event, a normal stretch, the whole video.
        max_new_tokens: longest answer.
    """

    event: str = DETECT_PROMPT
    normal: str = DETECT_PROMPT
    summary: str = "Describe what happens in this video."
    max_new_tokens: int = PLAIN_TOKENS

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise UsageError(f"an answer of {self.max_new_tokens} tokens is none; give at least 1")


PLAIN = Prompts()
STRUCTURED = Prompts(
    event="This part of a surveillance video was marked as abnormal. Look at it yourself. "
    + _FORM.format(why="what makes it unusual, empty if nothing does"),
    normal="This part of a surveillance video was marked as normal. Look at it yourself. "
    + _FORM.format(why="empty if nothing is unusual"),
    summary="These frames are spread over a whole surveillance video. Sum up what happens in it. "
    + _FORM.format(why="what is unusual in it, empty if nothing is"),
    max_new_tokens=STRUCTURED_TOKENS,
)


def prompts_for(speech: Speech, *, max_new_tokens: int | None = None) -> Prompts:
    """JSON of a backbone that can give it, plain words of another."""
    chosen = STRUCTURED if speech.structured else PLAIN
    return chosen if max_new_tokens is None else replace(chosen, max_new_tokens=max_new_tokens)


# Eight key frames spread over an event of minutes would miss what raised its score.
# An event is shown by the segments around its peak, at most this many.
PEAK_SEGMENTS = 3


def explain(
    timeline: Timeline,
    video: Path | str,
    *,
    backbone: Backbone,
    prompts: Prompts | None = None,
    speech: Speech | None = None,
    key_frames: int = KEY_FRAMES,
    max_side_pixels: int | None = MAX_SIDE_PIXELS,
    progress: Progress | None = None,
) -> Timeline:
    """The timeline with the backbone's own words: every event, a normal neighbour, a summary.

    Each event is described from key frames around its peak, of what was seen to score it; beside
    it, the nearest segment outside of all events, each used once; and last, key frames over the
    whole timeline. What cannot be read, does not fit into memory or is no JSON is an outcome of
    its explanation.

    Args:
        prompts: what is asked; by what the backbone declares where None.
        speech: how words are chosen; the backbone's own way (greedy) where None.

    Raises:
        BackboneError: the backbone was loaded cut and cannot speak.
    """
    own = speech_of(backbone) if speech is None else speech
    asked = prompts or prompts_for(own)
    cut = Cut(key_frames=key_frames, max_side_pixels=max_side_pixels)
    moments = _moments(timeline)
    clock = Clock(progress, len(moments), name=Path(video).name)
    told: list[Explanation] = []
    for number, moment in enumerate(moments, start=1):
        prompt, stretch = getattr(asked, moment.kind), moment.stretch
        try:
            shown, _ = read_clip_and_outcome(video, cut, stretch)
            text = backbone.describe(
                shown.frames,
                prompt=prompt,
                max_new_tokens=asked.max_new_tokens,
                speech=speech,
                frame_seconds=shown.frame_offsets_seconds,
            )
            answer = read_answer(text)
        except (VideoError, BackboneMemoryError, MemoryError) as error:
            # That there are no words is an answer too: the scores stand without them.
            answer = Answer("", "failed", reason=str(error) or "out of memory")
        told.append(
            Explanation(
                kind=moment.kind,
                start_seconds=moment.start_seconds,
                end_seconds=moment.end_seconds,
                prompt=prompt,
                event=moment.event,
                guess=not own.structured,
                **asdict(answer),
            )
        )
        clock.tell(number, seconds_of_video=moment.end_seconds - moment.start_seconds)
    return replace(timeline, events=_with_words(timeline.events, told), explanations=tuple(told))


@dataclass(frozen=True)
class _Moment:
    """A part of the video that is described; `event` is the number of the event it goes with."""

    kind: Kind
    start_seconds: float
    end_seconds: float
    event: int | None = None

    @property
    def stretch(self) -> Stretch:
        return Stretch(self.start_seconds, self.end_seconds)


def _with_words(events: Sequence[Event], told: Sequence[Explanation]) -> tuple[Event, ...]:
    words = {item.event: item.words or None for item in told if item.kind == "event"}
    return tuple(replace(e, explanation=words.get(n)) for n, e in enumerate(events, start=1))


def _moments(timeline: Timeline) -> list[_Moment]:
    if not len(timeline):
        return []
    found: list[_Moment] = []
    free = _normal_segments(timeline)
    for number, event in enumerate(timeline.events, start=1):
        found.append(_Moment("event", *_times(timeline, *peak_segments(event, timeline)), number))
        # A normal neighbour shows whether the model finds the place itself unusual.
        if free:
            near = min(free, key=lambda i, e=event: _distance(i, e))  # type: ignore[misc]
            # Two events side by side would have the same neighbour described twice.
            free.remove(near)
            found.append(_Moment("normal", *_times(timeline, near, near + 1), number))
    whole = float(timeline.start_seconds[0]), float(timeline.end_seconds[-1])
    found.append(_Moment("summary", *whole))
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
    lengths = timeline.end_seconds - timeline.start_seconds
    free = [i for i in range(len(timeline)) if i not in inside and np.isfinite(timeline.scores[i])]
    # The last segment may be a frame or two, of which there is nothing to tell.
    whole = [i for i in free if lengths[i] >= np.median(lengths) / 2]
    return whole or free


def _distance(segment: int, event: Event) -> int:
    if segment < event.first_segment:
        return event.first_segment - segment
    return segment - event.end_segment + 1


def _times(timeline: Timeline, first: int, end: int) -> tuple[float, float]:
    """What was seen to score some segments.

    Where a score is that of the last window that ended, it stands behind what the window shows.
    """
    waited = (timeline.end_seconds - timeline.start_seconds)[timeline.waiting]
    begins = first == 0 or bool(after_gap(timeline.start_seconds, timeline.end_seconds)[first])
    if begins or not len(waited):
        return float(timeline.start_seconds[first]), float(timeline.end_seconds[end - 1])
    window_seconds = float(waited.max())
    seen = float(timeline.start_seconds[first]) - window_seconds
    return max(0.0, seen), float(timeline.start_seconds[end - 1])
