"""Detection by a baseline: the same loop, smoothing and events as with a probe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hiprobe.backbones.interface import Backbone
from hiprobe.baselines.asked import (
    METHODS,
    QUESTIONS,
    Answered,
    FirstTokenView,
    Method,
    NumberView,
    OrdinalView,
    Questions,
    answered,
)
from hiprobe.baselines.attention_heads import ChosenHeadsView, FittedHeads, HeadsView
from hiprobe.errors import UsageError
from hiprobe.joined import Member
from hiprobe.localize import Smoothing, check_threshold, scored_timeline
from hiprobe.paper import SIGMA_SEGMENTS
from hiprobe.pipeline import DetectResult, ExtractionSettings, Progress, detect_video
from hiprobe.pipeline.reading import DEFAULTS
from hiprobe.segment import WHOLE, Stretch
from hiprobe.states import Reading, States
from hiprobe.store.states_cache import StatesCache
from hiprobe.timeline import Timeline

# No labels, so no few-shot scores to take a threshold from: the middle of the scale.
THRESHOLD = 0.5


@dataclass(frozen=True)
class ZeroLabelResult:
    """A video scored by a baseline.

    Attributes:
        detected: scores and events, as detection with a probe gives them; a segment without an
            answer has no score.
        unanswered: segments whose answer held no number.
        failed: segments that did not fit into memory.
        mass: mean probability of Yes and No together, of segments that did not fail; None for
            other methods.
    """

    detected: DetectResult
    unanswered: int
    failed: int
    mass: float | None

    @property
    def timeline(self) -> Timeline:
        """Scores and events."""
        return self.detected.timeline


def zero_label_video(
    video: Path | str,
    *,
    backbone: Backbone,
    method: Method,
    heads: FittedHeads | None = None,
    questions: Questions = QUESTIONS,
    threshold: float | None = None,
    sigma_segments: float = SIGMA_SEGMENTS,
    settings: ExtractionSettings = DEFAULTS,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> ZeroLabelResult:
    """Score a video by a baseline.

    Args:
        heads: what `fit_heads_on` gave, for the method "heads" only.
        threshold: T, `THRESHOLD` where None.

    Raises:
        UsageError: heads are missing, or given for another method; no score lies above T, or every
            one.
        BackboneError: the backbone does not offer what the method reads.
        VideoError, BackboneMemoryError, StatesError: as `extract_video`.
    """
    if (method == "heads") != (heads is not None):
        raise UsageError(
            f"method {method} {'needs' if method == 'heads' else 'takes no'} fitted heads; choose "
            "them with fit_heads_on for the method heads, and for that one only"
        )
    if threshold is not None:
        check_threshold(threshold)
    scorer = _Detector(method, heads, THRESHOLD if threshold is None else threshold, sigma_segments)
    found = detect_video(
        video,
        probe=scorer,
        backbone=view_of(backbone, method=method, heads=heads, questions=questions),
        settings=settings,
        stretch=stretch,
        cache=cache,
        progress=progress,
    )
    given = scorer.answers(found.states)
    failed = found.states.failed
    mass = None if given.mass is None else float(given.mass[~failed].mean())
    return ZeroLabelResult(found, int(given.unanswered.sum()), int(failed.sum()), mass)


def view_of(
    backbone: Backbone,
    *,
    method: Method,
    heads: FittedHeads | None = None,
    questions: Questions = QUESTIONS,
) -> Backbone:
    """What a method reads of a backbone, in the form of states.

    Raises:
        UsageError: there is no such method.
        BackboneError: the backbone does not offer what the method reads.
    """
    if method not in METHODS:
        raise UsageError(f"method {method!r} is unknown; choose one of {METHODS}")
    if method == "first-token":
        return FirstTokenView(backbone, questions)
    if method == "ordinal":
        return OrdinalView(backbone, questions)
    if method == "decoded":
        return NumberView(backbone, questions)
    return HeadsView(backbone) if heads is None else ChosenHeadsView(backbone, heads.heads)


@dataclass(frozen=True)
class _Detector:
    """A baseline where detection expects a probe."""

    method: Method
    heads: FittedHeads | None
    threshold: float
    sigma_segments: float
    layer_: int = 1
    reading_: Reading = "last"
    # Read from the probe by `detect_video`; a baseline was fitted on nothing.
    provenance_: None = None
    members: tuple[Member, ...] = ()

    def answers(self, states: States) -> Answered:
        if self.heads is None:
            return answered(states, method=self.method)
        scores = self.heads.scorer.probability(states.values[:, 0])
        none = np.zeros(len(states), np.bool_)
        return Answered(np.where(states.failed, np.nan, scores), none)

    def detect(self, states: States) -> Timeline:
        scores = self.answers(states).scores
        return scored_timeline(
            states.start_seconds,
            states.end_seconds,
            scores,
            smoothing=Smoothing(sigma_segments=self.sigma_segments),
            threshold=self.threshold,
        )
