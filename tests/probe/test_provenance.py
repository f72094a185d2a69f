"""How clips were read goes with their states into the probe, and comes back with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from probe_states import FINGERPRINT, examples, states

from hiprobe.errors import ProbeFolderError, StatesError, UsageError
from hiprobe.probe import Probe
from hiprobe.provenance import Provenance
from hiprobe.segment import Cut
from hiprobe.spec import BackboneSpec
from hiprobe.states import LabelledStates, VideoStates
from hiprobe.store.states_file import read_states, write_states

TWO_SECONDS = Provenance(
    backbone=BackboneSpec("/models/x", dtype="float16", frames_as="pictures"),
    cut=Cut(segment_seconds=2.0, key_frames=4, max_side_pixels=None),
)
OTHER_CUTS = (
    {"segment_seconds": 1.0},
    {"segment_seconds": None},
    {"key_frames": 8},
    {"max_side_pixels": 640},
)


def read_as(provenance: Provenance | None, **how: int) -> list[LabelledStates]:
    return [replace(e, provenance=provenance) for e in examples(count=12, **how)]


def without(folder: Path, key: str) -> None:
    path = folder / "probe.json"
    document = json.loads(path.read_text())
    del document[key]
    path.write_text(json.dumps(document))


def test_a_saved_probe_says_how_its_clips_were_read(tmp_path: Path) -> None:
    probe = Probe(mode="clip").fit(read_as(TWO_SECONDS))
    probe.save(tmp_path)
    again = Probe.load(tmp_path)
    assert again.provenance_ == probe.provenance_ == TWO_SECONDS
    assert {e.provenance for e in again.examples()} == {TWO_SECONDS}
    spec = again.backbone_spec()
    assert (spec.name, spec.prompt, spec.dtype) == ("/models/x", FINGERPRINT.prompt, "float16")


def test_what_is_not_needed_to_find_a_backbone_again_is_left_out() -> None:
    spec = BackboneSpec("a/b", "Which prompt?", 3, device="cuda", resize="area")
    assert Provenance(backbone=spec).backbone == BackboneSpec("a/b", resize="area")


@pytest.mark.parametrize("provenance", [TWO_SECONDS, Provenance()])
def test_it_is_read_as_it_was_written(provenance: Provenance) -> None:
    document = json.loads(json.dumps(provenance.to_json()))
    assert Provenance.from_json(document) == provenance


@pytest.mark.parametrize("change", OTHER_CUTS)
def test_clips_cut_in_different_ways_are_refused(change: dict[str, float]) -> None:
    odd = replace(TWO_SECONDS, cut=replace(TWO_SECONDS.cut, **change))  # type: ignore[arg-type]
    first, *others = read_as(TWO_SECONDS)
    with pytest.raises(StatesError, match="read all clips with the same settings") as caught:
        Probe(mode="clip").fit([first, *others[:-1], replace(others[-1], provenance=odd)])
    assert odd.cut.words in str(caught.value) and TWO_SECONDS.cut.words in str(caught.value)


def test_another_place_of_the_same_backbone_is_the_same_backbone() -> None:
    moved = replace(TWO_SECONDS, backbone=BackboneSpec("/elsewhere/x"))
    first, *others = read_as(TWO_SECONDS)
    probe = Probe(mode="clip").fit([first, *(replace(e, provenance=moved) for e in others)])
    assert probe.provenance_ == TWO_SECONDS


def test_clips_cut_otherwise_cannot_be_added_to_a_saved_probe(tmp_path: Path) -> None:
    Probe(mode="clip").fit(read_as(TWO_SECONDS)).save(tmp_path)
    probe = Probe.load(tmp_path)
    new = read_as(replace(TWO_SECONDS, cut=replace(TWO_SECONDS.cut, segment_seconds=1.0)), seed=1)
    with pytest.raises(StatesError, match="same settings"):
        probe.add(new)
    more = read_as(TWO_SECONDS, seed=1)
    assert len(Probe.load(tmp_path).add(more).names_) == 24


def test_states_made_by_hand_give_a_probe_that_does_not_say_it(tmp_path: Path) -> None:
    Probe(mode="clip").fit(read_as(None)).save(tmp_path)
    again = Probe.load(tmp_path)
    assert again.provenance_ is None and again.backbone_spec().name == FINGERPRINT.model


def record(folder: Path, **change: object) -> None:
    text = {"format": "hiprobe-reading", "version": 1, "backbone": "a/b", "segment_seconds": 1.5}
    (folder / "reading.json").write_text(json.dumps({**text, **change}))


def test_a_folder_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    Probe(mode="clip").fit(read_as(None)).save(tmp_path)
    without(tmp_path, "provenance")
    assert Probe.load(tmp_path).provenance_ is None
    record(tmp_path)
    expected = Provenance(backbone=BackboneSpec("a/b"), cut=Cut(segment_seconds=1.5))
    assert Probe.load(tmp_path).provenance_ == expected
    record(tmp_path, segment_seconds=-1)
    with pytest.raises(ProbeFolderError, match=r"reading\.json is damaged"):
        Probe.load(tmp_path)


def test_the_record_of_the_probe_that_was_here_before_is_not_taken(tmp_path: Path) -> None:
    record(tmp_path)
    Probe(mode="clip").fit(read_as(None)).save(tmp_path)
    assert Probe.load(tmp_path).provenance_ is None
    assert not (tmp_path / "reading.json").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"key_frames": 0},
        {"segment_seconds": -1},
        {"segment_seconds": "x"},
        {"backbone": {"name": 3}},
        {"backbone": {"dtype": "int4"}},
        {"backbone": {"colour": "x"}},
        {"backbone": []},
    ],
)
def test_a_damaged_provenance_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    Probe(mode="clip").fit(read_as(TWO_SECONDS)).save(tmp_path)
    path = tmp_path / "probe.json"
    document = json.loads(path.read_text())
    document["provenance"].update(change)
    path.write_text(json.dumps(document))
    with pytest.raises(ProbeFolderError, match="damaged"):
        Probe.load(tmp_path)


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_cut_that_cannot_be_is_refused(seconds: float) -> None:
    with pytest.raises(UsageError, match="segment_seconds is"):
        Cut(segment_seconds=seconds)


def test_a_file_of_states_says_how_its_video_was_read(tmp_path: Path) -> None:
    found = states(np.zeros((3, 2, 4)))
    path = tmp_path / "a.safetensors"
    write_states(path, VideoStates({"last": found}, provenance=TWO_SECONDS))
    assert read_states(path).provenance == TWO_SECONDS
    write_states(path, found)
    assert read_states(path).provenance is None


@pytest.mark.parametrize(("note", "seconds"), [("", None), ("0.5", 0.5)])
def test_a_file_of_an_earlier_version_noted_the_seconds_alone(
    tmp_path: Path, note: str, seconds: float | None
) -> None:
    path = tmp_path / "a.safetensors"
    write_states(path, states(np.zeros((3, 2, 4))), notes={"segment_seconds": note})
    assert read_states(path).provenance == Provenance(cut=Cut(segment_seconds=seconds))


def test_a_file_with_a_damaged_provenance_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_states(path, states(np.zeros((3, 2, 4))), notes={"segment_seconds": "long"})
    with pytest.raises(StatesError, match="damaged"):
        read_states(path)
