"""`hiprobe backbones compare`: the same segments read in two ways, and how far apart they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hiprobe.cli.console import echo, format_bytes, format_number, print_table, progress_bar, say
from hiprobe.cli.named_files import expand_videos
from hiprobe.errors import UsageError
from hiprobe.joined import Member, layers_read, readings_read
from hiprobe.progress import Clock, Progress
from hiprobe.spec import CHOICES, BackboneSpec
from hiprobe.states import VISION_READINGS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hiprobe.backbones.comparison import StatesEffect, TimedStates
    from hiprobe.backbones.interface import Backbone
    from hiprobe.pipeline.reading import ExtractionSettings
    from hiprobe.probe import Probe
    from hiprobe.segment import Segment
    from hiprobe.video.segments import SpreadSegments


# Layers of the table, spread over the depth: where two ways part shows in a handful.
SHOWN_LAYERS = 5


@dataclass(frozen=True)
class Comparison:
    """Both ways and their differences; `probe` is None if no scores were asked for."""

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
class _ComparisonPlan:
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

    The changed way comes first: if the model cannot do it, no time was spent on the usual one.

    Args:
        name: the backbone, by name or folder.
        named: videos, folders or patterns.
        spec: what to change about the backbone's usual way, and the device of both.
        probe_folder: the probe whose scores are compared as well; None for none.
        segments: how many segments of each video are read, spread over it.
        segment_seconds: their length; None for the probe's own, or 24 frames.
        quiet: print no progress.

    Raises:
        UsageError: nothing is changed, or the probe reads attention heads.
        VideoError: a video cannot be read.
        BackboneError: the model cannot be opened in one of the ways.
        FingerprintError: the probe belongs to another backbone.
    """
    from hiprobe.backbones.comparison import effect_between
    from hiprobe.pipeline.reading import ExtractionSettings

    changes = _changes_of(spec)
    probe = None if probe_folder is None else _load_probe(probe_folder)
    cut = ExtractionSettings.like(None if probe is None else probe.provenance_)
    if segment_seconds is not None:
        cut = replace(cut, segment_seconds=segment_seconds)
    plan = _ComparisonPlan(_planned(named, segments, cut), probe, quiet)
    # Both ways run on the same device: only what was asked to change may differ.
    usual_way = BackboneSpec(name, device=spec.device)
    if probe is not None:
        deepest = max(layers_read(probe))
        usual_way = replace(usual_way.over(probe.backbone_spec()), cut_at_layer=deepest)
    changed = _read(plan, replace(usual_way, **changes), way="changed")
    usual = _read(plan, usual_way, way="usual")
    if probe is not None:
        probe.check_fingerprint(usual.fingerprint)
    score = None if probe is None else partial(_score, probe)
    effect = effect_between(usual, changed, score=score)
    return Comparison(name, changes, usual, changed, effect, probe)


def _changes_of(spec: BackboneSpec) -> dict[str, Any]:
    """What is to be changed. The device is not: it changes states only by rounding."""
    found = {n: getattr(spec, n) for n in CHOICES if getattr(spec, n) is not None}
    if not found:
        raise click.UsageError(
            "say what to change: --quantise int8|fp8, --resize area, --dtype FORMAT or "
            "--frames-as pictures, one or more of them"
        )
    return found


def _load_probe(folder: Path) -> Probe:
    from hiprobe.baselines.attention_heads import named_heads
    from hiprobe.probe import Probe

    probe = Probe.load(folder)
    if named_heads(probe.fingerprint_):
        raise UsageError(f"the probe {folder} reads attention heads; give one on hidden states")
    return probe


def _score(probe: Probe, read: TimedStates) -> NDArray[np.float64]:
    """The probe's probability of each segment, before smoothing."""
    import numpy as np

    members = probe.members or (Member(probe.reading_, probe.layer_, read.values.shape[2]),)
    columns = [0 if m.reading in VISION_READINGS else read.layers.index(m.layer) for m in members]
    parts = [
        read.by_reading[m.reading][:, column] for m, column in zip(members, columns, strict=True)
    ]
    return probe.scorer_.probability(np.concatenate(parts, axis=1))


def _planned(
    named: Sequence[str], count: int, cut: ExtractionSettings
) -> tuple[SpreadSegments, ...]:
    from hiprobe.video.segments import spread_segments

    return tuple(spread_segments(video, cut, count=count) for video in expand_videos(named))


def _read(plan: _ComparisonPlan, spec: BackboneSpec, *, way: str) -> TimedStates:
    from hiprobe.backbones.comparison import open_and_time

    probe = plan.probe
    if not plan.quiet:
        say(f"opening the backbone {spec.known_as}, the {way} way")
    with progress_bar(f"the {way} way", quiet=plan.quiet) as progress:
        return open_and_time(
            spec,
            _counted_off(plan.videos, progress),
            layers=lambda backbone: _layers(backbone, probe),
            readings=("last",) if probe is None else readings_read(probe),
            say=None if plan.quiet else say,
        )


