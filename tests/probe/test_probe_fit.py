"""What fitting chooses, and that nothing of the held-out clips leaks into it."""

from dataclasses import replace

import numpy as np
import pytest
from probe_states import FINGERPRINT, examples, states
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from hiprobe.errors import FingerprintError, LabelError, StatesError, UsageError
from hiprobe.localize import adaptive_threshold
from hiprobe.probe import Probe
from hiprobe.probe.training_set import roc_auc


def test_the_informative_layer_in_the_middle_is_found():
    probe = Probe().fit(examples())
    assert probe.layer_ == probe.layer_table_.chosen == 4
    assert set(probe.fold_layers_) == {4} and len(probe.fold_layers_) == 8
    assert probe.cv_auc_ is not None and probe.cv_auc_ > 0.95
    assert int(np.argmax(probe.layer_table_.cv_auc)) == 3
    assert probe.layer_table_.silhouette.shape == probe.layer_table_.total.shape == (6,)
    assert probe.warnings_ == ()


@pytest.mark.parametrize(("layer", "number"), [("last", 6), ("middle", 3), (2, 2)])
def test_a_layer_can_be_named(layer, number):
    assert Probe(layer=layer, mode="clip").fit(examples(count=12)).layer_ == number


def test_on_noise_the_cross_validated_area_is_a_half():
    areas, oracles = [], []
    for seed in range(8):
        noise = examples(seed=seed, gap=0.0, count=48, layers=20, segments=3, width=6)
        probe = Probe(folds=4, seed=seed).fit(noise)
        areas.append(probe.cv_auc_)
        oracles.append(probe.layer_table_.cv_auc.max())
    assert 0.42 < np.mean(areas) < 0.58
    assert np.mean(oracles) > 0.62  # what choosing a layer on the held-out clips would claim


def test_scorer_in_clip_mode_is_scikit_learns_on_the_clip_vectors():
    clips = examples(count=30)
    probe = Probe(layer=4, mode="clip", c=0.5).fit(clips)
    x = np.concatenate([e.clip.layer(4) for e in clips]).astype(np.float64)
    scale = StandardScaler().fit(x)
    model = LogisticRegression(C=0.5, class_weight="balanced", tol=1e-10, max_iter=9999)
    model.fit(scale.transform(x), [e.label for e in clips])
    new = states(np.random.default_rng(1).normal(size=(9, 6, 12)))
    expected = model.predict_proba(scale.transform(new.layer(4).astype(np.float64)))[:, 1]
    np.testing.assert_allclose(probe.score(new), expected, atol=1e-5)


def test_segment_mean_is_the_mean_of_the_segments_that_did_not_fail():
    clips = examples(count=20, clip=False)
    rows = clips[3].segments.values.copy()
    broken = replace(clips[3], segments=states(rows, failed=[1]))
    without = replace(clips[3], segments=states(np.delete(rows, 1, axis=0)))
    there = Probe(mode="segment_mean", layer=4).fit([*clips[:3], broken, *clips[4:]])
    expected = Probe(mode="segment_mean", layer=4).fit([*clips[:3], without, *clips[4:]])
    np.testing.assert_allclose(there.scorer_.weights, expected.scorer_.weights)


def test_mil_beats_segments_under_their_clips_label_where_one_of_many_is_anomalous():
    clips = examples(count=60, segments=20, hot=1, gap=3.0, width=30, clip=False, seed=3)
    probe = Probe(layer=4, c=1.0).fit(clips)
    assert probe.mode_table_["mil"] > probe.mode_table_["segment_mean"]
    assert set(probe.mode_table_) == {"segment_mean", "segment", "mil"}
    assert probe.mode_table_[probe.mode_] == max(probe.mode_table_.values())


def test_the_order_of_the_clips_does_not_matter():
    clips = examples(gap=0.4)
    order = np.random.default_rng(0).permutation(len(clips))
    there, back = Probe().fit(clips), Probe().fit([clips[i] for i in order])
    assert there.layer_ == back.layer_ and there.mode_ == back.mode_
    assert there.cv_auc_ == pytest.approx(back.cv_auc_, abs=1e-9)
    assert there.threshold_ == pytest.approx(back.threshold_, abs=1e-6)


def test_the_threshold_comes_from_held_out_scores_unless_the_literal_reading_is_asked_for():
    clips = examples(gap=0.5)
    probe, literal = Probe(kappa=0.3).fit(clips), Probe(threshold_scores="training").fit(clips)
    held_out = probe.few_shot_scores_["cross_validated"]
    assert probe.threshold_ == adaptive_threshold(held_out, kappa=0.3)
    assert literal.threshold_ == adaptive_threshold(literal.few_shot_scores_["training"])
    spread = {name: scores.std() for name, scores in probe.few_shot_scores_.items()}
    assert spread["training"] > 0 and spread["cross_validated"] > 0
    assert roc_auc(probe.labels_, probe.few_shot_scores_["training"]) >= roc_auc(
        probe.labels_, held_out
    )


