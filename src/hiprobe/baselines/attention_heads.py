"""Attention heads read as states, and the few that are chosen on labelled clips."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Backbone, HeadStates
from hiprobe.baselines.asked import HEAD_PROMPTS, View, ViewStates
from hiprobe.datasets.clips import LabelledClip
from hiprobe.errors import BackboneError, LabelError, StatesError, UsageError
from hiprobe.fingerprint import Fingerprint
from hiprobe.fitted_scorer import FittedScorer
from hiprobe.pipeline import ExtractionSettings, Failure, Progress, extract_views
from hiprobe.pipeline.reading import DEFAULTS
from hiprobe.probe.training_set import Indices
from hiprobe.saliency import layer_saliency
from hiprobe.scorer import Scorer, make_scorer
from hiprobe.segment import Segment
from hiprobe.states import LabelledStates, Reading
from hiprobe.store.states_cache import StatesCache

# Heads that are read (their authors' choice).
TOP_HEADS = 5

# Fewest clips that saliency can be measured on.
LEAST_CLIPS = 3

# Weight of a head's deviation over prompts (their authors' choice).
STABILITY = 0.5

_Floats = NDArray[np.float64]
_Heads = NDArray[np.float32]


@dataclass(frozen=True, order=True)
class Head:
    """A head: its layer from 1, its number in the layer from 0."""

    layer: int
    number: int


@dataclass(frozen=True)
class FittedHeads:
    """The chosen heads, best first, and the scorer over their outputs side by side."""

    heads: tuple[Head, ...]
    saliency: tuple[float, ...]
    scorer: FittedScorer

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers that hold a chosen head, ascending."""
        return tuple(sorted({h.layer for h in self.heads}))


def fit_heads(
    by_prompt: Sequence[_Heads],
    labels: NDArray[np.int64],
    *,
    top: int = TOP_HEADS,
    stability: float = STABILITY,
    scorer: Scorer | None = None,
) -> FittedHeads:
    """Choose heads and fit the scorer on them.

    Args:
        by_prompt: for each prompt `[clips, layers, heads, width]`; the first is scored with.
        labels: `[clips]`, 0 normal, 1 anomalous.
        scorer: logistic regression as in the probe unless given.

    Raises:
        UsageError: no prompt, `top` below 1, or a negative `stability`.
        StatesError: shapes differ, or a class is missing.
    """
    if not by_prompt or top < 1 or stability < 0:
        raise UsageError(
            f"{len(by_prompt)} prompts, {top} heads, stability {stability}: give at least one "
            "prompt, one head, and 0"
        )
    if len({states.shape for states in by_prompt}) != 1 or by_prompt[0].ndim != 4:
        raise StatesError(
            f"states of heads {[s.shape for s in by_prompt]}: expected [clips, layers, heads, "
            "width], the same under each prompt"
        )
    values = robust_saliency(by_prompt, labels, stability=stability)
    heads, saliency = best_heads(values, top=top)
    fitted = (scorer or make_scorer("logistic")).fit(columns(by_prompt[0], heads), labels)
    return FittedHeads(heads, saliency, fitted)


def held_out_heads(
    by_prompt: Sequence[_Heads],
    labels: NDArray[np.int64],
    folds: Sequence[tuple[Indices, Indices]],
    *,
    top: int = TOP_HEADS,
    scorer: Scorer | None = None,
) -> _Floats:
    """Scores of clips by heads and weights that have not seen them.

    Args:
        by_prompt, labels, top, scorer: as `fit_heads`.
        folds: training and held-out clips of each fold.

    Returns:
        float64 `[clips]`, NaN where no fold held the clip out.
    """
    scores = np.full(len(labels), np.nan)
    for train, held in folds:
        found = fit_heads([s[train] for s in by_prompt], labels[train], top=top, scorer=scorer)
        scores[held] = found.scorer.probability(columns(by_prompt[0][held], found.heads))
    return scores


