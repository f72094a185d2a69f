"""A probe is an estimator that scikit-learn's own tools can work with."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from joblib import Parallel, delayed
from probe_states import examples
from sklearn.base import clone, is_classifier
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from hiprobe.errors import UsageError
from hiprobe.probe import Probe

LEFT_OUT = {
    "check_classifiers_classes": "words as labels are refused: their order does not say which is "
    "the anomalous one",
    "check_array_api_input": "skipped by scikit-learn unless SCIPY_ARRAY_API is set",
    "check_classifier_data_not_an_array": "skipped by scikit-learn without pandas",
}
"""Checks of scikit-learn that a probe does not pass, and why."""


def whole_clips(**settings):
    return [replace(e, segments=None) for e in examples(**settings)]


def arrays(count: int = 40, gap: float = 2.0, seed: int = 0):
    clips = whole_clips(count=count, gap=gap, seed=seed)
    x = np.concatenate([e.clip.values for e in clips])
    return x, np.array([e.label for e in clips]), [e.source for e in clips]


def test_scikit_learns_own_checks_pass():
    # They try two-dimensional arrays only, which are one layer here. With another threshold than
    # a half, `predict` is not the larger of the two probabilities, as they demand.
    probe = Probe(folds=2, threshold=0.5)
    with pytest.warns(UserWarning, match="does not inherit from `sklearn.base.BaseEstimator`"):
        done = check_estimator(probe, expected_failed_checks=LEFT_OUT, on_skip=None, on_fail=None)
    bad = {r["check_name"] for r in done if r["status"] in ("failed", "skipped")}
    assert len(done) > 40 and bad <= set(LEFT_OUT)


def test_an_array_is_fitted_as_the_same_clips_are():
    clips = whole_clips()
    x, y, groups = arrays()
    there, here = Probe().fit(clips), Probe().fit(x, y, groups=groups)
    assert here.layer_ == there.layer_ == 4 and here.cv_auc_ == there.cv_auc_
    np.testing.assert_array_equal(here.scorer_.weights, there.scorer_.weights)
    np.testing.assert_array_equal(here.predict_proba(x), there.predict_proba(clips))
    assert here.score(x, y) == there.score(clips) == np.mean(here.predict(x) == y)
    assert here.n_features_in_ == 12 and here.classes_.tolist() == [0, 1]
    assert is_classifier(here)


def test_predict_says_what_detect_would():
    clips = examples(gap=0.8)
    probe = Probe().fit(clips)
    alarms = [bool(probe.detect(e.segments).events) for e in clips]
    assert probe.predict(clips).tolist() == [int(a) for a in alarms]
    assert 0 < sum(alarms) < len(alarms)


def test_other_labels_keep_their_names_through_a_folder(tmp_path):
    x, y, _ = arrays()
    probe = Probe().fit(x, np.where(y == 1, 5, -1))
    assert probe.classes_.tolist() == [-1, 5] and set(probe.predict(x)) == {-1, 5}
    probe.save(tmp_path / "probe")
    np.testing.assert_array_equal(Probe.load(tmp_path / "probe").predict(x), probe.predict(x))


def test_grids_pipelines_and_folds_take_arrays_and_examples():
    x, y, groups = arrays(count=24)
    clips = examples(count=24)
    grid = GridSearchCV(
        Probe(folds=2, scorer=LinearDiscriminantAnalysis(solver="lsqr")),
        {"layer": [3, "dlsp"], "scorer__shrinkage": [0.1, 0.9]},
        cv=GroupKFold(3),
        scoring="roc_auc",
    )
    grid.fit(x, y, groups=groups)
    assert grid.best_params_["layer"] == "dlsp" and grid.best_score_ > 0.9
    line = make_pipeline(FunctionTransformer(lambda a: a[:, 2:], validate=False), Probe(folds=2))
    assert line.fit(x, y)[-1].layer_ == 2  # the fourth, of which two are gone
    found = cross_val_score(Probe(folds=2, mode="clip"), clips, y, cv=3)
    assert found.shape == (3,) and found.mean() > 0.8
    held_out = cross_val_predict(Probe(folds=2), x, y, cv=3, method="predict_proba", n_jobs=1)
    assert held_out.shape == (24, 2)


def test_joblib_takes_a_probe_to_another_process_and_back():
    x, y, _ = arrays(count=16)
    jobs = [delayed(Probe(folds=2, layer=n).fit)(x, y) for n in (3, 4)]
    there = Parallel(n_jobs=2)(jobs)
    assert [p.layer_ for p in there] == [3, 4]
    here = Probe(folds=2, layer=4).fit(x, y)
    np.testing.assert_allclose(there[1].predict_proba(x), here.predict_proba(x))


def test_random_state_is_the_seed(tmp_path):
    x, y, _ = arrays(gap=0.5)
    there, here = Probe(seed=3).fit(x, y), Probe(random_state=np.int64(3)).fit(x, y)
    assert there.cv_auc_ == here.cv_auc_ != Probe(seed=4).fit(x, y).cv_auc_
    here.save(tmp_path / "probe")
    assert Probe.load(tmp_path / "probe").get_params()["seed"] == 3
    with pytest.raises(UsageError, match="random_state"):
        Probe(random_state=np.random.RandomState(0)).fit(x, y)


def test_a_clone_has_an_own_scorer_and_the_probe_leaves_the_given_one_unfitted():
    probe = Probe(scorer=LinearDiscriminantAnalysis())
    again = clone(probe).set_params(scorer__solver="lsqr")
    assert probe.scorer.solver == "svd" and again.get_params()["scorer__solver"] == "lsqr"
    again.fit(*arrays()[:2])
    assert not hasattr(again.scorer, "coef_")
    with pytest.raises(UsageError, match="scorer is 'logistic'"):
        Probe().set_params(scorer__solver="svd")


def test_what_is_wrong_with_an_array_is_said():
    x, y, _ = arrays(count=12)
    for values, labels, words in (
        (x, np.where(y == 1, "fight", "calm"), "give numbers"),
        (x, None, "y"),
        (x, y * 0, "1 class"),
        (x, np.arange(12), "Only binary"),
        (x, y[:-1], "11 labels"),
        (x * np.nan, y, "NaN"),
        (x[None], y, "clips, layers, width"),
    ):
        with pytest.raises(UsageError, match=words):
            Probe().fit(values, labels)
    with pytest.raises(UsageError, match="3 groups"):
        Probe().fit(x, y, groups=["a", "b", "c"])
    probe = Probe(mode="clip").fit(x, y)
    with pytest.raises(UsageError, match="expecting 12 features as input, on 6 layers"):
        probe.predict(x[:, :5])
    with pytest.raises(NotFittedError, match="not fitted"):
        Probe().predict(x)


def test_importing_a_probe_does_not_load_scikit_learn():
    code = "import sys, hiprobe.probe; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
