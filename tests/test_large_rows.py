"""Rows that lie in a file are those that were appended, and what reads them sees no difference."""

import errno
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiprobe import large_rows
from hiprobe.errors import StatesError
from hiprobe.fingerprint import Fingerprint
from hiprobe.joined import join_states, members_of
from hiprobe.large_rows import GrowingRows, give_back, row_blocks
from hiprobe.probe.probe import Probe
from hiprobe.states import LabelledStates, States, VideoStates
from hiprobe.store.states_cache import StatesCache
from hiprobe.store.states_file import read_states, write_states
from hiprobe.video.write import write_video


@pytest.fixture
def on_disk(monkeypatch, tmp_path):
    """A few hundred bytes are large already."""
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(large_rows, "HELD_BYTES", 300)
    monkeypatch.setattr(large_rows, "_available_bytes", lambda: 1200)
    monkeypatch.setattr(large_rows, "_BLOCK_BYTES", 200)


def grown(pieces, shape):
    rows = GrowingRows(shape)
    for piece in pieces:
        rows.append(piece)
    return rows


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_those_that_were_appended(on_disk, seed):
    rng = np.random.default_rng(seed)
    pieces = [
        rng.normal(size=(n, 3, 4)).astype(np.float32)
        for n in rng.integers(0, 12, rng.integers(1, 30))
    ]
    rows, expected = GrowingRows((3, 4)), np.concatenate(pieces)
    for number, piece in enumerate(pieces):
        rows.append(piece)
        so_far = np.concatenate(pieces[: number + 1])
        first = int(rng.integers(0, len(so_far) + 1))
        np.testing.assert_array_equal(rows.since(first), so_far[first:])
        if rng.random() < 0.2:
            np.testing.assert_array_equal(rows.all(), so_far)
    assert len(rows) == len(expected)
    found = rows.all()
    np.testing.assert_array_equal(found, expected)
    del rows  # the array keeps its file
    give_back(found)
    np.testing.assert_array_equal(np.concatenate([found[b] for b in row_blocks(found)]), expected)


def test_a_large_array_is_in_a_file_without_a_name(on_disk, tmp_path):
    found = grown([np.ones((50, 2), np.float32)] * 2, (2,)).all()
    assert not found.flags.writeable and not list((tmp_path / "cache" / "arrays").iterdir())
    assert grown([np.ones((9, 2), np.float32)], (2,)).all().flags.writeable


@pytest.mark.parametrize("array", [np.ones((2, 3)), np.ones((2, 4), np.float32)])
def test_other_rows_are_refused(array):
    with pytest.raises(StatesError, match="expected float32 of shape"):
        GrowingRows((3,)).append(array)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is full")
def test_a_full_disk_leaves_the_rows_in_memory(on_disk, monkeypatch):
    def full_disk(dir, buffering):
        return Path("/dev/full").open("r+b", buffering=buffering)

    monkeypatch.setattr(tempfile, "TemporaryFile", full_disk)
    pieces = [np.full((40, 4), n, np.float32) for n in range(4)]
    with pytest.warns(UserWarning, match=r"stay in memory.*No space left"):
        rows = grown(pieces, (4,))
    np.testing.assert_array_equal(rows.all(), np.concatenate(pieces))
    np.testing.assert_array_equal(rows.since(70), np.concatenate(pieces)[70:])


