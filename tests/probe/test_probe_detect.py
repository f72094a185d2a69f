"""Scores, timelines, and refusal of strange states."""

from dataclasses import replace

import numpy as np
import pytest
from probe_states import FINGERPRINT, examples, states

from hiprobe.errors import FingerprintError, StatesError, UsageError
from hiprobe.localize import Smoothing, adaptive_threshold, smooth
from hiprobe.probe import Probe

ROWS = ("values", "start_seconds", "end_seconds", "failed", "reused")


@pytest.fixture(scope="module")
def probe():
    return Probe(folds=4).fit(examples())


@pytest.fixture(scope="module")
def video():
    normal, hot = examples(segments=8)[:2]
    rows = np.concatenate([normal.segments.values, hot.segments.values, normal.segments.values])
    return states(rows, failed=[2])


def test_the_anomalous_stretch_is_found_at_its_time(probe, video):
    timeline = probe.detect(video)
    inside = [e for e in timeline.events if e.start_seconds < 16 and e.end_seconds > 8]
    covered = sum(min(e.end_seconds, 16) - max(e.start_seconds, 8) for e in inside)
    outside = sum(e.end_seconds - e.start_seconds for e in timeline.events) - covered
    assert covered >= 7 and outside <= 2


def test_a_failed_segment_has_no_score(probe, video):
    timeline = probe.detect(video)
    assert np.flatnonzero(np.isnan(timeline.scores)).tolist() == [2]
    np.testing.assert_array_equal(timeline.smoothed, smooth(timeline.scores))
    assert timeline.threshold == probe.threshold_


def test_settings_of_detection_take_the_place_of_the_probes(probe, video):
    assert probe.detect(video, threshold=0.9999, kappa=0.1).threshold == 0.9999
    scores = probe.few_shot_scores_["cross_validated"]
    assert probe.detect(video, kappa=1.0).threshold == adaptive_threshold(scores, kappa=1.0)
    plain = probe.detect(video, sigma_segments=0)
    np.testing.assert_array_equal(plain.scores, plain.smoothed)
    assert plain.sigma_segments == 0


def test_the_smoothing_is_kept_with_the_probe_and_told_by_the_timeline(probe, video, tmp_path):
    causal = Probe(folds=4, smoothing="ema", ema_weight=0.5).fit(examples())
    causal.save(tmp_path)
    timeline = Probe.load(tmp_path).detect(video)
    assert Smoothing.of(timeline) == Smoothing(kind="ema", sigma_segments=0.0, ema_weight=0.5)
    cut = replace(video, **{n: getattr(video, n)[:9] for n in ROWS})
    np.testing.assert_array_equal(causal.detect(cut).smoothed, timeline.smoothed[:9])
    own = Smoothing.of(probe.detect(video))
    assert own == Smoothing() and not own.is_causal
    for wrong in ({"smoothing": "ema", "sigma_segments": 1.0}, {"ema_weight": 0.5}):
        with pytest.raises(UsageError, match="belongs to"):
            probe.detect(video, **wrong)
    with pytest.raises(UsageError, match="smoothing is 'mean'"):
        Probe(smoothing="mean").fit(examples())


def test_states_cut_to_the_probes_layer_score_the_same(probe, video):
    cut = video.select_layers([probe.layer_])
    np.testing.assert_array_equal(probe.score(cut), probe.score(video))
    with pytest.raises(StatesError, match="layer"):
        probe.score(video.select_layers([1]))


def test_another_backbone_or_reading_is_refused(probe, video):
    other = replace(FINGERPRINT, weights="weights-2")
    with pytest.raises(FingerprintError, match="weights 'weights-1' against 'weights-2'"):
        probe.score(replace(video, fingerprint=other))
    with pytest.raises(StatesError, match="visual_mean"):
        probe.score(replace(video, reading="visual_mean"))