def test_the_summary_counts_clips_above_the_threshold():
    probe = Probe().fit(examples(gap=0.6))
    above = probe.few_shot_scores_["cross_validated"] > probe.threshold_
    summary = probe.threshold_summary_
    assert summary.recall == above[probe.labels_ == 1].mean()
    assert summary.false_alarm_rate == above[probe.labels_ == 0].mean()
    assert summary.basis == summary.measured_on == "cross_validated"
    assert f"{summary.found} of 20 anomalous" in summary.text
    assert probe.summarise(2.0).found == 0 and probe.summarise(2.0).basis == "given"
    assert Probe(threshold=0.25).fit(examples(count=12)).threshold_ == 0.25


def test_one_clip_in_a_class_warns_and_skips_cross_validation():
    clips = [e for e in examples(count=20) if e.label == 0 or e.name == "clip-1"]
    probe = Probe().fit(clips)
    assert probe.cv_auc_ is None and list(probe.few_shot_scores_) == ["training"]
    assert "1 anomalous sources: no cross-validation" in probe.warnings_[0]
    assert probe.threshold_summary_.measured_on == "training"
    pair = Probe().fit(clips[:2])
    assert pair.layer_ == 3 and pair.layer_table_.saliency is None


def test_few_sources_warn():
    probe = Probe().fit(examples(count=10))
    assert "5 normal and 5 anomalous sources" in probe.warnings_[0]


def test_a_single_class_is_refused():
    with pytest.raises(LabelError, match="only normal clips"):
        Probe().fit([e for e in examples() if e.label == 0])
    with pytest.raises(LabelError, match="only anomalous clips"):
        Probe().fit([e for e in examples() if e.label == 1])
    with pytest.raises(LabelError, match="no clips"):
        Probe().fit([])


def test_a_clip_whose_states_all_failed_is_left_out_and_named():
    clips = examples(count=20, clip=False)
    dead = replace(clips[4], segments=states(clips[4].segments.values.copy(), failed=range(5)))
    probe = Probe().fit([*clips[:4], dead, *clips[5:]])
    assert "clip-4" in probe.warnings_[0] and len(probe.labels_) == 19


def test_strangers_among_the_clips_are_refused():
    clips = examples(count=12)
    other = replace(FINGERPRINT, prompt="Else?", settings={"frame_pixels": 448})
    values = clips[3].clip.values.copy()
    stranger = replace(clips[3], clip=states(values, fingerprint=other))
    with pytest.raises(FingerprintError, match=r"clip-3.*prompt 'Else\?'.*frame_pixels 448"):
        Probe().fit([*clips[:3], stranger])
    with pytest.raises(StatesError, match="reading"):
        Probe().fit([*clips[:3], replace(clips[3], clip=states(values, reading="visual_mean"))])
    with pytest.raises(StatesError, match="same unit"):
        Probe().fit([replace(clips[0], clip=None), replace(clips[1], segments=None)])


def test_unusable_settings_are_refused():
    clips = examples(count=12)
    for settings, error in (
        ({"folds": 1}, UsageError),
        ({"mode": "frames"}, UsageError),
        ({"threshold_scores": "test"}, UsageError),
        ({"sigma_segments": -1}, UsageError),
        ({"layer": 7}, StatesError),
        ({"layer": 0}, UsageError),
        ({"reading": "visual_mean"}, StatesError),
    ):
        with pytest.raises(error):
            Probe(**settings).fit(clips)
    with pytest.raises(StatesError, match="not 'mil'"):
        Probe(mode="mil").fit(examples(count=12, segments=0))
    with pytest.raises(UsageError, match="not fitted"):
        Probe().score(clips[0].clip)


@pytest.mark.parametrize("scorer", ["svm", "mahalanobis", "euclidean"])
def test_other_scorers_detect_too(scorer):
    probe = Probe(scorer=scorer).fit(examples(gap=4.0))
    assert probe.cv_auc_ is not None and probe.cv_auc_ > 0.9


def test_the_embedding_layer_is_kept_out_of_the_choice():
    def with_embedding(e):
        def grown(s):
            flag = np.full((len(s), 1, s.width), float(e.label))  # it would win
            values = np.concatenate([flag, s.values], axis=1)
            return replace(s, values=values.astype(np.float32), layers=(0, *s.layers))

        return replace(e, clip=grown(e.clip), segments=grown(e.segments))

    probe = Probe().fit([with_embedding(e) for e in examples(count=20)])
    assert probe.layer_ == 4 and probe.layer_table_.layers == (1, 2, 3, 4, 5, 6)


def test_without_penalty_the_literal_equation_separates_the_clips():
    probe = Probe(penalty="none", mode="clip", layer=4).fit(examples(count=16, segments=0))
    training = probe.few_shot_scores_["training"]
    assert training[probe.labels_ == 1].min() > 0.9 > 0.1 > training[probe.labels_ == 0].max()
    assert "no minimum" in probe.warnings_[-1]
