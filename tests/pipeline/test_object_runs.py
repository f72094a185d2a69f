"""Runs over videos of an object store: the same states, failures and entries as from a disk."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

import pytest
from engine_parts import colour, marked, run_over
from pipeline_parts import write_video
from test_engines import crew, same

from hiprobe.backbones.interface import Backbone
from hiprobe.errors import StorageError
from hiprobe.objects import exists, put, remove_file
from hiprobe.pipeline.workers import CachePlace, OpenBackbone
from hiprobe.settings import copies_folder
from hiprobe.store.states_cache import StatesCache


@pytest.fixture
def videos(tmp_path: Path, bucket: Path) -> list[Path]:
    """Files of this machine; the same lie in the bucket."""
    made = [write_video(tmp_path / f"{n}.mp4", frames=30 + 24 * n) for n in range(3)]
    (tmp_path / "broken.mp4").write_bytes(b"no video at all" * 40)
    files = [*made[:2], tmp_path / "broken.mp4", made[2]]
    for file in files:
        put(file, bucket / file.name)
    return files


def read_by(
    how: OpenBackbone, cache: StatesCache, *, workers: bool
) -> AbstractContextManager[Backbone]:
    return crew(how, cache) if workers else nullcontext(how(0))


@pytest.mark.parametrize("workers", [False, True])
def test_states_failures_and_entries_are_the_same(
    bucket: Path, videos: list[Path], tmp_path: Path, workers: bool
) -> None:
    here, there = StatesCache(tmp_path / "states"), StatesCache(bucket / "states")
    plain = run_over([*videos, tmp_path / "absent.mp4"], colour(0), here)
    far = [bucket / video.name for video in (*videos, Path("absent.mp4"))]
    with read_by(colour, there, workers=workers) as backbone:
        ran = run_over(far, backbone, there)
    assert len(ran.found) == 3 and same(ran.found, plain.found)
    told = [f"s3://{bucket.name}/broken.mp4 is not a", f"cannot read s3://{bucket.name}/absent.mp4"]
    assert [reason[: len(t)] for reason, t in zip(ran.reasons, told, strict=True)] == told
    sizes = {entry.path.name: entry.size_bytes for entry in here.entries()}
    assert sizes == {entry.path.name: entry.size_bytes for entry in there.entries()}


def test_every_machine_sees_a_cache_in_an_object_store(bucket: Path, tmp_path: Path) -> None:
    cache = StatesCache(bucket / "states")
    elsewhere = CachePlace(cache.folder, "another machine")
    assert elsewhere.is_here and elsewhere.opened() == cache
    assert not CachePlace(tmp_path, "another machine").is_here


def test_nothing_is_copied_where_all_is_known(bucket: Path, videos: list[Path]) -> None:
    far = [bucket / video.name for video in videos if video.name != "broken.mp4"]
    cache = StatesCache(bucket / "states")
    first = run_over(far, colour(0), cache)
    for copy in copies_folder().glob("*.mp4"):
        copy.unlink()
    assert same(run_over(far, colour(0), cache).found, first.found)
    assert not list(copies_folder().glob("*.mp4"))


def test_a_store_that_goes_away_ends_the_run_and_another_one_goes_on(
    bucket: Path, videos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = [bucket / video.name for video in videos if video.name != "broken.mp4"]
    cache, marks = StatesCache(bucket / "states"), tmp_path / "marks"
    marks.mkdir()
    backbone = marked(marks, 0.0, 0)

    monkeypatch.setattr("hiprobe.objects._TRIES", 1)
    with monkeypatch.context() as outage:
        unplug = partial(outage.setenv, "AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        with pytest.raises(StorageError, match="it cannot be reached; check the network"):
            run_over(far, backbone, cache, after_each=unplug)
    read = len(list(marks.iterdir()))
    ran = run_over(far, backbone, cache)
    assert len(ran.found) == 3 and not ran.reasons
    assert len(list(marks.iterdir())) == sum(len(found.states["last"]) for found in ran.found)
    assert read == len(ran.found[0].states["last"])


def test_an_object_that_vanishes_is_listed_and_the_others_are_done(
    bucket: Path, videos: list[Path]
) -> None:
    far = [bucket / video.name for video in videos if video.name != "broken.mp4"]
    ran = run_over(
        far,
        colour(0),
        StatesCache(bucket / "states"),
        after_each=lambda: remove_file(far[1]),
    )
    assert len(ran.found) == 2 and not exists(far[1])
    assert len(ran.reasons) == 1 and f"s3://{bucket.name}/1.mp4" in ran.reasons[0]