def test_rows_come_back_where_no_map_can_be_made(on_disk, monkeypatch):
    """No file handle is left: a map needs one of its own."""

    def no_handle(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    pieces = [np.full((40, 4), n, np.float32) for n in range(4)]
    rows = grown(pieces, (4,))
    monkeypatch.setattr(large_rows, "_OwnMap", no_handle)
    np.testing.assert_array_equal(rows.all(), np.concatenate(pieces))


def test_a_map_of_the_caller_is_left_alone(on_disk, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((60, 1, 4), np.float32))
    theirs = np.load(tmp_path / "x.npy", mmap_mode="c")
    theirs[:] = 5.0
    for _ in row_blocks(theirs):
        pass
    give_back(theirs)
    assert theirs.min() == 5.0


def test_a_user_without_a_home_keeps_the_rows_in_memory(on_disk, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(large_rows, "arrays_folder", no_home)
    with pytest.warns(UserWarning, match="home directory"):
        rows = grown([np.ones((40, 4), np.float32)] * 2, (4,))
    assert rows.all().shape == (80, 4)


def test_a_folder_that_cannot_be_made_too(on_disk, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.warns(UserWarning, match="HIPROBE_CACHE"):
        rows = grown([np.ones((40, 4), np.float32)], (4,))
    assert rows.all().shape == (40, 4)


def read_at(reading, rng, *, rows=61, layers=(1, 2, 3), width=5) -> States:
    """States far from 0, of which the seventh segment failed."""
    values = rng.normal(3, 1, (rows, len(layers), width)).astype(np.float32)
    failed = np.arange(rows) == 6
    values[failed] = 0
    times = np.arange(rows + 1) * 0.96
    return States(
        values=values,
        layers=layers,
        start_seconds=times[:-1],
        end_seconds=times[1:],
        reading=reading,
        fingerprint=Fingerprint("m", "p", "float32", "none"),
        layer_count=4,
        failed=failed,
    )


def everything(folder) -> list[np.ndarray]:
    """What reading, joining, selecting and scoring give."""
    rng = np.random.default_rng(0)
    both = {r: read_at(r, rng) for r in ("last", "visual_mean")}
    write_states(folder / "v.safetensors", VideoStates(states=both))
    read = read_states(folder / "v.safetensors").states
    joined = join_states(read, members_of(list(read.values()), every_layers=1))
    chosen = read["last"].select_layers([1, 3])
    rows = chosen.select_rows(np.arange(61) % 7 < 4)
    clips = [
        LabelledStates(
            name=f"c{n}",
            label=n % 2,
            source=f"c{n}",
            clip=None,
            segments=replace(both["last"], values=both["last"].values + np.float32(n % 2)),
        )
        for n in range(8)
    ]
    scores = Probe(layer=2).fit(clips).score(read["last"])
    return [s.values for s in (*read.values(), joined, chosen, rows)] + [scores]


def test_states_in_a_file_are_the_same(tmp_path, request):
    in_memory = everything(tmp_path)
    request.getfixturevalue("on_disk")
    in_files = everything(tmp_path)
    assert any(not array.flags.writeable for array in in_files)
    for memory, file in zip(in_memory[:-1], in_files[:-1], strict=True):
        np.testing.assert_array_equal(file, memory)
    np.testing.assert_allclose(in_files[-1], in_memory[-1], rtol=1e-6)


def test_what_fits_into_memory_is_read_into_it(on_disk, monkeypatch, tmp_path):
    write_states(tmp_path / "v.safetensors", read_at("last", np.random.default_rng(0)))
    assert not read_states(tmp_path / "v.safetensors").states["last"].values.flags.writeable
    monkeypatch.setattr(large_rows, "_available_bytes", lambda: 1_000_000)
    assert read_states(tmp_path / "v.safetensors").states["last"].values.flags.writeable


def test_what_is_not_finite_is_found_in_a_file_too(on_disk):
    states = read_at("last", np.random.default_rng(0))
    values = states.values.copy()
    values[[31, 44], 1, 2] = np.nan
    with pytest.raises(StatesError, match=r"segments \[31, 44\] are not finite"):
        replace(states, values=values)


class _Grey:
    """Every state is 1."""

    layer_count, width = 2, 4
    fingerprint = Fingerprint("grey", "what?", "float32", "none")

    def states(self, segments, *, layers, readings=("last",)):
        return {r: np.ones((len(segments), len(layers), 4), np.float32) for r in readings}

    def describe(self, *_, **__):
        return ""


def test_ctrl_c_while_rows_are_written_loses_nothing(on_disk, monkeypatch, tmp_path):
    from hiprobe.pipeline import ExtractionSettings, extract_video

    video = tmp_path / "v.mp4"
    write_video(video, iter([np.full((32, 32, 3), 90, np.uint8)] * 24 * 20), fps=24)
    cache, settings = StatesCache(tmp_path / "states"), ExtractionSettings(layers=(1, 2))
    write_all, calls = large_rows._write_all, []

    def interrupted(file, rows):
        calls.append(rows)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write_all(file, rows)

    monkeypatch.setattr(large_rows, "_write_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        extract_video(video, backbone=_Grey(), settings=settings, cache=cache)
    (kept,) = cache.entries()
    assert kept.partial
    found = extract_video(video, backbone=_Grey(), settings=settings, cache=cache).states["last"]
    assert found.values.shape == (20, 2, 4) and (found.values == 1).all()