def robust_saliency(
    by_prompt: Sequence[_Heads], labels: NDArray[np.int64], *, stability: float = STABILITY
) -> _Floats:
    """Mean minus `stability` deviations over prompts, float64 `[layers, heads]`."""
    every = np.stack([head_saliency(states, labels) for states in by_prompt])
    return np.asarray(every.mean(axis=0) - stability * every.std(axis=0), dtype=np.float64)


def head_saliency(states: _Heads, labels: NDArray[np.int64]) -> _Floats:
    """Saliency of every head under one prompt, float64 `[layers, heads]` in 0..1.

    Raises:
        StatesError: a class is missing, or there are fewer than three clips.
    """
    clips, layers, heads, width = states.shape
    flat = states.reshape(clips, layers * heads, width)
    # a head is measured as a layer is
    table = layer_saliency(flat[labels == 0], flat[labels == 1])
    discrepancy = np.array([_discrepancy(flat[:, i], labels) for i in range(flat.shape[1])])
    measures = [_to_unit(m) for m in (table.kl, table.ldr, discrepancy)]
    return np.asarray(np.mean(measures, axis=0), dtype=np.float64).reshape(layers, heads)


def best_heads(values: _Floats, *, top: int) -> tuple[tuple[Head, ...], tuple[float, ...]]:
    """The `top` heads of the highest values, best first, the shallowest of equals first."""
    order = np.argsort(-values.ravel(), kind="stable")[:top]
    places = [divmod(int(i), values.shape[1]) for i in order]
    heads = tuple(Head(layer + 1, number) for layer, number in places)
    return heads, tuple(float(values.ravel()[i]) for i in order)


def columns(states: _Heads, heads: Sequence[Head]) -> _Heads:
    """Outputs of some heads side by side, `[clips, len(heads) * width]`."""
    return np.concatenate([states[:, h.layer - 1, h.number] for h in heads], axis=1)


def _discrepancy(x: _Heads, labels: NDArray[np.int64]) -> float:
    """Squared maximum mean discrepancy of the two classes under a Gaussian kernel."""
    values = x.astype(np.float64)
    squares = (values**2).sum(axis=1)
    distance = np.maximum(squares[:, None] + squares[None] - 2 * values @ values.T, 0.0)
    apart = distance[~np.eye(len(values), dtype=bool)]
    # The median heuristic: a kernel as wide as the usual distance needs no tuning.
    median = float(np.median(apart[apart > 0])) if (apart > 0).any() else 1.0
    kernel = np.exp(-distance / (2 * median))
    odd = labels == 1
    same = kernel[np.ix_(odd, odd)].mean() + kernel[np.ix_(~odd, ~odd)].mean()
    return float(same - 2 * kernel[np.ix_(odd, ~odd)].mean())


def _to_unit(measure: _Floats) -> _Floats:
    """Brought to 0..1 over all heads; zeros where all are equal."""
    low, high = float(measure.min()), float(measure.max())
    return (measure - low) / (high - low) if high > low else np.zeros_like(measure)


# Setting of a fingerprint that names the heads, as layer.number.
_HEADS = "heads"


def named_heads(fingerprint: Fingerprint) -> tuple[Head, ...]:
    """The heads whose outputs states of a fingerprint hold; none where they are hidden states.

    Raises:
        StatesError: it names them in another way than `ChosenHeadsView` does.
    """
    named = str(fingerprint.settings.get(_HEADS, ""))
    pairs = [re.fullmatch(r"(\d+)\.(\d+)", part) for part in named.split(",") if named]
    found = [Head(int(pair[1]), int(pair[2])) for pair in pairs if pair]
    if len(found) != len(pairs):
        raise StatesError(f"heads {named!r} are not named as layer.number; fit the probe again")
    return tuple(found)


