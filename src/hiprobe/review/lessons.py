"""Labels of a review as labelled states, as fitting takes them; no model runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import UsageError
from hiprobe.names import text_path
from hiprobe.probe import Mode, Probe
from hiprobe.review.library import Library
from hiprobe.review.values import Label
from hiprobe.states import LabelledStates, States


@dataclass(frozen=True)
class Lessons:
    """What a refit is fitted on.

    Attributes:
        examples: the probe's own clips, then the labelled stretches.
        mode: what of a clip is fitted on, see `_mode_of`.
        label_count: how many labelled stretches there are.
        fixed_layer: the only layer that all of them have; None where all layers are there, so that
            the fit can choose one again.
        left_out: names of labelled stretches whose states are not kept.
    """

    examples: tuple[LabelledStates, ...]
    mode: Mode
    label_count: int
    fixed_layer: int | None
    left_out: tuple[str, ...]


def lessons_of(library: Library, tell: Callable[[str], None] | None = None) -> Lessons:
    """The probe's own clips and all labels that say something.

    Videos that only `detect` has read have states of the probe's layer alone; with one of them the
    refit keeps that layer.

    Args:
        tell: is called with the name of each video when its states are read.

    Raises:
        UsageError: the probe reads attention heads, or no labelled stretch has states.
        ProbeFolderError: the probe was saved without the states of its clips.
    """
    in_use = library.probe_in_use()
    # Each refit starts again from the clips that came with the probe. If it started from the last
    # refit, a label that was taken back would stay among its clips.
    base = in_use.versions.base()
    base.check_extendable()
    own = base.examples()
    every, one = _layers(own), (in_use.probe.layer_,)
    labels = standing(library.labels())
    wanted = {label.video_id for label in labels}
    found: dict[str, States] = {}
    for video_id in library.video_ids():
        if video_id in wanted:
            result = library.result(video_id)
            states = in_use.states(result, every) or in_use.states(result, one)
            if states is not None:
                found[video_id] = states
            if tell is not None:
                tell(text_path(result.path).name)
    fixed = None if all(s.layers == every for s in found.values()) else one[0]
    if fixed is not None:
        own = tuple(_at_layer(example, one) for example in own)
    layers = every if fixed is None else one
    taught = [label for label in labels if label.video_id in found]
    if labels and not taught:
        raise UsageError(
            "the states of no labelled video are kept, so nothing can be learnt from the labels; "
            "score these videos again with `hiprobe detect`"
        )
    stretches = [
        _lesson(label, found[label.video_id].select_layers(layers), library, base)
        for label in taught
    ]
    left_out = tuple(
        stretch_name(label, library) for label in labels if label.video_id not in found
    )
    # A probe may keep whole clips alone, without their segments. Then segments of the stretches
    # would be fitted together with vectors of another kind, so their means take their place.
    if not all(example.segments is not None for example in own):
        stretches = [replace(with_mean(stretch), segments=None) for stretch in stretches]
    examples = (*own, *stretches)
    return Lessons(examples, _mode_of(base, examples), len(stretches), fixed, left_out)


def standing(labels: Sequence[Label]) -> list[Label]:
    """The last label on each stretch, without those that say `unsure`.

    Args:
        labels: in the order in which they were given. Of two labels on one video that overlap by
            more than half of the shorter one, the later counts.
    """
    # An `unsure` that comes last takes part in this: it withdraws what was said before.
    kept: dict[str, list[Label]] = {}
    for label in reversed(labels):
        others = kept.setdefault(label.video_id, [])
        if not any(_same_stretch(label, other) for other in others):
            others.append(label)
    chosen = {label.id for others in kept.values() for label in others}
    return [label for label in labels if label.id in chosen and label.kind != "unsure"]


def rows_within(states: States, start_seconds: float, end_seconds: float) -> States:
    """The rows of `inside_of`."""
    times = states.start_seconds, states.end_seconds
    return states.select_rows(inside_of(*times, start_seconds, end_seconds))


def inside_of(
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    start_seconds: float,
    end_seconds: float,
) -> NDArray[np.bool_]:
    """Which segments lie in a stretch by more than half; if none does, the one it overlaps most.

    Args:
        starts, ends: of the segments in seconds, float64 `[segments]`.

    Returns:
        Bool `[segments]`, at least one of them true.
    """
    shared = np.minimum(ends, end_seconds) - np.maximum(starts, start_seconds)
    inside: NDArray[np.bool_] = shared > (ends - starts) / 2
    if not inside.any():
        inside[int(np.argmax(shared))] = True
    return inside


def stretch_name(label: Label, library: Library) -> str:
    """What a labelled stretch is called in tables."""
    path = text_path(library.store.contents()[label.video_id][0])
    return f"{path.name} [{label.start_seconds:.1f}-{label.end_seconds:.1f} s]"


def _lesson(label: Label, states: States, library: Library, base: Probe) -> LabelledStates:
    normal = {e.class_name for e in base.examples() if e.label == 0} - {""}
    segments = rows_within(states, label.start_seconds, label.end_seconds)
    result = library.result(label.video_id)
    is_whole = len(segments) == len(states)
    is_normal = label.kind == "normal" or label.class_name in normal
    named = label.class_name or ("normal" if is_normal else "anomaly")
    return LabelledStates(
        name=stretch_name(label, library),
        label=0 if is_normal else 1,
        source=_source(result.path, base),
        clip=library.probe_in_use().whole(result, states.layers) if is_whole else None,
        segments=segments,
        class_name=named,
        provenance=base.provenance_,
    )


def _source(path: str, base: Probe) -> str:
    """The recording of a video: that of the probe's clips, if one of them has the same file name.

    No fold of the cross-validation may be fitted on a part of a recording and tested on another.
    """
    name = text_path(path).name
    same = [s for s in base.sources_ if text_path(s).name == name]
    return same[0] if same else path


def _mode_of(base: Probe, examples: Sequence[LabelledStates]) -> Mode:
    """The mode of the probe's own fit; `mil` where it was `clip` and a stretch has no whole vector.

    Means of the stretches would stand for whole clips, but they differ from these: with 40 labels
    on the crash clips such a mixture gave an AUC of 0.72, means throughout 0.71, `mil` 0.76, as
    much as whole clips did (0.81, 0.80, 0.85 and 0.85 for a committee).
    """
    if base.mode_ == "clip" and any(example.clip is None for example in examples):
        return "mil"
    return base.mode_


def with_mean(example: LabelledStates) -> LabelledStates:
    """The example with the mean of its segments as its clip vector, if it has none of its own."""
    if example.clip is not None or example.segments is None:
        return example
    return replace(example, clip=_mean(example.segments))


def _mean(states: States) -> States:
    alive = states.select_rows(~states.failed) if (~states.failed).any() else states
    return replace(
        alive,
        values=alive.values.mean(axis=0, keepdims=True),
        start_seconds=alive.start_seconds[:1],
        end_seconds=alive.end_seconds[-1:],
        failed=alive.failed[:1],
        reused=alive.reused[:1],
    )


def _layers(examples: Sequence[LabelledStates]) -> tuple[int, ...]:
    first = examples[0].segments or examples[0].clip
    return () if first is None else first.layers


def _at_layer(example: LabelledStates, layers: tuple[int, ...]) -> LabelledStates:
    clip, segments = example.clip, example.segments
    return replace(
        example,
        clip=None if clip is None else clip.select_layers(layers),
        segments=None if segments is None else segments.select_layers(layers),
    )


def _same_stretch(one: Label, other: Label) -> bool:
    if one.event_id is not None and one.event_id == other.event_id:
        return True
    shared = min(one.end_seconds, other.end_seconds) - max(one.start_seconds, other.start_seconds)
    lengths = (label.end_seconds - label.start_seconds for label in (one, other))
    return shared > min(lengths) / 2
