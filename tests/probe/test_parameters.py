"""Settings behave as those of a scikit-learn estimator."""

import json

import pytest
from probe_states import examples
from sklearn.base import clone

from hiprobe.errors import UsageError
from hiprobe.probe import Probe


def test_clone_copies_the_settings_and_nothing_that_was_fitted():
    probe = Probe(kappa=0.7, mode="clip", folds=3).fit(examples(count=12))
    again = clone(probe)
    assert isinstance(again, Probe) and again.get_params() == probe.get_params()
    assert not hasattr(again, "scorer_")
    with pytest.raises(UsageError, match="not fitted"):
        again.examples()


def test_settings_are_changed_by_name_and_take_effect_with_the_next_fit():
    clips = examples(count=12)
    probe = Probe(threshold=0.25).fit(clips)
    assert probe.set_params(threshold=0.75) is probe and probe.threshold_ == 0.25
    assert probe.fit(clips).threshold_ == 0.75
    with pytest.raises(UsageError, match="no setting colour"):
        probe.set_params(colour="red")


def test_settings_are_json_and_shown_where_they_differ_from_the_defaults():
    assert json.loads(json.dumps(Probe(layer=3).get_params()))["layer"] == 3
    assert repr(Probe()) == "Probe()"
    assert repr(Probe(layer=3, kappa=0.5)) == "Probe(layer=3, kappa=0.5)"
