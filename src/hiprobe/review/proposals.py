"""What is worth labelling next, and which labelled clips an event is like, by hidden states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from hiprobe.joined import Member, slices_of
from hiprobe.probe import Probe
from hiprobe.review.lessons import lessons_of, rows_within
from hiprobe.review.library import Library
from hiprobe.review.values import Label, Neighbour, Proposal
from hiprobe.segment import covered_seconds
from hiprobe.states import LabelledStates, States
from hiprobe.timeline import Timeline

# Stretches below the threshold that each video puts up.
PEAKS_OF_VIDEO = 5

# A video this many times as long as the probe's clips usually are is asked about as a whole: it
# was cut to what happens in it, as they were.
WHOLE_TIMES = 2.0

# Noise of an answer, in units of the mean variance of the states (see `propose`). On the crash
# clips 30 to 10,000 did alike, 1 no better than chance: it takes outliers, one after the other.
ANSWER_NOISE = 300.0

# Candidates that are compared, the least certain first: the table of pairs grows with the square.
MOST_COMPARED = 2000

# Nearer to one that was chosen than this share of the median distance, it is left out.
DUPLICATE_SHARE = 0.25

# Farther from all labelled clips than this share of it, it is called unlike them.
FAR_SHARE = 1.0

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A stretch that could be labelled.

    Attributes:
        event_id: None for a peak below the threshold, and for a whole video.
        vector: the mean of its segments at the probe's layer, scaled as its scorer does.
        is_whole: the stretch is all of its video.
        whole: the video's own vector, from key frames over all of it, where that is kept.
    """

    event_id: str | None
    video_id: str
    start_seconds: float
    end_seconds: float
    score: float
    threshold: float
    vector: _Floats
    is_whole: bool = False
    whole: _Floats | None = None

    @property
    def uncertainty(self) -> float:
        """1 at the threshold, 0 at the end of the scale that is farther away."""
        reach = max(self.threshold, 1 - self.threshold)
        return max(0.0, 1 - abs(self.score - self.threshold) / reach)


def propose(library: Library, count: int) -> tuple[Proposal, ...]:
    """Events, stretches and short videos to label next, the most useful first.

    The next one is always that whose answer would tell most about all others: in a linear model
    with Gaussian noise, it takes away most of the variance of what is predicted for all candidates
    (transductive experimental design, Yu, Bi and Tresp 2006), times the square root of its own
    uncertainty. What is nearly the same as a chosen one is left out, so there may be fewer than
    asked for.

    Raises:
        UsageError: the library has no probe, or it cannot be extended.
    """
    probe = library.probe_in_use().probe
    found = sorted(candidates(library), key=lambda one: -one.uncertainty)[:MOST_COMPARED]
    if not found:
        return ()
    vectors, labelled = compared_vectors(probe, found, lessons_of(library).examples)
    weight = np.sqrt([candidate.uncertainty for candidate in found])
    order = most_telling(vectors, labelled, weight, probe.members)
    return tuple(_proposal(found[n], distance) for n, distance in islice(order, count))


def most_telling(
    vectors: _Floats, labelled: _Floats, weight: _Floats, members: Sequence[Member] = ()
) -> Iterator[tuple[int, float]]:
    """Which candidates to ask about, the most useful first, see `propose`.

    Args:
        vectors, labelled: `[candidates, dimensions]` and `[labelled, dimensions]`.
        weight: `[candidates]`, what its part in the variance is multiplied by.
        members: layout of the vectors of a committee.

    Yields:
        Its position, and how far it is from all that is labelled or chosen, in medians.
    """
    distance = _distances(vectors, labelled).min(axis=1)
    unit = float(np.median(distance)) or 1.0
    left = _Variance.of(np.concatenate([vectors, labelled]), members)
    for number in range(len(vectors), len(vectors) + len(labelled)):
        left.know(number)
    free = np.ones(len(vectors), bool)
    while free.any():
        gain = weight * left.gain()[: len(vectors)]
        best = int(np.argmax(np.where(free, gain, -1.0)))
        yield best, float(distance[best] / unit)
        left.know(best)
        to_best = _distances(vectors, vectors[best : best + 1])[:, 0]
        free &= to_best > DUPLICATE_SHARE * unit
        free[best] = False
        distance = np.minimum(distance, to_best)


