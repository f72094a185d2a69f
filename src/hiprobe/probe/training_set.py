"""Labelled states as arrays, checked to belong together, and their folds by source."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import FingerprintError, LabelError, StatesError
from hiprobe.evaluation import metrics
from hiprobe.fingerprint import Fingerprint
from hiprobe.provenance import Provenance
from hiprobe.segment import after_gap, covered_seconds
from hiprobe.states import LabelledStates, Reading, States

Indices = NDArray[np.int64]


def grouped_folds(
    labels: NDArray[np.int64],
    sources: Sequence[str],
    *,
    folds: int,
    seed: int,
    order: NDArray[np.float64] | None = None,
) -> list[tuple[Indices, Indices]]:
    """Training and held-out indices of folds grouped by source and balanced over classes.

    Sources are shuffled (seeded), then dealt out, the largest first, each to the fold where it
    evens out both classes best. There are no more folds than the rarer class has sources, so
    that each training part keeps both classes; the order of the clips does not matter.

    Args:
        order: `[clips]`, numbers that sort the sources before they are shuffled, a source by its
            lowest; names decide only between equals. Without it they are sorted by name.

    Returns:
        One pair for each fold; empty where a class has fewer than two sources.
    """
    first = dict.fromkeys(sources, 0.0)
    if order is not None:
        first = {s: min(order[[s == other for other in sources]]) for s in first}
    names = sorted(first, key=lambda s: (first[s], s))
    owner = np.array([names.index(s) for s in sources], dtype=np.int64)
    counts = np.zeros((len(names), 2))
    np.add.at(counts, (owner, labels), 1)
    wanted = min(folds, *(int((counts[:, c] > 0).sum()) for c in (0, 1)))
    if wanted < 2:
        return []
    home = _deal(counts, wanted, np.random.default_rng(seed))[owner]
    pairs = [(np.flatnonzero(home != f), np.flatnonzero(home == f)) for f in range(wanted)]
    return [(train, held) for train, held in pairs if len(held) and len(set(labels[train])) == 2]


def roc_auc(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Area under the ROC curve, ties counted half; NaN scores are left out.

    Returns:
        A number in 0..1, NaN where a class is missing.
    """
    scored = np.isfinite(scores)
    positive = labels[scored] == 1
    if positive.all() or not positive.any():
        return float("nan")
    return metrics.roc_auc(scores[scored], positive)


def _deal(counts: NDArray[np.float64], folds: int, rng: np.random.Generator) -> Indices:
    """Fold of each source, from the number of its clips in each class."""
    order = rng.permutation(len(counts))
    # stable, so that the shuffle decides between sources of one size
    order = order[np.argsort(-counts[order].max(axis=1), kind="stable")]
    share = counts / counts.sum(axis=0)
    filled = np.zeros((folds, 2))
    home = np.zeros(len(counts), dtype=np.int64)
    for source in order:
        unevenness = [
            (np.square(filled + np.outer(np.arange(folds) == f, share[source])).sum(), f)
            for f in range(folds)
        ]
        home[source] = min(unevenness)[1]
        filled[home[source]] += share[source]
    return home


# What the scorer is fitted on: key frames over the whole clip, the mean of a clip's segments, each
# segment under its clip's label, or of an anomalous clip only the highest segment.
Mode = Literal["clip", "segment_mean", "segment", "mil"]

MODES: tuple[Mode, ...] = get_args(Mode)

# On 24 abnormal and 24 normal videos made of the crash clips (`hiprobe reproduce long-clips`, five
# draws) whole clips and the highest segment are level while the event fills the clip of 2 s (0.778
# and 0.798). Where it fills half of 4 s it is 0.589 against 0.735, a quarter of 8 s 0.508 against
# 0.594: one vector cannot show a part. Clips that are long and filled lose nothing either way.
LONG_CLIP_SECONDS = 4.0

_States = NDArray[np.float32]


