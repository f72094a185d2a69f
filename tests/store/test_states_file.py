import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from hiprobe.errors import StatesError, StorageError
from hiprobe.fingerprint import Fingerprint
from hiprobe.states import Reading, States, VideoStates
from hiprobe.store.states_file import read_states, read_states_header, write_states


def make_states(n: int = 3, reading: Reading = "last", seed: int = 0) -> States:
    values = np.random.default_rng(seed).normal(size=(n, 2, 5)).astype(np.float32)
    return States(
        values=values,
        layers=(1, 4),
        start_seconds=np.arange(n) * 0.96,
        end_seconds=np.arange(1, n + 1) * 0.96,
        reading=reading,
        fingerprint=Fingerprint("tiny", "abc", "float32", "what?", {"frame_pixels": 32}),
        layer_count=6,
        failed=np.zeros(n, dtype=bool),
    )


def assert_same(a: States, b: States) -> None:
    for name in ("values", "start_seconds", "end_seconds", "failed"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert (a.layers, a.reading, a.layer_count) == (b.layers, b.reading, b.layer_count)
    assert a.fingerprint.digest == b.fingerprint.digest


def test_round_trip_of_all_readings_and_the_clip(tmp_path: Path) -> None:
    states = VideoStates(
        states={"last": make_states(), "visual_mean": make_states(3, "visual_mean", 1)},
        outcome="truncated",
        clip={"last": make_states(1)},
    )
    path = tmp_path / "deep" / "v.safetensors"
    write_states(path, states, notes={"video": "v.mp4"})
    back = read_states(path)
    assert back.outcome == "truncated" and set(back.states) == {"last", "visual_mean"}
    assert_same(back.states["visual_mean"], states.states["visual_mean"])
    assert_same(back.clip["last"], states.clip["last"])
    header = read_states_header(path)
    assert header["notes"] == {"video": "v.mp4"}
    assert header["readings"] == {"segments": ["last", "visual_mean"], "clip": ["last"]}


def of_vision(n: int = 3, reading: Reading = "vision_mean") -> States:
    """As `make_states`, of a vision tower: one layer of another width."""
    values = np.random.default_rng(9).normal(size=(n, 1, 8)).astype(np.float32)
    return replace(make_states(n), values=values, layers=(1,), reading=reading, layer_count=1)


@pytest.mark.parametrize("order", [("last", "vision_mean"), ("vision_mean", "last")])
def test_vision_readings_lie_beside_those_of_the_decoder(
    tmp_path: Path, order: tuple[Reading, ...]
) -> None:
    made = {"last": make_states(), "vision_mean": of_vision()}
    states = VideoStates(
        states={r: made[r] for r in order},
        clip={"vision_mean": of_vision(1), "last": make_states(1)},
    )
    write_states(tmp_path / "s.safetensors", states)
    back = read_states(tmp_path / "s.safetensors")
    for reading in order:
        assert_same(back.states[reading], states.states[reading])
        assert_same(back.clip[reading], states.clip[reading])
    assert read_states_header(tmp_path / "s.safetensors")["layers"] == [1, 4]


def test_vision_readings_alone(tmp_path: Path) -> None:
    write_states(tmp_path / "s.safetensors", of_vision())
    assert_same(read_states(tmp_path / "s.safetensors").states["vision_mean"], of_vision())


def test_a_vision_reading_has_one_layer() -> None:
    with pytest.raises(StatesError, match="one layer"):
        replace(make_states(), reading="vision_change_max")
    assert of_vision().select_layers([3, 4]).layers == (1,)


def test_states_of_one_reading_and_failed_rows(tmp_path: Path) -> None:
    values = make_states().values.copy()
    values[1] = 0
    states = replace(make_states(), values=values, failed=np.array([False, True, False]))
    write_states(tmp_path / "s.safetensors", states)
    assert_same(read_states(tmp_path / "s.safetensors").states["last"], states)


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    other = replace(make_states(3, "visual_mean"), fingerprint=Fingerprint("b", "", "", ""))
    with pytest.raises(StatesError, match="different backbones"):
        write_states(path, {"last": make_states(), "visual_mean": other})
    with pytest.raises(StatesError, match="number of segments"):
        write_states(path, {"last": make_states(), "visual_mean": make_states(4, "visual_mean")})
    with pytest.raises(StatesError, match="filed under"):
        write_states(path, {"visual_mean": make_states()})
    with pytest.raises(StatesError, match="no states"):
        write_states(path, {})
    assert not list(tmp_path.iterdir())


def test_damaged_files_name_the_cause(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write_states(path, make_states())
    whole = path.read_bytes()
    for broken in (b"", whole[:20], whole[:-7], b"\xff" * 8 + whole[8:]):
        path.write_bytes(broken)
        with pytest.raises(StatesError, match=r"s\.safetensors"):
            read_states(path)
    with pytest.raises(StatesError, match="absent"):
        read_states(tmp_path / "absent.safetensors")


def test_foreign_versions_and_inconsistent_files(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    array = {"segments/last": np.zeros((2, 2, 3), np.float32)}
    save_file(array, path)
    with pytest.raises(StatesError, match="no HiProbe states"):
        read_states(path)
    save_file(array, path, metadata={"hiprobe": json.dumps({"version": 99})})
    with pytest.raises(StatesError, match="format 99"):
        read_states(path)
    save_file(array, path, metadata={"hiprobe": json.dumps({"version": 1, "outcome": "end"})})
    with pytest.raises(StatesError, match="damaged"):
        read_states(path)


def test_not_finite_values_are_refused_on_reading(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write_states(path, make_states())
    raw = bytearray(path.read_bytes())
    marker = make_states().values.tobytes()
    at = bytes(raw).index(marker)
    raw[at : at + 4] = np.float32(np.nan).tobytes()
    path.write_bytes(raw)
    with pytest.raises(StatesError, match="not finite"):
        read_states(path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError):
        write_states(tmp_path / "file" / "s.safetensors", make_states())
