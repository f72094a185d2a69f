"""Why an event scores as it does: the labelled clips it is most like, and its committee's votes."""

from __future__ import annotations

import numpy as np

from hiprobe.joined import slices_of
from hiprobe.review.lessons import lessons_of, rows_within
from hiprobe.review.library import Library
from hiprobe.review.proposals import distances, mean_vector, vector_of
from hiprobe.review.values import MemberVote, Neighbour


def nearest(library: Library, event_id: str, count: int) -> tuple[Neighbour, ...]:
    """The labelled clips whose states are nearest to those of an event.

    Returns:
        At most `count`, the nearest first; none where the states of the event's video are not kept.

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
    distance = distances(mean_vector(in_use.probe, rows)[None], labelled)[0]
    return tuple(
        Neighbour(
            name=clips[n].name,
            label="anomaly" if clips[n].label else "normal",
            class_name=clips[n].class_name or None,
            distance=float(distance[n]),
        )
        for n in np.argsort(distance, kind="stable")[:count]
    )


def member_votes(library: Library, event_id: str) -> tuple[MemberVote, ...]:
    """What each member of a committee adds to the log-odds of an event, the largest first.

    A committee is linear, so its log-odds are a sum over its members and a constant. Each vote is
    the mean over the event's segments, relative to the mean of the labelled clips; above 0 it
    speaks for an anomaly.

    Returns:
        Empty for a probe that is not a committee, and where the event's states are not kept.

    Raises:
        UnknownIdError: there is no such event.
        UsageError: the library has no probe.
    """
    event, in_use = library.event(event_id), library.probe_in_use()
    probe, scorer = in_use.probe, in_use.probe.scorer_
    states = in_use.states(library.result(event.video_id)) if probe.members else None
    if states is None:
        return ()
    rows = rows_within(states, event.start_seconds, event.end_seconds)
    alive = rows.select_rows(~rows.failed)
    if not len(alive):
        return ()
    # The scorer subtracts the mean of the clips and divides by their deviation before it weighs, so
    # the constant of the sum belongs to no member.
    part = ((alive.layer(probe.layer_) - scorer.mean) / scorer.scale * scorer.weights).mean(axis=0)
    votes = [
        MemberVote(
            name=member.name,
            weight=row.weight,
            log_odds=float(scorer.slope * part[place].sum(dtype=np.float64)),
        )
        for member, row, place in zip(
            probe.members, probe.member_table_, slices_of(probe.members), strict=True
        )
    ]
    return tuple(sorted(votes, key=lambda vote: -abs(vote.log_odds)))
