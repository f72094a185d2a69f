import errno
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiprobe.errors import StatesError, VideoError
from hiprobe.fingerprint import Fingerprint
from hiprobe.states import States, VideoStates
from hiprobe.store import states_cache
from hiprobe.store.states_cache import StatesCache

TINY = Fingerprint("tiny", "abc", "float32", "what?")


def make_states(n: int = 3, layers: tuple[int, ...] = (1, 2, 3)) -> VideoStates:
    values = np.arange(n * len(layers) * 4, dtype=np.float32).reshape(n, len(layers), 4)
    times = np.arange(n + 1, dtype=np.float64)
    states = States(values, layers, times[:-1], times[1:], "last", TINY, 6, np.zeros(n, bool))
    return VideoStates(states={"last": states})


def make_video(tmp_path: Path, content: bytes = b"moving pictures", age: float = 100) -> Path:
    path = tmp_path / "v.mp4"
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_an_entry_serves_requests_for_fewer_layers(tmp_path: Path) -> None:
    cache, video = StatesCache(tmp_path / "c"), make_video(tmp_path)
    key = cache.key(video, settings={"frames": 24}, fingerprint=TINY)
    assert cache.get(key, layers=[2], readings=["last"]) is None
    cache.put(key, make_states(), video=video)
    found = cache.get(key, layers=[3, 1], readings=["last"])
    assert found is not None and found.states["last"].layers == (1, 3)
    np.testing.assert_array_equal(
        found.states["last"].values, make_states().states["last"].values[:, [0, 2]]
    )
    assert cache.get(key, layers=[1, 5], readings=["last"]) is None
    assert cache.get(key, layers=[1], readings=["visual_mean"]) is None


def test_a_vision_reading_is_found_whatever_layers_lie_beside_it(tmp_path: Path) -> None:
    cache, video = StatesCache(tmp_path / "c"), make_video(tmp_path)
    key = cache.key(video, settings={"frames": 24}, fingerprint=TINY)
    both = make_states(layers=(2, 3)).states["last"]
    vision = replace(
        both, values=both.values[:, :1, :2], layers=(1,), reading="vision_mean", layer_count=1
    )
    cache.put(key, VideoStates(states={"vision_mean": vision, "last": both}), video=video)
    found = cache.get(key, layers=[5, 6], readings=["vision_mean"])
    assert found is not None and set(found.states) == {"vision_mean"}
    np.testing.assert_array_equal(found.states["vision_mean"].values, vision.values)
    beside = cache.get(key, layers=[3], readings=["last", "vision_mean"])
    assert beside is not None and beside.states["last"].layers == (3,)
    # the one layer of a vision reading is none of the decoder's
    assert cache.get(key, layers=[1, 2], readings=["last", "vision_mean"]) is None


def test_the_key_follows_content_settings_and_backbone_not_the_name(tmp_path: Path) -> None:
    cache, video = StatesCache(tmp_path / "c"), make_video(tmp_path)
    key = cache.key(video, settings={"frames": 24}, fingerprint=TINY)
    moved = video.rename(tmp_path / "other.avi")
    assert cache.key(moved, settings={"frames": 24}, fingerprint=TINY) == key
    assert cache.key(moved, settings={"frames": 16}, fingerprint=TINY) != key
    other = Fingerprint("tiny", "abc", "bfloat16", "what?")
    assert cache.key(moved, settings={"frames": 24}, fingerprint=other) != key
    moved.write_bytes(b"other pictures!")
    assert cache.key(moved, settings={"frames": 24}, fingerprint=TINY) != key


def test_hashes_are_looked_up_only_while_the_file_is_unchanged(tmp_path: Path) -> None:
    cache, video = StatesCache(tmp_path / "c"), make_video(tmp_path)
    first = cache.content_hash(video)
    index = next((tmp_path / "c" / "hashes").iterdir())
    index.write_text(index.read_text().replace(first, "f" * 64))
    assert cache.content_hash(video) == "f" * 64  # the lookup was used
    make_video(tmp_path, b"MOVING PICTURES")
    assert cache.content_hash(video) not in {first, "f" * 64}
    index.write_text("{broken")
    assert len(cache.content_hash(video)) == 64


