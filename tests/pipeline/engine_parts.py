"""Backbones that misbehave as real ones do, opened in workers; and units for them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pipeline_parts import AskedColour, ColourBackbone

from hiprobe.backbones.interface import Backbone
from hiprobe.errors import BackboneError
from hiprobe.pipeline.engine import Engine, FailuresOnly, FileItem
from hiprobe.pipeline.extraction import extract_video
from hiprobe.pipeline.reading import ExtractionSettings, ReadUnit
from hiprobe.pipeline.workers import crew_of
from hiprobe.progress import ProgressEvent
from hiprobe.states import VideoStates
from hiprobe.store.states_cache import StatesCache

SETTINGS = ExtractionSettings(layers=(1, 3), readings=("last", "prompt_mean"))

# With few segments to a piece, so that a short video is read in shards.
LONG = replace(SETTINGS, batch_segments=2, checkpoint_segments=4)


def colour(number: int) -> Backbone:
    return ColourBackbone()


def asked(number: int) -> Backbone:
    return AskedColour()


def cannot(number: int) -> Backbone:
    raise BackboneError("the weights are not there; fetch them")


def not_the_same(number: int) -> Backbone:
    return ColourBackbone(prompt=f"prompt {number}")


@dataclass
class Marked(ColourBackbone):
    """Leaves a mark for each segment that it reads, and waits a moment after it."""

    folder: Path = Path()
    seconds: float = 0.0

    def states(self, segments, *, layers, readings=("last",)):  # type: ignore[no-untyped-def]
        for segment in segments:
            (self.folder / f"{os.getpid()}-{time.monotonic_ns()}-{segment.index}").touch()
        time.sleep(self.seconds)
        return super().states(segments, layers=layers, readings=readings)


def marked(folder: Path, seconds: float, number: int) -> Backbone:
    return Marked(folder=folder, seconds=seconds)


class Poisoned(ColourBackbone):
    """Is killed by pictures that are quite white, as a decoder by a damaged file."""

    def states(self, segments, *, layers, readings=("last",)):  # type: ignore[no-untyped-def]
        if any(min(frame.mean() for frame in s.frames) > 200 for s in segments):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().states(segments, layers=layers, readings=readings)


def poisoned(number: int) -> Backbone:
    return Poisoned()


@dataclass
class Meeting(Marked):
    """Goes on once so many workers have left marks: one may be ready much later than another."""

    workers: int = 1

    def states(self, segments, *, layers, readings=("last",)):  # type: ignore[no-untyped-def]
        found = super().states(segments, layers=layers, readings=readings)
        ends_seconds = time.monotonic() + 120
        while len({mark.name.split("-")[0] for mark in self.folder.iterdir()}) < self.workers:
            if time.monotonic() > ends_seconds:
                raise RuntimeError("no other worker has read anything")
            time.sleep(0.01)
        return found


def meeting(folder: Path, workers: int, number: int) -> Backbone:
    return Meeting(folder=folder, workers=workers)


@dataclass(frozen=True)
class Ran:
    """What a run over videos gave."""

    found: list[VideoStates]
    reasons: list[str]
    events: list[ProgressEvent]


def run_over(
    videos: Sequence[Path],
    backbone: Backbone,
    cache: StatesCache | None,
    *,
    settings: ExtractionSettings = SETTINGS,
    after_each: Callable[[], None] = lambda: None,
) -> Ran:
    """The loop of the commands over some videos."""
    record, events = FailuresOnly(), list[ProgressEvent]()

    def read(item: FileItem, _: object) -> VideoStates:
        found = extract_video(item.video, backbone=backbone, settings=settings, cache=cache)
        after_each()
        return found

    unit = partial(
        ReadUnit.of,
        settings=settings,
        layer_count=backbone.layer_count,
        prompts=(backbone.fingerprint.prompt,),
        want=("segments",),
    )
    engine = Engine(record, events.append, crew_of(backbone))
    found = engine.map(read, [FileItem(v) for v in videos], reads=lambda item: unit(item.video))
    return Ran(found, [failure.reason for failure in record.failures], events)