def compared_vectors(
    probe: Probe, found: Sequence[Candidate], clips: Sequence[LabelledStates]
) -> tuple[_Floats, _Floats]:
    """Candidates and labelled clips, `[n, dimensions]` each: whole vectors where all have one.

    They tell more than means do: on the crash clips 0.027 above chance against 0.015. But the two
    differ, and in a mixture that difference would be what is seen first.
    """
    wholes = [candidate.whole for candidate in found]
    own = [_mean(probe, clip.clip) for clip in clips if clip.clip is not None]
    kept = [whole for whole in wholes if whole is not None]
    if len(kept) == len(found) and len(own) == len(clips):
        return np.stack(kept), np.stack(own)
    means = [vector_of(probe, clip) for clip in clips]
    return np.stack([candidate.vector for candidate in found]), np.stack(means)


@dataclass
class _Variance:
    """What is not yet known of stretches: the covariance of their predictions, `[n, n]`."""

    covariance: _Floats

    @classmethod
    def of(cls, vectors: _Floats, members: Sequence[Member]) -> _Variance:
        """Before any answer; each reading, and each layer of a reading, has an equal part."""
        deviation = vectors.std(axis=0)
        scaled = (vectors - vectors.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
        if not members:
            return cls(scaled @ scaled.T / vectors.shape[1])
        readings = [member.reading for member in members]
        for member, part in zip(members, slices_of(members), strict=True):
            equal = member.width * readings.count(member.reading) * len(set(readings))
            scaled[:, part] /= np.sqrt(equal)
        return cls(scaled @ scaled.T)

    def know(self, number: int) -> None:
        """Take in the answer on a stretch, whatever it is."""
        own = self.covariance[number]
        self.covariance = self.covariance - np.outer(own, own) / (own[number] + ANSWER_NOISE)

    def gain(self) -> _Floats:
        """How much variance the answer on each stretch would take away, summed over all."""
        squares: _Floats = np.square(self.covariance).sum(axis=0)
        return squares / (np.diag(self.covariance) + ANSWER_NOISE)


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
    """What could be labelled of videos whose states are kept.

    Of a short video that is all of it; of others, events without a label, and the highest peaks
    below the threshold.

    Raises:
        UsageError: the library has no probe.
        ProbeFolderError: the probe was saved without the states of its clips.
    """
    in_use, labels = library.probe_in_use(), library.labels()
    usual = np.median([clip.covered_seconds for clip in in_use.versions.base().examples()])
    for video_id in library.video_ids():
        result = library.result(video_id)
        states = in_use.states(result)
        if states is None:
            continue
        own = [label for label in labels if label.video_id == video_id]
        timeline = result.timeline
        is_whole = _length(timeline) <= WHOLE_TIMES * usual
        if is_whole:
            spans = _whole(timeline)
        else:
            events = library.store.events(video_id)
            judged = [e for e in events if e.label is None]
            spans = [(e.id, e.start_seconds, e.end_seconds, e.score) for e in judged]
            spans += _peaks(timeline)
        for event_id, start, end, score in spans:
            if not _is_labelled(own, start, end):
                vector = _mean(in_use.probe, rows_within(states, start, end))
                kept = in_use.whole(result, states.layers) if is_whole else None
                whole = None if kept is None else _mean(in_use.probe, kept)
                place = (event_id, video_id, start, end, score, timeline.threshold)
                yield Candidate(*place, vector, is_whole, whole)


_Span = tuple[str | None, float, float, float]


def _length(timeline: Timeline) -> float:
    return covered_seconds(timeline.start_seconds, timeline.end_seconds)


def _whole(timeline: Timeline) -> list[_Span]:
    """The whole video with its highest score; none where no segment has one."""
    score = timeline.smoothed[np.isfinite(timeline.smoothed)]
    start, end = timeline.start_seconds, timeline.end_seconds
    return [(None, float(start[0]), float(end[-1]), float(score.max()))] if len(score) else []


def _peaks(timeline: Timeline) -> list[_Span]:
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
    whole = "the whole video, " if candidate.is_whole else ""
    return Proposal(
        event_id=candidate.event_id,
        video_id=candidate.video_id,
        start_seconds=candidate.start_seconds,
        end_seconds=candidate.end_seconds,
        why=f"{whole}{gap:.2f} {side} the threshold{unlike}",
        score=candidate.score,
    )