@dataclass
class HeadsView(View):
    """What the attention heads give at the last position, all heads of a layer side by side."""

    prompt: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.backbone, HeadStates):
            raise BackboneError(
                f"the heads of backbone {self.backbone.fingerprint.model} cannot be read one by "
                "one; choose another method"
            )
        self.heads_backbone: HeadStates = self.backbone
        self.layer_count = self.backbone.layer_count
        self.width = self.heads_backbone.head_count * self.heads_backbone.head_width

    @property
    def fingerprint(self) -> Fingerprint:
        """Fingerprint of the backbone with this method and prompt."""
        own = self.backbone.fingerprint.prompt
        return self.fingerprint_of("heads", own if self.prompt is None else self.prompt)

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> ViewStates:
        """float32 `[segments, layers, heads * head width]`, at each reading the same."""
        return self.states_by_prompt(
            segments, prompts=(self.fingerprint.prompt,), layers=layers, readings=readings
        )[self.fingerprint.prompt]

    def states_by_prompt(
        self,
        segments: Sequence[Segment],
        *,
        prompts: Sequence[str],
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[str, ViewStates]:
        """What `states` gives, under several prompts; the video is decoded once."""
        made = self.heads_backbone.head_states(segments, layers=layers, prompts=prompts)
        rows = made.reshape(*made.shape[:3], self.width)
        return {
            prompt: dict.fromkeys(readings, own) for prompt, own in zip(prompts, rows, strict=True)
        }


@dataclass
class ChosenHeadsView(View):
    """Outputs of some heads side by side, read no deeper than the deepest of them."""

    heads: Sequence[Head] = ()

    def __post_init__(self) -> None:
        self._inner = HeadsView(self.backbone).heads_backbone
        self.width = len(self.heads) * self._inner.head_width

    @property
    def fingerprint(self) -> Fingerprint:
        """Fingerprint of the backbone with the chosen heads."""
        found = self.fingerprint_of("heads", HEAD_PROMPTS[0])
        chosen = ",".join(f"{h.layer}.{h.number}" for h in self.heads)
        return replace(found, settings={**found.settings, _HEADS: chosen})

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> ViewStates:
        """float32 `[segments, 1, heads * head width]`, at each reading the same."""
        wanted = sorted({h.layer for h in self.heads})
        made = self._inner.head_states(segments, layers=wanted, prompts=HEAD_PROMPTS[:1])[0]
        rows = np.concatenate([made[:, wanted.index(h.layer), h.number] for h in self.heads], 1)
        return dict.fromkeys(readings, rows[:, None])


def head_states_of(
    clips: Sequence[LabelledClip],
    *,
    backbone: Backbone,
    prompts: Sequence[str] = HEAD_PROMPTS,
    settings: ExtractionSettings = DEFAULTS,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> tuple[list[list[LabelledStates]], list[Failure]]:
    """Heads of labelled clips, for each prompt the same clips, and what could not be read."""
    return extract_views(
        clips,
        backbone=HeadsView(backbone),
        prompts=prompts,
        settings=replace(settings, layers=None, readings=("last",)),
        want=("clip",),
        cache=cache,
        progress=progress,
    )


def fit_heads_on(
    views: Sequence[Sequence[LabelledStates]], *, head_count: int, top: int = TOP_HEADS
) -> FittedHeads:
    """Choose heads on labelled clips, which `head_states_of` read, and fit the scorer on them.

    Raises:
        LabelError: a class is missing.
    """
    labels = np.array([e.label for e in views[0]], dtype=np.int64)
    if set(labels.tolist()) != {0, 1}:
        raise LabelError(
            "heads are chosen on labelled clips of both kinds; one kind is missing: add clips"
        )
    return fit_heads([stacked(view, head_count=head_count) for view in views], labels, top=top)


def stacked(view: Sequence[LabelledStates], *, head_count: int) -> NDArray[np.float32]:
    """`[clips, layers, heads, head width]` of clips read through `HeadsView`.

    Raises:
        StatesError: a clip has no vector.
    """
    rows = [e.clip.values[0] for e in view if e.clip is not None and not e.clip.failed.any()]
    if len(rows) < len(view) or not rows:
        raise StatesError(f"{len(view) - len(rows)} of {len(view)} clips have no heads to read")
    values = np.stack(rows)
    return values.reshape(*values.shape[:2], head_count, -1)
