"""`hiprobe backbones compare`: a backbone opened its usual way and a changed one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from hiprobe.backbones.effects import StatesEffect, effect_between
from hiprobe.backbones.interface import Backbone
from hiprobe.backbones.spec import CHOICES, BackboneSpec
from hiprobe.backbones.timed_states import TimedStates, open_and_time
from hiprobe.cli.inputs import expand_videos
from hiprobe.cli.progress import progress_bar
from hiprobe.cli.text import say
from hiprobe.errors import UsageError
from hiprobe.pipeline.progress import Clock, Progress
from hiprobe.pipeline.settings import ExtractionSettings
from hiprobe.probe import Probe
from hiprobe.segment import Segment
from hiprobe.video.spread import SpreadSegments, spread_segments

SHOWN_LAYERS = 5


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

    videos: tuple[SpreadSegments, ...]
    probe: Probe | None
    quiet: bool


def compare_backbone(
    name: str,
    named: Sequence[str],
    *,
    spec: BackboneSpec,
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
    changes = _changes_of(spec)
    probe = None if probe_folder is None else _load_probe(probe_folder)
    cut = ExtractionSettings.like(None if probe is None else probe.provenance_)
    if segment_seconds is not None:
        cut = replace(cut, segment_seconds=segment_seconds)
    plan = _Plan(_planned(named, segments, cut), probe, quiet)
    usual_way = BackboneSpec(name, device=spec.device)
    if probe is not None:
        usual_way = replace(usual_way.over(probe.backbone_spec()), cut_at_layer=probe.layer_)
    changed = _read(plan, replace(usual_way, **changes), way="changed")
    usual = _read(plan, usual_way, way="usual")
    if probe is not None:
        probe.check_fingerprint(usual.fingerprint)
    score = None if probe is None else probe.scorer_.probability
    effect = effect_between(usual, changed, score=score)
    return Comparison(name, changes, usual, changed, effect, probe)


def _changes_of(spec: BackboneSpec) -> dict[str, Any]:
    """What is chosen of it; the device only moves states by rounding."""
    found = {n: getattr(spec, n) for n in CHOICES if getattr(spec, n) is not None}
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
    named: Sequence[str], count: int, cut: ExtractionSettings
) -> tuple[SpreadSegments, ...]:
    return tuple(
        spread_segments(
            video,
            count=count,
            segment_frames=cut.segment_frames,
            segment_seconds=cut.segment_seconds,
            key_frames=cut.key_frames,
            max_side_pixels=cut.max_side_pixels,
        )
        for video in expand_videos(named)
    )


def _read(plan: _Plan, spec: BackboneSpec, *, way: str) -> TimedStates:
    probe = plan.probe
    if not plan.quiet:
        say(f"opening the backbone {spec.known_as}, the {way} way")
    with progress_bar(f"the {way} way", quiet=plan.quiet) as progress:
        return open_and_time(
            spec,
            _told(plan.videos, progress),
            layers=lambda backbone: _layers(backbone, probe),
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
