"""A saved probe comes back bit for bit; a damaged or foreign folder is refused."""

import json

import numpy as np
import pytest
from probe_states import examples, states

from hiprobe.errors import LabelError, ProbeFolderError
from hiprobe.probe import Probe


@pytest.fixture(scope="module")
def probe():
    return Probe(folds=3, kappa=0.7).fit(examples(count=16, gap=0.8))


@pytest.fixture
def folder(probe, tmp_path):
    probe.save(tmp_path / "probe")
    return tmp_path / "probe"


def test_a_saved_probe_scores_bit_for_bit_alike(probe, folder):
    again = Probe.load(folder)
    video = states(np.random.default_rng(5).normal(size=(30, 6, 12)), failed=[7])
    np.testing.assert_array_equal(again.score(video), probe.score(video))
    assert again.detect(video).events == probe.detect(video).events
    assert again.detect(video, kappa=0.8).threshold == probe.detect(video, kappa=0.8).threshold
    assert again.get_params() == probe.get_params()
    assert again.facts() == probe.facts()
    for name in (
        "mode_table_",
        "fold_layers_",
        "fold_modes_",
        "threshold_summary_",
        "warnings_",
        "names_",
        "sources_",
        "fingerprint_",
        "cv_auc_",
    ):
        assert getattr(again, name) == getattr(probe, name), name
    for name in ("kl", "ldr", "entropy", "total", "cv_auc", "silhouette"):
        np.testing.assert_array_equal(
            getattr(again.layer_table_, name), getattr(probe.layer_table_, name)
        )
    for name, scores in probe.few_shot_scores_.items():
        np.testing.assert_array_equal(again.few_shot_scores_[name], scores)
    json.dumps(again.facts())


def test_a_probe_without_cross_validation_is_saved_too(tmp_path):
    pair = Probe().fit(examples(count=2))
    pair.save(tmp_path)
    again = Probe.load(tmp_path)
    assert again.cv_auc_ is None and again.layer_table_.saliency is None
    assert again.threshold_ == pair.threshold_


def test_clips_added_after_loading_equal_a_fit_on_all(folder):
    clips = examples(count=24, gap=0.8)
    first, rest = examples(count=16, gap=0.8), clips[16:]
    assert [e.name for e in Probe.load(folder).examples()] == [e.name for e in first]
    grown = Probe.load(folder).add([*rest, first[0]])
    whole = Probe(folds=3, kappa=0.7).fit([*first, *rest])
    np.testing.assert_array_equal(grown.scorer_.weights, whole.scorer_.weights)
    assert grown.threshold_ == whole.threshold_ and len(grown.labels_) == 24
    grown.save(folder)
    assert len(Probe.load(folder).add([first[1]]).labels_) == 24


def test_a_known_clip_under_another_label_is_refused(folder):
    twin = examples(count=16, gap=0.8)[3]
    changed = type(twin)("again", 0, "x", twin.clip, twin.segments, "normal")
    with pytest.raises(LabelError, match="again has the same states as clip-3"):
        Probe.load(folder).add([changed])


def test_without_the_clips_states_nothing_can_be_added(probe, tmp_path):
    probe.save(tmp_path, keep_examples=True)
    probe.save(tmp_path, keep_examples=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["probe.json", "probe.safetensors"]
    with pytest.raises(ProbeFolderError, match="saved without"):
        Probe.load(tmp_path).add(examples(count=2, seed=9))


def test_a_loaded_probe_saved_elsewhere_keeps_its_clips(folder, tmp_path):
    Probe.load(folder).save(tmp_path / "copy")
    assert len(Probe.load(tmp_path / "copy").examples()) == 16


@pytest.mark.parametrize("name", ["probe.safetensors", "probe.json"])
@pytest.mark.parametrize("damage", ["cut", "flip", "remove"])
def test_damage_is_refused(folder, name, damage):
    path = folder / name
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[0] ^= 0xFF
        path.write_bytes(content)
    else:
        path.unlink()
    with pytest.raises(ProbeFolderError):
        Probe.load(folder)


def test_damaged_clips_are_found_when_they_are_needed(folder):
    path = folder / "examples.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ProbeFolderError, match="examples"):
        Probe.load(folder).add(examples(count=2, seed=9))


def test_tensors_of_another_probe_are_refused(folder, tmp_path):
    Probe(folds=3).fit(examples(count=16, seed=4)).save(tmp_path / "other")
    (tmp_path / "other" / "probe.safetensors").replace(folder / "probe.safetensors")
    with pytest.raises(ProbeFolderError, match="of another probe"):
        Probe.load(folder)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("version", 2, "update HiProbe"),
        ("version", 0, "fit again"),
        ("format", "else", "not written by HiProbe"),
        ("scorer", None, "damaged"),
        ("layer", 99, "damaged"),
        ("width", 3, "damaged"),
        ("settings", {"unknown": 1}, "damaged"),
        ("fingerprint", {"model": "x"}, "damaged"),
    ],
)
def test_foreign_newer_and_distorted_json_is_refused(folder, key, value, message):
    path = folder / "probe.json"
    document = json.loads(path.read_text())
    document[key] = value
    path.write_text(json.dumps(document))
    with pytest.raises(ProbeFolderError, match=message):
        Probe.load(folder)


def test_a_folder_without_a_probe_is_refused(tmp_path):
    with pytest.raises(ProbeFolderError, match="is no probe"):
        Probe.load(tmp_path / "nothing")