@dataclass(frozen=True)
class TrainingSet:
    """Labelled clips as arrays, checked to belong together; failed segments are left out.

    Attributes:
        labels: int64 `[clips]`.
        clips: float32 `[clips, layers, width]`; None where a clip lacks it.
        segments: float32 `[segments of all clips, layers, width]`; None where a clip lacks them.
        owner: int64 `[segments of all clips]`, position of each segment's clip.
        piece: int64 `[segments of all clips]`, equal where no gap lies between two segments of a
            clip.
        times: float64 `[segments of all clips, 2]`, where each begins and ends in its video.
        warnings: plain sentences.
        provenance: how the clips were read; None where none of them says it.
        order: float64 `[clips]`, by which `grouped_folds` sorts their sources: made of the states,
            so that neither a name nor the order of the clips moves a fold.
    """

    names: tuple[str, ...]
    labels: NDArray[np.int64]
    sources: tuple[str, ...]
    layers: tuple[int, ...]
    clips: _States | None
    segments: _States | None
    owner: NDArray[np.int64]
    piece: NDArray[np.int64]
    times: NDArray[np.float64]
    reading: Reading
    fingerprint: Fingerprint
    layer_count: int
    width: int
    warnings: tuple[str, ...] = ()
    provenance: Provenance | None = None
    order: NDArray[np.float64] | None = None
    _means: dict[int, _States] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def clip_unit(self) -> Literal["clip", "segment_mean"]:
        """What stands for a whole clip: its own vector, or else the mean of its segments."""
        return "clip" if self.clips is not None else "segment_mean"

    @property
    def modes(self) -> tuple[Mode, ...]:
        """Modes that these states allow."""
        whole: tuple[Mode, ...] = ("clip",) if self.clips is not None else ()
        return whole + (MODES[1:] if self.segments is not None else ())

    @property
    def usual_mode(self) -> Mode:
        """What is fitted on unless another mode is clearly better: see `LONG_CLIP_SECONDS`."""
        if self.segments is not None and self.typical_seconds >= LONG_CLIP_SECONDS:
            return "mil"
        return self.modes[0]

    @property
    def typical_seconds(self) -> float:
        """Length of a clip by its segments, gaps left out, the median; 0 without segments."""
        lengths = [
            covered_seconds(*self.times[self.owner == clip].T) for clip in np.unique(self.owner)
        ]
        return float(np.median(lengths)) if lengths else 0.0

    def vectors(self, unit: Literal["clip", "segment_mean"], layer: int) -> _States:
        """One vector per clip of one layer, float32 `[clips, width]`."""
        position = self.layers.index(layer)
        if unit == "clip" and self.clips is not None:
            return self.clips[:, position]
        if self.segments is None:
            raise StatesError("the clips have no segments; extract them with segments")
        if layer not in self._means:  # every fold asks for them again
            total = np.zeros((len(self), self.width))
            np.add.at(total, self.owner, self.segments[:, position])
            counts = np.bincount(self.owner, minlength=len(self))[:, None]
            self._means[layer] = np.asarray(total / counts, dtype=np.float32)
        return self._means[layer]

    def segment_rows(self, clips: Indices, layer: int) -> tuple[_States, NDArray[np.int64]]:
        """Segments of some clips at one layer, and the position of each one's clip."""
        if self.segments is None:
            raise StatesError("the clips have no segments; extract them with segments")
        rows = np.isin(self.owner, clips)
        return self.segments[:, self.layers.index(layer)][rows], self.owner[rows]

    def pieces_of(self, clips: Indices) -> NDArray[np.int64]:
        """`piece` of the rows of `segment_rows`."""
        return self.piece[np.isin(self.owner, clips)]

    def times_of(self, clips: Indices) -> NDArray[np.float64]:
        """`times` of the rows of `segment_rows`."""
        return self.times[np.isin(self.owner, clips)]