def test_a_file_just_written_is_not_indexed(tmp_path: Path) -> None:
    cache, video = StatesCache(tmp_path / "c"), make_video(tmp_path, age=0)
    before = cache.content_hash(video)
    stat = video.stat()
    video.write_bytes(b"MOVING pictures")
    os.utime(video, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cache.content_hash(video) != before


def test_a_missing_video_and_an_unwritable_index(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"nowhere\.mp4"):
        StatesCache(tmp_path).content_hash(tmp_path / "nowhere.mp4")
    (tmp_path / "file").write_text("")
    assert len(StatesCache(tmp_path / "file").content_hash(make_video(tmp_path))) == 64


def test_damaged_entries_are_dropped(tmp_path: Path) -> None:
    cache = StatesCache(tmp_path)
    cache.put("k", make_states(), video="v.mp4")
    entry = cache.entries()[0]
    entry.path.write_bytes(entry.path.read_bytes()[:-3])
    assert cache.get("k", layers=[1], readings=["last"]) is None
    assert not cache.entries()


def test_listing_and_pruning_by_size_and_age(tmp_path: Path) -> None:
    cache = StatesCache(tmp_path)
    for number in range(3):
        cache.put(f"k{number}", make_states(), video=f"{number}.mp4")
    for entry in cache.entries():
        age = 100 - int(entry.video[0])
        os.utime(entry.path, (time.time() - age,) * 2)
    entries = cache.entries()
    assert [e.video for e in entries] == ["0.mp4", "1.mp4", "2.mp4"]
    assert entries[0].model == "tiny" and entries[0].layers == (1, 2, 3)
    assert cache.size_bytes() == sum(e.path.stat().st_size for e in entries)
    assert [e.video for e in cache.prune(older_than_seconds=99.5)] == ["0.mp4"]
    assert [e.video for e in cache.prune(max_bytes=entries[0].size_bytes)] == ["1.mp4"]
    assert [e.video for e in cache.prune(max_bytes=0)] == ["2.mp4"]
    assert cache.prune(max_bytes=0) == []


def test_parts_are_known_by_their_first_segments(tmp_path: Path) -> None:
    cache = StatesCache(tmp_path)
    parts = cache.parts("k", layers=[1, 2, 3], readings=["last"])
    for row in (0, 3, 9):
        parts.write(row, make_states().states, video="v.mp4")
    parts.path(12).write_bytes(b"damaged")
    parts.path(15).with_stem("other").write_bytes(parts.path(9).read_bytes())
    assert {n: len(times["end_seconds"]) for n, times in parts.times().items()} == {
        0: 3,
        3: 3,
        9: 3,
    }
    assert len(parts.read(9).states["last"]) == 3
    parts.path(12).unlink()
    parts.path(15).with_stem("other").unlink()
    assert all(e.partial for e in cache.entries()) and len(cache.entries()) == 3
    assert cache.get("k", layers=[1], readings=["last"]) is None
    parts.remove()
    assert parts.times() == {} and not parts.folder.exists()


def test_files_being_written_are_left_alone_and_old_leftovers_removed(tmp_path: Path) -> None:
    writing, leftover = tmp_path / ".new.safetensors", tmp_path / ".old.safetensors"
    writing.write_bytes(b"half")
    leftover.write_bytes(b"half")
    os.utime(leftover, (time.time() - 7200,) * 2)
    assert StatesCache(tmp_path).prune(max_bytes=0) == []
    assert writing.exists() and not leftover.exists()


WRITER = """
import sys
sys.path.insert(0, {tests!r})
from test_cache import StatesCache, make_states
from pathlib import Path
cache = StatesCache(Path({folder!r}))
for turn in range(40):
    cache.put("k", make_states(200), video="v.mp4")
    found = cache.get("k", layers=[2], readings=["last"])
    assert found is None or len(found.states["last"]) == 200
    if turn % 5 == 0:
        cache.prune(max_bytes=0)
"""


def test_two_processes_share_one_folder(tmp_path: Path) -> None:
    code = WRITER.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    running = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(2)
    ]
    for process in running:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error.decode()


@pytest.mark.parametrize(("number", "is_kept"), [(errno.EMFILE, True), (errno.EIO, False)])
def test_a_lack_of_file_handles_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_kept: bool
) -> None:
    cache = StatesCache(tmp_path)
    cache.put("k", make_states(), video="v.mp4")

    def fails(path: Path) -> None:
        raise StatesError(f"cannot read {path}") from OSError(number, "as the system says it")

    monkeypatch.setattr(states_cache, "read_states", fails)
    assert cache.get("k", layers=[1, 2, 3], readings=["last"]) is None
    assert bool(cache.entries()) is is_kept
