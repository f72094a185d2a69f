"""The model's words on an event and on a normal moment near it, one event at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from hiprobe.backbones.interface import Backbone, speech_of
from hiprobe.errors import BackboneError
from hiprobe.pipeline.answers import read_answer
from hiprobe.pipeline.explaining import prompts_for
from hiprobe.review.library import Library
from hiprobe.review.server.jobs import Job
from hiprobe.segment import Cut, Stretch
from hiprobe.timeline import Timeline
from hiprobe.video.clip import read_clip_and_outcome

# What the model is shown, around the peak of an event. In a longer stretch its key frames would lie
# too far apart to show a fall or a blow.
_LONGEST_SECONDS = 4.0


class LazyModel:
    """A backbone that is opened when the first words are asked for.

    Args:
        open_backbone: opens it with all its layers, since a cut one has no words; None where no
            probe says which backbone it is.
    """

    def __init__(self, open_backbone: Callable[[], Backbone] | None) -> None:
        self._open = open_backbone
        self._backbone: Backbone | None = None
        self._lock = threading.Lock()

    def describe(self, video: Path, start_seconds: float, end_seconds: float, /) -> str:
        """Words on a stretch of a video.

        Raises:
            BackboneError: no model is at hand.
            VideoError: the stretch cannot be read.
        """
        if self._open is None:
            raise BackboneError(
                "no model is at hand; start `hiprobe review` with --probe, whose model is asked"
            )
        # Two people may ask at once; the model is opened once, and takes its calls in turn itself.
        with self._lock:
            if self._backbone is None:
                self._backbone = self._open()
        stretch = Stretch(start_seconds, end_seconds)
        shown, _ = read_clip_and_outcome(video, Cut(), stretch)
        speech = speech_of(self._backbone)
        asked = prompts_for(speech)
        text = self._backbone.describe(
            shown.frames,
            prompt=asked.event,
            max_new_tokens=asked.max_new_tokens,
            frame_seconds=shown.frame_offsets_seconds,
        )
        answer = read_answer(text)
        if answer.reason is not None:
            return f"({answer.reason})"
        parts = (answer.title, answer.what_happens, answer.why_unusual)
        words = ". ".join(part.rstrip(". ") for part in parts if part) or answer.text
        return words if speech.structured else f"(a guess of a small model) {words}"


def tell_in_words(event_id: str, library: Library, model: LazyModel, job: Job) -> None:
    """Ask about an event and about a normal moment near it; the words on the event are kept.

    The normal moment shows how the model words what is not unusual here.

    Raises:
        BackboneError: no model is at hand.
        VideoError: the video cannot be read.
    """
    event = library.event(event_id)
    path, timeline = library.video_path(event.video_id), library.timeline(event.video_id)
    half = _LONGEST_SECONDS / 2
    start = max(event.start_seconds, event.peak_seconds - half)
    job.say("progress", {"done": 0, "total": 2, "text": "Asking the model", "seconds_left": None})
    words = model.describe(path, start, min(event.end_seconds, start + _LONGEST_SECONDS))
    library.set_explanation(event_id, words)
    job.say("words", {"text": words, "of": "event"})
    normal = nearest_normal(timeline, event.peak_seconds)
    if normal is not None:
        job.say("words", {"text": model.describe(path, *normal), "of": "normal"})


def nearest_normal(timeline: Timeline, seconds: float) -> tuple[float, float] | None:
    """Start and end of the segment nearest to a moment that is not above the threshold.

    Returns:
        None where all of them are above it, or have no score.
    """
    columns = zip(timeline.start_seconds, timeline.end_seconds, timeline.smoothed, strict=True)
    normal = [(float(a), float(b)) for a, b, score in columns if score <= timeline.threshold]
    return min(normal, key=lambda s: abs((s[0] + s[1]) / 2 - seconds), default=None)