def training_set(examples: Sequence[LabelledStates]) -> TrainingSet:
    """Check labelled states and bring them into arrays.

    Raises:
        LabelError: a class is missing.
        FingerprintError: states of more than one backbone.
        StatesError: states differ in layers, reading or width, share no unit, or come from clips
            that were cut in different ways.
    """
    _refuse_one_class(examples)
    first = any_states(examples[0])
    for example in examples:
        for states in (example.clip, example.segments):
            if states is not None:
                _refuse_stranger(states, first, example.name)
    provenance = _common_provenance(examples)
    alive = [e for e in examples if _rows(e.clip) or _rows(e.segments)]
    lost = [e.name for e in examples if not (_rows(e.clip) or _rows(e.segments))]
    _refuse_one_class(alive)
    has_clip = all(_rows(e.clip) for e in alive)
    has_segments = all(_rows(e.segments) for e in alive)
    if not has_clip and not has_segments:
        raise StatesError(
            "some clips have only whole-clip states and others only segments; extract all "
            "with the same unit"
        )
    segments = [_usable(e.segments) for e in alive if e.segments is not None and has_segments]
    pieces = [_pieces(e.segments) for e in alive if e.segments is not None and has_segments]
    times = [_times(e.segments) for e in alive if e.segments is not None and has_segments]
    found = TrainingSet(
        names=tuple(e.name for e in alive),
        labels=np.array([e.label for e in alive], dtype=np.int64),
        sources=tuple(e.source for e in alive),
        layers=first.layers,
        clips=np.concatenate([e.clip.values for e in alive if e.clip]) if has_clip else None,
        segments=np.concatenate(segments) if has_segments else None,
        owner=np.repeat(np.arange(len(segments)), [len(s) for s in segments]).astype(np.int64),
        piece=np.concatenate([np.zeros(0, np.int64), *pieces]),
        times=np.concatenate([np.zeros((0, 2)), *times]),
        reading=first.reading,
        fingerprint=first.fingerprint,
        layer_count=first.layer_count,
        width=first.width,
        warnings=(f"No states could be made of {', '.join(lost)}: left out.",) if lost else (),
        provenance=provenance,
    )
    # the sum of a vector: other last digits, as of another processor, do not change the order
    sums = found.vectors(found.clip_unit, first.layers[-1]).sum(axis=1, dtype=np.float64)
    return replace(found, order=sums)


def _common_provenance(examples: Sequence[LabelledStates]) -> Provenance | None:
    """The first clip's that has one; clips without one may have been read in any way."""
    known = [(e.name, e.provenance) for e in examples if e.provenance is not None]
    for name, other in known:
        first_name, first = known[0]
        if other.cut.words != first.cut.words:
            raise StatesError(
                f"{name} was cut into {other.cut.words}, {first_name} into {first.cut.words}: "
                "their states do not compare; read all clips with the same settings"
            )
    return known[0][1] if known else None


def _refuse_one_class(examples: Sequence[LabelledStates]) -> None:
    found = {e.label for e in examples}
    if found != {0, 1}:
        kind = {(): "no clips", (0,): "only normal clips", (1,): "only anomalous clips"}
        raise LabelError(
            f"{kind[tuple(sorted(found))]} among {len(examples)} with states; a probe needs both "
            "kinds"
        )


def _refuse_stranger(states: States, first: States, name: str) -> None:
    if states.fingerprint.digest != first.fingerprint.digest:
        raise FingerprintError(
            f"states of {name} come from another backbone than the first clip's: "
            f"{states.fingerprint.difference(first.fingerprint)}; extract all with one backbone"
        )
    for what in ("reading", "layers", "layer_count", "width"):
        ours, theirs = getattr(first, what), getattr(states, what)
        if ours != theirs:
            raise StatesError(
                f"states of {name} have {what} {theirs}, the first clip's {ours}; extract all "
                "with the same settings"
            )


def any_states(example: LabelledStates) -> States:
    """States of the whole clip, else of its segments, for what both have in common."""
    states = example.clip if example.clip is not None else example.segments
    if states is None:  # LabelledStates does not allow it
        raise StatesError(f"{example.name} has no states")
    return states


def _rows(states: States | None) -> int:
    return 0 if states is None else int((~states.failed).sum())


def _usable(states: States) -> NDArray[Any]:
    return states.values[~states.failed] if states.failed.any() else states.values


def _pieces(states: States) -> NDArray[np.int64]:
    """Number of each usable segment's piece; failed ones are no gap, so they are left out last."""
    behind = after_gap(states.start_seconds, states.end_seconds)
    return np.cumsum(behind, dtype=np.int64)[~states.failed]


def _times(states: States) -> NDArray[np.float64]:
    return np.stack([states.start_seconds, states.end_seconds], axis=1)[~states.failed]


def merged(
    known: Sequence[LabelledStates], new: Sequence[LabelledStates]
) -> tuple[LabelledStates, ...]:
    """Known clips and those of the new ones whose states are not among them.

    Raises:
        LabelError: the same states under two labels.
    """
    seen = {_digest(example): example for example in known}
    result = list(known)
    for example in new:
        twin = seen.setdefault(_digest(example), example)
        if twin.label != example.label:
            raise LabelError(
                f"{example.name} has the same states as {twin.name}, which is labelled "
                f"{twin.class_name or twin.label}; remove one of them"
            )
        if twin is example:
            result.append(example)
    return tuple(result)


def _digest(example: LabelledStates) -> str:
    found = hashlib.sha256()
    for states in (example.clip, example.segments):
        found.update(b"-" if states is None else states.values.tobytes())
    return found.hexdigest()
