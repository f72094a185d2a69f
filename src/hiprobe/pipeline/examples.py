"""Labelled clips to labelled states."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial

from hiprobe.backbones.interface import Backbone
from hiprobe.datasets.clips import LabelledClip
from hiprobe.datasets.same_content import settle_copies
from hiprobe.errors import StatesError, UsageError
from hiprobe.failures import Failure
from hiprobe.pipeline.engine import Course, Engine, FailuresOnly
from hiprobe.pipeline.reading import DEFAULTS, ExtractionSettings, ReadUnit
from hiprobe.pipeline.source import ReadPlan, open_source
from hiprobe.pipeline.stream import StatesUnit
from hiprobe.pipeline.workers import crew_of
from hiprobe.progress import Progress
from hiprobe.segment import Stretch
from hiprobe.states import LabelledStates
from hiprobe.store.content_hash import content_hash
from hiprobe.store.states_cache import StatesCache

# Ends are often rounded; a shorter lack is no mistake.
_END_SLACK_SECONDS = 0.05

# The same clips seen in several ways: one list of examples for each prompt and reading.
Views = list[list[LabelledStates]]


def extract_examples(
    clips: Sequence[LabelledClip],
    *,
    backbone: Backbone | None,
    settings: ExtractionSettings = DEFAULTS,
    want: Sequence[StatesUnit] = ("clip", "segments"),
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
    want: Sequence[StatesUnit] = ("clip", "segments"),
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
    videos = [clip.name for clip in clips if open_source(clip.video).has_pictures]
    if backbone is None and videos:
        raise UsageError(f"{videos[0]} is a video; reading it needs a backbone")
    # The cache remembers hashes: a folder of a hundred videos is not read through for each fit.
    digest = content_hash if cache is None else cache.content_hash
    plan = ReadPlan(backbone, settings, prompts, want, cache)
    clips, record = settle_copies(clips, digest=digest).clips, FailuresOnly()
    reads = partial(_unit_of, plan)
    crew = crew_of(backbone)
    found = Engine(record, progress, crew).map(partial(_read_clip, plan), clips, reads=reads)
    count = (1 if prompts is None else len(prompts)) * len(settings.readings)
    return [[seen[view] for seen in found] for view in range(count)], record.failures


def _unit_of(plan: ReadPlan, clip: LabelledClip) -> ReadUnit | None:
    stretch = Stretch(clip.start_seconds, clip.end_seconds)
    return plan.unit(clip.video, stretch) if open_source(clip.video).has_pictures else None


def _read_clip(plan: ReadPlan, clip: LabelledClip, course: Course) -> list[LabelledStates]:
    """One example for each view: for each prompt, each reading.

    Raises:
        VideoError, BackboneMemoryError, StatesError, FingerprintError: the clip cannot be used.
    """
    stretch = Stretch(clip.start_seconds, clip.end_seconds)
    examples = []
    for found in open_source(clip.video).states(plan, stretch, course.listener):
        for reading in plan.settings.readings:
            whole = found.clip.get(reading) if "clip" in plan.want else None
            segments = found.states.get(reading) if "segments" in plan.want else None
            if whole is None and segments is None:
                raise StatesError(
                    f"{clip.video} holds no states of {clip.name} read at {reading} by "
                    f"{' or '.join(plan.want)}; extract it again"
                )
            examples.append(
                LabelledStates(
                    clip.name,
                    clip.label,
                    clip.source,
                    whole,
                    segments,
                    clip.class_name,
                    found.provenance,
                )
            )
    _warn_of_end(clip, examples[0])
    course.seconds = examples[0].covered_seconds
    # Clips alone report no progress, so that nothing tells whether they lay in the cache.
    course.was_known = "segments" in plan.want and not course.has_begun
    return examples


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
