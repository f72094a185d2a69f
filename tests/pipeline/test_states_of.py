"""Hidden states of one video in one call, and as a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pipeline_parts import ColourBackbone, write_video

import hiprobe
from hiprobe import ExtractionSettings, States, extract_video, states_of, write_states
from hiprobe.errors import BackboneError, FingerprintError, StatesError, UsageError


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "cam.mp4", frames=60, bright=range(30, 40))


def test_one_layer_and_several(video: Path) -> None:
    backbone = ColourBackbone()
    one = states_of(video, 3, backbone=backbone)
    settings = ExtractionSettings(layers=(1, 3), readings=("visual_mean",))
    both = extract_video(video, backbone=backbone, settings=settings).states["visual_mean"]
    assert one.values.shape == (3, 1, 7) and one.layers == (3,) and one.reading == "last"
    found = states_of(video, [3, 1], backbone=backbone, reading="visual_mean")
    np.testing.assert_array_equal(found.values, both.values)
    assert states_of(video, backbone=backbone).layers == (1, 2, 3, 4, 5)
    with pytest.raises(UsageError, match=r"not within 0\.\.5"):
        states_of(video, 6, backbone=backbone)


def test_extracted_states_need_no_backbone(video: Path, tmp_path: Path) -> None:
    backbone, path = ColourBackbone(), tmp_path / "cam.safetensors"
    write_states(path, extract_video(video, backbone=backbone))
    np.testing.assert_array_equal(
        states_of(path, 2).values, states_of(video, 2, backbone=backbone).values
    )
    with pytest.raises(FingerprintError):
        states_of(path, 2, backbone=ColourBackbone(prompt="another?"))
    with pytest.raises(StatesError, match="no segments read at prompt_mean"):
        states_of(path, 2, reading="prompt_mean")


def test_an_unknown_backbone_is_named(video: Path, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="nowhere"):
        states_of(video, 1, backbone="nowhere")
    with pytest.raises(BackboneError, match="folder"):
        states_of(video, 1, backbone=tmp_path / "gone")


def test_a_named_backbone_is_opened_no_deeper_than_needed(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[hiprobe.BackboneSpec] = []

    def open_one(self: hiprobe.BackboneSpec) -> ColourBackbone:
        opened.append(self)
        return ColourBackbone()

    monkeypatch.setattr(hiprobe.BackboneSpec, "open", open_one)
    states_of(video, [1, 3], backbone="lite")
    states_of(video, 2, backbone=hiprobe.BackboneSpec("lite", prompt="what?"))
    states_of(video)
    assert [spec.cut_at_layer for spec in opened] == [3, 2, None]
    assert opened[1].prompt == "what?"


def test_states_as_a_table(video: Path) -> None:
    from dataclasses import replace

    states = states_of(video, [1, 3], backbone=ColourBackbone())
    gone = np.array([False, True, False])
    values = np.where(gone[:, None, None], np.float32(0), states.values)
    table = replace(states, values=values, failed=gone).table()
    assert table.column_names == ["segment", "start_seconds", "end_seconds", "layer_1", "layer_3"]
    assert table["segment"].to_pylist() == [0, 1, 2]
    assert table["start_seconds"].to_pylist() == states.start_seconds.tolist()
    rows = table["layer_3"].to_pylist()
    assert rows[1] is None
    np.testing.assert_array_equal(np.float32(rows[2]), states.layer(3)[2])
    assert table.schema.metadata[b"reading"] == b"last"
    assert table.schema.metadata[b"fingerprint"] == states.fingerprint.digest.encode()


def test_a_table_of_nothing(video: Path) -> None:
    states: States = states_of(video, 1, backbone=ColourBackbone())
    assert states.select_rows(np.zeros(3, dtype=bool)).table().num_rows == 0