def _layers(backbone: Backbone, probe: Probe | None) -> list[int]:
    """A handful spread over what is loaded, and all that the probe reads."""
    # Other weights are refused at once, before all segments were read with them.
    if probe is not None and backbone.fingerprint.weights != probe.fingerprint_.weights:
        probe.check_fingerprint(backbone.fingerprint)
    own = {backbone.layer_count} if probe is None else set(layers_read(probe))
    spread = {round(max(own) * n / SHOWN_LAYERS) for n in range(1, SHOWN_LAYERS)}
    # Layer 0 is the embedding, which no probe reads.
    return sorted(spread - {0} | own)


def _counted_off(videos: Sequence[SpreadSegments], progress: Progress | None) -> Iterator[Segment]:
    clock = Clock(progress, sum(map(len, videos)))
    done, seconds = 0, 0.0
    for video in videos:
        for segment in video:
            yield segment
            done, seconds = done + 1, seconds + segment.duration_seconds
            clock.tell(done, seconds_of_video=seconds)


FORMAT = "hiprobe-backbones-compare"
VERSION = 1
DIGITS = 6


def print_comparison(found: Comparison) -> None:
    """The table of layers, then scores, time and memory."""
    changes = ", ".join(
        f"{name.replace('_', '-')} {value}" for name, value in found.changes.items()
    )
    echo(f"{found.name} with {changes}, against its usual way; {_counted(found)}")
    if found.usual.fingerprint == found.changed.fingerprint:
        echo("both are the same: it is opened that way anyway")
    effect = found.effect
    rows = [
        (_marked(layer, found), format_number(relative, DIGITS), format_number(cosine, DIGITS))
        for layer, relative, cosine in zip(
            effect.layers, effect.relative, effect.cosine, strict=True
        )
    ]
    print_table(("layer", "mean relative distance", "lowest cosine"), rows)
    if found.probe is not None:
        echo(_scores_line(found))
    echo(_time_line(found))
    if found.usual.gpu_bytes is not None and found.changed.gpu_bytes is not None:
        usual, changed = map(format_bytes, (found.usual.gpu_bytes, found.changed.gpu_bytes))
        echo(f"memory of the GPU, at most: {usual} the usual way, {changed} changed")


def print_comparison_json(found: Comparison) -> None:
    """Everything that was measured."""
    echo(json.dumps(document(found), indent=1))


def document(found: Comparison) -> dict[str, Any]:
    """As JSON values."""
    effect = found.effect
    return {
        "format": FORMAT,
        "version": VERSION,
        "backbone": found.name,
        "changes": found.changes,
        "segments": len(found.usual.values),
        "usual": _way(found.usual),
        "changed": _way(found.changed),
        "time_ratio": found.ratio,
        "layers": [
            {"layer": layer, "mean_relative_distance": relative, "lowest_cosine": cosine}
            for layer, relative, cosine in zip(
                effect.layers, effect.relative, effect.cosine, strict=True
            )
        ],
        "scores": _scores(found),
    }


def _way(read: TimedStates) -> dict[str, Any]:
    return {
        "fingerprint": read.fingerprint.digest,
        "dtype": read.fingerprint.dtype,
        "settings": dict(read.fingerprint.settings),
        "seconds_per_segment": read.seconds_per_segment,
        "gpu_bytes": read.gpu_bytes,
    }


def _scores(found: Comparison) -> dict[str, Any] | None:
    if found.probe is None:
        return None
    effect, threshold = found.effect, float(found.probe.threshold_)
    return {
        "layers": list(layers_read(found.probe)),
        "threshold": threshold,
        "largest_change": effect.score_change,
        "mean_change": effect.mean_score_change,
        "crossing": effect.crossing(threshold),
        "segments": [{"usual": a, "changed": b} for a, b in effect.scores or ()],
    }


def _marked(layer: int, found: Comparison) -> str:
    is_read = found.probe is not None and layer in layers_read(found.probe)
    return f"{layer}{' *' if is_read else ''}"


def _scores_line(found: Comparison) -> str:
    scores = _scores(found) or {}
    crossing, threshold = scores["crossing"], scores["threshold"]
    number = "no segment crosses" if not crossing else f"{crossing} of {_counted(found)} cross"
    return (
        f"scores, read where the table has a *, before smoothing: change "
        f"{scores['largest_change']:.{DIGITS}f} at most, {scores['mean_change']:.{DIGITS}f} on "
        f"average; {number} the threshold {threshold:.4f}"
    )


def _time_line(found: Comparison) -> str:
    usual, changed = found.usual.seconds_per_segment, found.changed.seconds_per_segment
    return (
        f"seconds per segment: {usual:.4f} the usual way, {changed:.4f} changed "
        f"({found.ratio:.2f} times)"
    )


def _counted(found: Comparison) -> str:
    count = len(found.usual.values)
    return "1 segment" if count == 1 else f"{count} segments"
