"""What is worth labelling next, by hidden states."""

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
from hiprobe.review.values import Label, Proposal
from hiprobe.segment import covered_seconds
from hiprobe.states import LabelledStates, States
from hiprobe.timeline import Timeline

# Stretches below the threshold that each video may propose. Without a limit a day of footage would
# crowd out everything else.
PEAKS_OF_VIDEO = 5

# A video of up to this many times the usual length of the probe's clips is asked about as a whole:
# like them, it was cut to what happens in it.
WHOLE_TIMES = 2.0

# Noise of an answer, in units of the mean variance of the states (see `propose`). On the crash
# clips 30 to 10,000 did equally well, and 1 no better than chance: it picks one outlier after the
# other.
ANSWER_NOISE = 300.0

# Candidates that are compared, the least certain first. The table of pairs grows with the square:
# at 2000 it has 32 MB.
MOST_COMPARED = 2000

# The unit of both is the median distance of candidates to the nearest labelled clip. A candidate
# nearer than this to one that was chosen is left out; a second look at the same scene teaches
# little.
DUPLICATE_SHARE = 0.25

# Farther than this from all labelled clips, a candidate is called unlike them.
FAR_SHARE = 1.0

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A stretch that could be labelled.

    Attributes:
        event_id: None for a peak below the threshold, and for a whole video.
        score: highest smoothed score within it.
        vector: the mean of its segments at the probe's layer, scaled as its scorer does, float64
            `[dimensions]`.
        is_whole: the stretch is all of its video.
        whole: the video's own vector, from key frames over all of it; None where it is not kept.
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
        """1 at the threshold, 0 at that end of the scale that is farther from it."""
        reach = max(self.threshold, 1 - self.threshold)
        return max(0.0, 1 - abs(self.score - self.threshold) / reach)


def propose(library: Library, count: int) -> tuple[Proposal, ...]:
    """Events, stretches and short videos to label next, the most useful first.

    The next one is always the candidate whose answer would tell most about all others: in a linear
    model with Gaussian noise, the one that reduces the variance of the predictions for all
    candidates most (transductive experimental design, Yu, Bi and Tresp 2006), times the square root
    of its own uncertainty. Near copies of a chosen one are left out, so there may be fewer than
    `count`.

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
        weight: `[candidates]`, factor on how much variance each takes away.
        members: layout of the vectors of a committee; empty for a single probe.

    Yields:
        The row of a candidate, and its distance to the nearest that is labelled or chosen, in
        medians of these distances at the start.
    """
    distance = distances(vectors, labelled).min(axis=1)
    # 0 where most candidates are labelled clips themselves; any unit will do then.
    unit = float(np.median(distance)) or 1.0
    left = _Variance.of(np.concatenate([vectors, labelled]), members)
    # What is labelled already counts as answered, so that nothing like it is asked for again.
    for number in range(len(vectors), len(vectors) + len(labelled)):
        left.know(number)
    free = np.ones(len(vectors), bool)
    while free.any():
        gain = weight * left.gain()[: len(vectors)]
        best = int(np.argmax(np.where(free, gain, -1.0)))
        yield best, float(distance[best] / unit)
        left.know(best)
        to_best = distances(vectors, vectors[best : best + 1])[:, 0]
        free &= to_best > DUPLICATE_SHARE * unit
        free[best] = False
        distance = np.minimum(distance, to_best)


def compared_vectors(
    probe: Probe, found: Sequence[Candidate], clips: Sequence[LabelledStates]
) -> tuple[_Floats, _Floats]:
    """Candidates and labelled clips as vectors, `[n, dimensions]` each.

    Whole vectors where all have one: on the crash clips proposals by them gained 0.027 over chance,
    by means of segments 0.015. The two differ in kind, so a mixture would compare kinds, not clips.
    """
    wholes = [candidate.whole for candidate in found]
    own = [mean_vector(probe, clip.clip) for clip in clips if clip.clip is not None]
    kept = [whole for whole in wholes if whole is not None]
    if len(kept) == len(found) and len(own) == len(clips):
        return np.stack(kept), np.stack(own)
    means = [vector_of(probe, clip) for clip in clips]
    return np.stack([candidate.vector for candidate in found]), np.stack(means)


@dataclass
class _Variance:
    """What is not known yet about stretches: the covariance of their predictions, `[n, n]`."""

    covariance: _Floats

    @classmethod
    def of(cls, vectors: _Floats, members: Sequence[Member]) -> _Variance:
        """Before any answer. Each reading has an equal part, and each layer of a reading.

        Otherwise the widest reading, or the one with most layers, would decide alone.
        """
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
        """Take in the answer on a stretch, whatever it is: the variance is the same for each."""
        own = self.covariance[number]
        self.covariance = self.covariance - np.outer(own, own) / (own[number] + ANSWER_NOISE)

    def gain(self) -> _Floats:
        """How much variance the answer on each stretch would take away, summed over all."""
        squares: _Floats = np.square(self.covariance).sum(axis=0)
        return squares / (np.diag(self.covariance) + ANSWER_NOISE)


def vector_of(probe: Probe, example: LabelledStates) -> _Floats:
    """A labelled clip as one vector at the probe's layer, scaled as its scorer does."""
    states = example.segments if example.segments is not None else example.clip
    if states is None:  # LabelledStates does not allow it
        raise ValueError(f"{example.name} has no states")
    return mean_vector(probe, states)


def mean_vector(probe: Probe, states: States) -> _Floats:
    """The mean of states at the probe's layer, scaled as its scorer does, `[dimensions]`.

    Segments that the backbone could not read are left out, unless there are no others.
    """
    alive = ~states.failed if (~states.failed).any() else states.failed
    mean = states.layer(probe.layer_)[alive].mean(axis=0, dtype=np.float64)
    return np.asarray((mean - probe.scorer_.mean) / probe.scorer_.scale)


def distances(one: _Floats, other: _Floats) -> _Floats:
    """Root mean square difference of every pair, `[one, other]`."""
    # Multiplied out: all differences at once would be an array of pairs times dimensions. Rounding
    # may leave a distance to itself a little below 0.
    squares = np.square(one).sum(1)[:, None] + np.square(other).sum(1) - 2 * one @ other.T
    return np.asarray(np.sqrt(np.maximum(squares, 0) / one.shape[1]))


def candidates(library: Library) -> Iterator[Candidate]:
    """What could be labelled in videos whose states are kept.

    Of a short video all of it; of others the events without a label, and the highest peaks below
    the threshold, where an event may have been missed.

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
                vector = mean_vector(in_use.probe, rows_within(states, start, end))
                kept = in_use.whole(result, states.layers) if is_whole else None
                whole = None if kept is None else mean_vector(in_use.probe, kept)
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
    """The highest segments below the threshold that are not lower than their neighbours."""
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
    """A candidate with the reason to label it, in words; the distance is in medians."""
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
