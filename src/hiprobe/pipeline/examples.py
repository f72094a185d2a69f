"""Labelled clips to labelled states."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from hiprobe.backbones.interface import Backbone
from hiprobe.datasets.clips import LabelledClip
from hiprobe.datasets.same_content import settle_copies
from hiprobe.failures import Failure, failure_of
from hiprobe.pipeline.extraction import (
    Unit,
    examples_of_file,
    extract_units,
    is_extracted,
    refuse_videos,
)
from hiprobe.pipeline.reading import DEFAULTS, ExtractionSettings, Stretch
from hiprobe.progress import Clock, Progress, ProgressEvent
from hiprobe.segment import covered_seconds
from hiprobe.states import LabelledStates
from hiprobe.store.content_hash import content_hash
from hiprobe.store.states_cache import StatesCache


@dataclass(frozen=True)
class ClipReader:
    """Reads one labelled clip after the other in the same way, in several views at once.

    Attributes:
        prompts: None for the backbone's own.
        want: units to read.
    """

    backbone: Backbone | None
    prompts: Sequence[str] | None
    settings: ExtractionSettings
    want: Sequence[Unit]
    cache: StatesCache | None

    @property
    def view_count(self) -> int:
        """Prompts by readings."""
        prompts = 1 if self.prompts is None else len(self.prompts)
        return prompts * len(self.settings.readings)

    def read(self, clip: LabelledClip, progress: Progress | None) -> list[LabelledStates]:
        """One example for each view: for each prompt, each reading.

        Raises:
            VideoError, BackboneMemoryError, StatesError, FingerprintError: the clip cannot be used.
        """
        if self.backbone is None or is_extracted(clip.video):
            return examples_of_file(
                clip,
                layers=self.settings.layers,
                readings=self.settings.readings,
                prompts=self.prompts,
                want=self.want,
                fingerprint=None if self.backbone is None else self.backbone.fingerprint,
            )
        own = (self.backbone.fingerprint.prompt,)
        prompts = own if self.prompts is None else tuple(self.prompts)
        whole, segments = extract_units(
            clip.video,
            backbone=self.backbone,
            prompts=prompts,
            want=self.want,
            settings=self.settings,
            stretch=Stretch(clip.start_seconds, clip.end_seconds),
            cache=self.cache,
            progress=progress,
        )
        return [
            LabelledStates(
                clip.name,
                clip.label,
                clip.source,
                whole[prompt].clip[reading] if whole else None,
                segments[prompt].states[reading] if segments else None,
                clip.class_name,
                self.settings.provenance(self.backbone),
            )
            for prompt in prompts
            for reading in self.settings.readings
        ]


_END_SLACK_SECONDS = 0.05
"""Ends are often rounded; a shorter lack is no mistake."""

Views = list[list[LabelledStates]]
"""The same clips seen in several ways: one list of examples for each prompt and reading."""


def extract_examples(
    clips: Sequence[LabelledClip],
    *,
    backbone: Backbone | None,
    settings: ExtractionSettings = DEFAULTS,
    want: Sequence[Unit] = ("clip", "segments"),
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> tuple[list[LabelledStates], list[Failure]]:
    """States of every clip that can be read, in order, and the ones that cannot.

    Args:
        backbone: None where every clip is a file of extracted states.
        settings: the first reading is taken; layers None are 1..L (of a file of states: what
            it holds from 1 on).
        want: "clip" for one vector from key frames over the clip, "segments" for one each.

    Returns:
        The examples, and one `Failure` for each clip without states.

    Raises:
        UsageError: a video without a backbone.
        LabelError: the same content under two labels.
    """
    views, failures = extract_views(
        clips,
        backbone=backbone,
        settings=settings,
        want=want,
        cache=cache,
        progress=progress,
    )
    return views[0], failures


def extract_views(
    clips: Sequence[LabelledClip],
    *,
    backbone: Backbone | None,
    prompts: Sequence[str] | None = None,
    settings: ExtractionSettings = DEFAULTS,
    want: Sequence[Unit] = ("clip", "segments"),
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> tuple[Views, list[Failure]]:
    """States of clips for each prompt and reading, in one pass over each video.

    Clips of the same content get one source, so that no fold splits them; states of a video that is
    among the clips are left out.

    Returns:
        Examples for each prompt (None: the backbone's own) and, within it, each reading of the
        settings; and one `Failure` for each clip without states. All views hold the same clips.

    Raises:
        UsageError: a video without a backbone, or a backbone that reads no other prompt.
        LabelError: the same content under two labels.
    """
    refuse_videos(clips, backbone)
    digest = content_hash if cache is None else cache.content_hash
    clips = settle_copies(clips, digest=digest).clips
    reader = ClipReader(backbone, prompts, settings, want, cache)
    views: Views = [[] for _ in range(reader.view_count)]
    failures: list[Failure] = []
    clock, seconds = Clock(progress, len(clips)), 0.0
    for number, clip in enumerate(clips, start=1):
        clock.name = clip.name
        course = _Course(clock, number - 1, seconds)
        try:
            seen = reader.read(clip, course if progress else None)
        except Exception as error:
            failures.append(failure_of(clip.video, error))
        else:
            for view, example in zip(views, seen, strict=True):
                view.append(example)
            _warn_of_end(clip, seen[0])
            seconds += _length_seconds(seen[0])
            clock.skipped += "segments" in want and not course.has_begun
        clock.tell(number, seconds_of_video=seconds)
    return views, failures


@dataclass
class _Course:
    """Tells of the clip at work, so that a long one does not look like a standstill.

    Attributes:
        has_begun: some of it was read anew; False where all of it was found.
    """

    clock: Clock
    done: int
    seconds_before: float
    has_begun: bool = False

    def __call__(self, event: ProgressEvent) -> None:
        self.has_begun = True
        self.clock.tell(self.done, seconds_of_video=self.seconds_before + event.seconds_of_video)


def _warn_of_end(clip: LabelledClip, example: LabelledStates) -> None:
    """Say that a stretch reaches beyond its video's end; one that begins there is an error."""
    states = example.segments if example.segments is not None else example.clip
    if clip.end_seconds is None or states is None:
        return
    end = float(states.end_seconds[-1])
    if end < clip.end_seconds - _END_SLACK_SECONDS:
        warnings.warn(
            f"{clip.name}: the stretch ends at {clip.end_seconds:g} s, but its last picture at "
            f"{end:.3f} s; taken as far as it goes",
            stacklevel=3,
        )


def _length_seconds(example: LabelledStates) -> float:
    states = example.segments if example.segments is not None else example.clip
    return covered_seconds(states.start_seconds, states.end_seconds) if states is not None else 0.0
