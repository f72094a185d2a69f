"""A fit scores clips with gaps as detection does: smoothing reaches across none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from probe_states import examples

from hiprobe.localize import Smoothing, find_events, smooth
from hiprobe.probe import Probe
from hiprobe.probe.fold_fits import detection_scores
from hiprobe.probe.training_set import training_set
from hiprobe.states import LabelledStates, States


def with_gap(found: States) -> States:
    """The same segments with a minute missing behind the second."""
    moved = np.where(np.arange(len(found)) >= 2, 60.0, 0.0)
    return replace(
        found, start_seconds=found.start_seconds + moved, end_seconds=found.end_seconds + moved
    )


def with_failed(found: States, row: int) -> States:
    failed = found.failed.copy()
    failed[row] = True
    return replace(found, values=np.where(failed[:, None, None], 0, found.values), failed=failed)


def clips() -> list[LabelledStates]:
    made = []
    for number, example in enumerate(examples(count=12)):
        segments = example.segments
        assert segments is not None
        segments = with_gap(segments) if number % 3 else segments
        segments = with_failed(segments, 3) if number == 4 else segments
        made.append(replace(example, segments=segments))
    return made


def test_pieces_end_at_gaps_and_not_at_failed_segments() -> None:
    data = training_set(clips())
    found = [data.piece[data.owner == clip].tolist() for clip in (0, 1, 4)]
    assert found == [[0, 0, 0, 0, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1]]


@pytest.mark.parametrize("sigma", [0.4, 2.0])
def test_a_clip_in_a_fit_gets_what_detection_gives(sigma: float) -> None:
    given = [c for n, c in enumerate(clips()) if n != 4]  # a failed one weighs a little otherwise
    probe = Probe(layer=4, mode="segment", sigma_segments=sigma).fit(given)
    scorer, data = probe.scorer_, training_set(given)
    every = np.arange(len(given))
    found = detection_scores(
        data, every, layer=4, scorer=scorer, smoothing=Smoothing(sigma_segments=sigma)
    )
    detected = [probe.detect(c.segments) for c in given if c.segments is not None]
    np.testing.assert_allclose(found, [t.smoothed.max() for t in detected], rtol=1e-6)


def test_detection_keeps_the_sides_of_a_gap_apart() -> None:
    given = clips()
    probe = Probe(layer=4, mode="segment", sigma_segments=2.0).fit(given)
    states = given[1].segments
    assert states is not None
    timeline = probe.detect(states, threshold=0.0)
    parts = [smooth(timeline.scores[p], sigma_segments=2.0) for p in (slice(0, 2), slice(2, 5))]
    np.testing.assert_array_equal(timeline.smoothed, np.concatenate(parts))
    assert [(e.first_segment, e.end_segment) for e in timeline.events] == [(0, 2), (2, 5)]
    assert timeline.events == find_events(
        states.start_seconds, states.end_seconds, timeline.smoothed, 0.0
    )
