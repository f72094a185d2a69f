"""The cache of states in an object store, and what looking for entries costs."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_cache import TINY, make_states, make_video

from hiprobe.objects import objects_below, put
from hiprobe.store import states_cache
from hiprobe.store.states_cache import StatesCache


@pytest.fixture
def cache(bucket: Path) -> StatesCache:
    return StatesCache(bucket / "states")


def test_entries_serve_requests_for_fewer_layers(cache: StatesCache, tmp_path: Path) -> None:
    video = make_video(tmp_path)
    key = cache.key(video, settings={"frames": 24}, fingerprint=TINY)
    assert cache.get(key, layers=[2], readings=["last"]) is None
    cache.put(key, make_states(), video=video)
    for layers in ([1, 2, 3], [3, 1]):
        found = cache.get(key, layers=layers, readings=["last"])
        assert found is not None and found.states["last"].layers == tuple(sorted(layers))
    assert cache.find(key, layers=[2], readings=["last"]) is not None
    other = StatesCache(tmp_path / "states")
    other.put(key, make_states(), video=video)
    (there,), (here,) = cache.entries(), other.entries()
    assert (there.path.name, there.size_bytes) == (here.path.name, here.size_bytes)
    assert cache.size_bytes() == here.size_bytes
    assert [e.path for e in cache.prune(max_bytes=0)] == [there.path] and not cache.entries()


def test_pieces_of_an_unfinished_video(cache: StatesCache) -> None:
    parts = cache.parts("k", layers=[1, 2, 3], readings=["last"])
    for row in (0, 3, 9):  # the one at 6 was never written
        parts.write(row, make_states().states, video="v.mp4")
    assert sorted(parts.times()) == [0, 3, 9] and len(parts.read(9).states["last"]) == 3
    assert all(entry.partial for entry in cache.entries()) and len(cache.entries()) == 3
    parts.remove()
    assert not parts.times() and not objects_below(cache.folder)


def test_a_damaged_entry_counts_as_absent(cache: StatesCache, tmp_path: Path) -> None:
    cache.put("k", make_states(), video="v.mp4")
    (entry,) = cache.entries()
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"no states")
    states_cache.remove_entry(entry.path)
    put(damaged, entry.path)
    assert cache.get("k", layers=[1, 2, 3], readings=["last"]) is None
    assert not cache.entries()


def test_a_large_folder_is_not_listed_for_each_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, listed, clock = StatesCache(tmp_path / "c"), [0], [0.0]

    def listing(self: states_cache._Listing, plain=states_cache._Listing._all) -> list[str]:  # type: ignore[no-untyped-def]
        listed[0] += 1
        clock[0] += 0.005
        return plain(self)  # type: ignore[no-any-return]

    monkeypatch.setattr(states_cache._Listing, "_all", listing)
    monkeypatch.setattr(states_cache.time, "monotonic", lambda: clock[0])
    for number in range(300):
        clock[0] += 0.05  # what reading a clip takes at least
        key = f"{number:040x}"
        assert cache.get(key, layers=[2], readings=["last"]) is None
        cache.put(key, make_states(1), video="v.mp4")
        found = cache.get(key, layers=[2], readings=["last"])
        assert found is not None
    assert listed[0] <= 300 * 0.055 / (0.005 * states_cache._LIST_EVERY) + 2
    # What another process has written meanwhile is found by its name all the same.
    cache.put("f" * 40, make_states(), video="v.mp4")
    states_cache._listing_of(cache.folder).by_key.clear()
    assert cache.get("f" * 40, layers=[1, 2, 3], readings=["last"]) is not None
