"""What is worth labelling next, and which labelled clips an event is like, by hidden states."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe.probe import Probe
from hiprobe.review.lessons import lessons_of, rows_within
from hiprobe.review.library import Library
from hiprobe.review.values import Label, Neighbour, Proposal
from hiprobe.states import LabelledStates, States
from hiprobe.timeline import Timeline

# Stretches below the threshold that each video puts up.
PEAKS_OF_VIDEO = 5

# Nearer to one that was chosen than this share of the median distance, it is left out.
DUPLICATE_SHARE = 0.25

# Farther from all labelled clips than this share of it, it is called unlike them.
FAR_SHARE = 1.0

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A stretch that could be labelled.

    Attributes:
        event_id: None for a peak below the threshold.
        vector: its states at the probe's layer, scaled as its scorer does.
    """

    event_id: str | None
    video_id: str
    start_seconds: float
    end_seconds: float
    score: float
    threshold: float
    vector: _Floats

    @property
    def uncertainty(self) -> float:
        """1 at the threshold, 0 at the end of the scale that is farther away."""
        reach = max(self.threshold, 1 - self.threshold)
        return max(0.0, 1 - abs(self.score - self.threshold) / reach)


def propose(library: Library, count: int) -> tuple[Proposal, ...]:
    """Events and stretches to label next, the most useful first.

    The next one is always that of the greatest uncertainty times distance to the nearest clip
    that is labelled or chosen already (farthest-first traversal, Gonzalez 1985, weighted). What is
    nearly the same as a chosen one is left out, so there may be fewer than asked for.

    Raises:
        UsageError: the library has no probe, or it cannot be extended.
    """
    probe = library.probe_in_use().probe
    found = list(candidates(library))
    if not found:
        return ()
    vectors = np.stack([candidate.vector for candidate in found])
    labelled = np.stack([vector_of(probe, e) for e in lessons_of(library).examples])
    distance = _distances(vectors, labelled).min(axis=1)
    unit = float(np.median(distance)) or 1.0
    weight = np.array([candidate.uncertainty for candidate in found])
    free = np.ones(len(found), bool)
    chosen: list[Proposal] = []
    while len(chosen) < count and free.any():
        best = int(np.argmax(np.where(free, weight * distance, -1.0)))
        chosen.append(_proposal(found[best], distance[best] / unit))
        to_best = _distances(vectors, vectors[best : best + 1])[:, 0]
        free &= to_best > DUPLICATE_SHARE * unit
        free[best] = False
        distance = np.minimum(distance, to_best)
    return tuple(chosen)


def nearest(library: Library, event_id: str, count: int) -> tuple[Neighbour, ...]:
    """The labelled clips whose states are nearest to those of an event.

    Raises:
        UnknownIdError: there is no such event.
        UsageError: the library has no probe, or it cannot be extended.
    """
    event, in_use = library.event(event_id), library.probe_in_use()
    states = in_use.states(library.result(event.video_id))
    if states is None:
        return ()
    rows = rows_within(states, event.start_seconds, event.end_seconds)
    clips = lessons_of(library).examples
    labelled = np.stack([vector_of(in_use.probe, clip) for clip in clips])
    distance = _distances(_mean(in_use.probe, rows)[None], labelled)[0]
    return tuple(
        Neighbour(
            name=clips[n].name,
            label="anomaly" if clips[n].label else "normal",
            class_name=clips[n].class_name or None,
            distance=float(distance[n]),
        )
        for n in np.argsort(distance, kind="stable")[:count]
    )


def vector_of(probe: Probe, example: LabelledStates) -> _Floats:
    """A labelled clip as one vector at the probe's layer, scaled as its scorer does."""
    states = example.segments if example.segments is not None else example.clip
    if states is None:  # LabelledStates does not allow it
        raise ValueError(f"{example.name} has no states")
    return _mean(probe, states)


def _mean(probe: Probe, states: States) -> _Floats:
    alive = ~states.failed if (~states.failed).any() else states.failed
    mean = states.layer(probe.layer_)[alive].mean(axis=0, dtype=np.float64)
    return np.asarray((mean - probe.scorer_.mean) / probe.scorer_.scale)


def _distances(one: _Floats, other: _Floats) -> _Floats:
    """Root mean square difference of every pair, `[one, other]`."""
    squares = np.square(one).sum(1)[:, None] + np.square(other).sum(1) - 2 * one @ other.T
    return np.asarray(np.sqrt(np.maximum(squares, 0) / one.shape[1]))


def candidates(library: Library) -> Iterator[Candidate]:
    """Events without a label, and the highest peaks below the threshold, where states are kept.

    Raises:
        UsageError: the library has no probe.
    """
    in_use, labels = library.probe_in_use(), library.labels()
    for video_id in library.video_ids():
        result = library.result(video_id)
        states = in_use.states(result)
        if states is None:
            continue
        own = [label for label in labels if label.video_id == video_id]
        events = library.store.events(video_id)
        spans = [(e.id, e.start_seconds, e.end_seconds, e.score) for e in events if e.label is None]
        for event_id, start, end, score in [*spans, *_peaks(result.timeline)]:
            if not _is_labelled(own, start, end):
                vector = _mean(in_use.probe, rows_within(states, start, end))
                threshold = result.timeline.threshold
                yield Candidate(event_id, video_id, start, end, score, threshold, vector)


def _peaks(timeline: Timeline) -> list[tuple[None, float, float, float]]:
    """The highest segments below the threshold that are no lower than those beside them."""
    score = np.where(np.isnan(timeline.smoothed), -np.inf, timeline.smoothed)
    beside = np.concatenate([[-np.inf], score, [-np.inf]])
    is_peak = (score >= beside[:-2]) & (score >= beside[2:]) & np.isfinite(score)
    rows = np.flatnonzero(is_peak & (score <= timeline.threshold))
    best = rows[np.argsort(-score[rows], kind="stable")][:PEAKS_OF_VIDEO]
    start, end = timeline.start_seconds, timeline.end_seconds
    return [(None, float(start[n]), float(end[n]), float(score[n])) for n in best]


def _is_labelled(labels: list[Label], start: float, end: float) -> bool:
    return any(one.start_seconds < end and start < one.end_seconds for one in labels)


def _proposal(candidate: Candidate, distance: float) -> Proposal:
    """In words, with the distance in medians."""
    side = "above" if candidate.score > candidate.threshold else "below"
    gap = abs(candidate.score - candidate.threshold)
    unlike = ", unlike all that is labelled" if distance > FAR_SHARE else ""
    return Proposal(
        event_id=candidate.event_id,
        video_id=candidate.video_id,
        start_seconds=candidate.start_seconds,
        end_seconds=candidate.end_seconds,
        why=f"{gap:.2f} {side} the threshold{unlike}",
        score=candidate.score,
    )
