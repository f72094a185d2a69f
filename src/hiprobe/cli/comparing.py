"""`hiprobe backbones compare`: a backbone opened its usual way and a changed one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import click

from hiprobe.backbones.effects import StatesEffect, effect_between
from hiprobe.backbones.interface import Backbone
from hiprobe.backbones.loading import LoadOptions
from hiprobe.backbones.timed_states import TimedStates, open_and_time
from hiprobe.cli.inputs import expand_videos
from hiprobe.cli.progress import progress_bar
from hiprobe.cli.record import read_record
from hiprobe.cli.text import say
from hiprobe.errors import UsageError
from hiprobe.pipeline.progress import Clock, Progress
from hiprobe.pipeline.settings import DEFAULTS
from hiprobe.probe import Probe
from hiprobe.segment import Segment
from hiprobe.video.spread import SpreadSegments, spread_segments

SHOWN_LAYERS = 5
CHANGES = ("dtype", "resize", "quantise", "frames_as")
"""What can be changed; the device only moves states by rounding."""


@dataclass(frozen=True)
class Comparison:
    """Both ways and what lies between them; `probe` is None where no scores were asked for."""

    name: str
    changes: dict[str, str]
    usual: TimedStates
    changed: TimedStates
    effect: StatesEffect
    probe: Probe | None

    @property
    def ratio(self) -> float:
        """Time of the changed way over that of the usual one."""
        return self.changed.seconds_per_segment / self.usual.seconds_per_segment


@dataclass(frozen=True)
class _Plan:
    """What is read, the same for both ways."""

    name: str
    videos: tuple[SpreadSegments, ...]
    probe: Probe | None
    quiet: bool


def compare_backbone(
    name: str,
    named: Sequence[str],
    *,
    load: LoadOptions,
    probe_folder: Path | None,
    segments: int,
    segment_seconds: float | None,
    quiet: bool,
) -> Comparison:
    """Read the same segments both ways.

    The changed way comes first: where the model lacks it, nothing has been read in vain.

    Raises:
        UsageError: nothing is changed, or the probe reads attention heads.
        VideoError: a video cannot be read.
        BackboneError: the model cannot be opened in one of the ways.
        FingerprintError: the probe belongs to another backbone.
    """
    changes = _changes_of(load)
    probe = None if probe_folder is None else _load_probe(probe_folder)
    if probe_folder is not None and segment_seconds is None:
        record = read_record(probe_folder)
        segment_seconds = record.segment_seconds if record else None
    plan = _Plan(name, _planned(named, segments, segment_seconds), probe, quiet)
    usual_way = LoadOptions(device=load.device)
    if probe is not None:
        usual_way = usual_way.like(probe.fingerprint_)
    changed = _read(plan, replace(usual_way, **changes), way="changed")
    usual = _read(plan, usual_way, way="usual")
    if probe is not None:
        probe.check_fingerprint(usual.fingerprint)
    score = None if probe is None else probe.scorer_.probability
    effect = effect_between(usual, changed, score=score)
    return Comparison(name, changes, usual, changed, effect, probe)


def _changes_of(load: LoadOptions) -> dict[str, str]:
    changes = {f.name: getattr(load, f.name) for f in fields(load) if f.name in CHANGES}
    found = {name: value for name, value in changes.items() if value is not None}
    if not found:
        raise click.UsageError(
            "say what to change: --quantise int8|fp8, --resize area, --dtype FORMAT or "
            "--frames-as pictures, one or more of them"
        )
    return found


def _load_probe(folder: Path) -> Probe:
    from hiprobe.zero_label.head_views import named_heads

    probe = Probe.load(folder)
    if named_heads(probe.fingerprint_):
        raise UsageError(f"the probe {folder} reads attention heads; give one on hidden states")
    return probe


def _planned(
    named: Sequence[str], count: int, segment_seconds: float | None
) -> tuple[SpreadSegments, ...]:
    return tuple(
        spread_segments(
            video,
            count=count,
            segment_seconds=segment_seconds,
            max_side_pixels=DEFAULTS.max_side_pixels,
        )
        for video in expand_videos(named)
    )


def _read(plan: _Plan, options: LoadOptions, *, way: str) -> TimedStates:
    probe = plan.probe
    if not plan.quiet:
        say(f"opening the backbone {plan.name}, the {way} way")
    with progress_bar(f"the {way} way", quiet=plan.quiet) as progress:
        return open_and_time(
            plan.name,
            _told(plan.videos, progress),
            layers=lambda backbone: _layers(backbone, probe),
            options=options,
            prompt=None if probe is None else probe.fingerprint_.prompt,
            cut_at_layer=None if probe is None else probe.layer_,
            reading="last" if probe is None else probe.reading_,
            say=None if plan.quiet else say,
        )


def _layers(backbone: Backbone, probe: Probe | None) -> list[int]:
    """A handful spread over what is loaded; the probe's layer is the deepest of them."""
    if probe is not None and backbone.fingerprint.weights != probe.fingerprint_.weights:
        probe.check_fingerprint(backbone.fingerprint)
    depth = backbone.layer_count if probe is None else probe.layer_
    return sorted({round(depth * n / SHOWN_LAYERS) for n in range(1, SHOWN_LAYERS)} - {0} | {depth})


def _told(videos: Sequence[SpreadSegments], progress: Progress | None) -> Iterator[Segment]:
    clock = Clock(progress, sum(map(len, videos)))
    done, seconds = 0, 0.0
    for video in videos:
        for segment in video:
            yield segment
            done, seconds = done + 1, seconds + segment.duration_seconds
            clock.tell(done, seconds_of_video=seconds)
