"""Which members of a committee spoke for an event, and how loudly."""

from __future__ import annotations

import numpy as np

from hiprobe.joined import slices_of
from hiprobe.review.lessons import rows_within
from hiprobe.review.library import Library
from hiprobe.review.values import MemberVote


def member_votes(library: Library, event_id: str) -> tuple[MemberVote, ...]:
    """What each member adds to the log-odds of an event, the loudest first.

    A committee is linear, so its log-odds are a sum over its members, and a constant. Shown is the
    mean over the event's segments; above 0 a member speaks for an anomaly, measured from the mean
    of the labelled clips.

    Returns:
        Empty for a probe that is no committee, and where the event's states are not kept.

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
