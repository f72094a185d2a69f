"""Segments with a cut inside are counted apart; counts follow by hand from small timelines."""

import numpy as np
import pytest

from hiprobe.evaluation.cuts import measure_cuts
from hiprobe.timeline import Timeline


def timeline(scores, *, threshold=0.5, seconds=1.0):
    values = np.asarray(scores, dtype=np.float64)
    start = np.arange(len(values)) * seconds
    return Timeline(start, start + seconds, values, values, threshold, 0.0, ())


def test_counts_follow_the_timeline():
    # cuts: 1.5 normal to normal (alarm), 3.0 into the event, 5.0 out of it, 6.5 normal to normal
    found = measure_cuts(
        timeline([0.1, 0.8, 0.2, 0.9, 0.7, 0.1, 0.3, 0.6]),
        truth_spans=[(3.0, 5.0)],
        cuts_seconds=[1.5, 3.0, 5.0, 6.5],
    )
    assert (found.segments, found.straddling) == (8, 2)
    assert (found.normal_segments, found.normal_straddling) == (6, 2)
    assert (found.false_alarms, found.false_alarms_straddling) == (2, 1)
    assert (found.normal_cuts, found.normal_cuts_alarmed) == (2, 1)
    assert (found.event_cuts, found.event_cuts_alarmed) == (2, 1)
    assert found.auc == pytest.approx(11 / 12)
    assert found.auc_without_straddling == 1.0
    assert "without the 2 of 8 that contain a join 1.000" in found.sentences()[0]


def test_a_scorer_of_cuts_alone_is_found_out():
    rng = np.random.default_rng(0)
    cuts = np.arange(2.5, 60, 2.0)  # every second segment holds one
    scores = np.where(np.arange(60) % 2 == 0, 0.9, 0.1) + rng.normal(scale=0.01, size=60)
    spans = [(c, c + 0.5) for c in cuts[::2]]  # events that begin at a cut
    found = measure_cuts(timeline(scores), truth_spans=spans, cuts_seconds=cuts.tolist())
    assert found.auc is not None and found.auc > 0.7
    assert found.false_alarms_straddling == found.false_alarms - 1 > 10
    assert found.normal_cuts_alarmed == found.normal_cuts > 10
    assert found.auc_without_straddling is None  # nothing of the truth is left


def test_segments_without_a_score_are_left_out_and_a_video_without_cuts_is_fine():
    found = measure_cuts(timeline([0.1, np.nan, 0.9]), truth_spans=[(2.0, 3.0)], cuts_seconds=[])
    assert found.segments == 2 and found.straddling == found.normal_cuts == 0
    assert found.auc == found.auc_without_straddling == 1.0
    assert found.to_json()["event_cuts"] == 0
