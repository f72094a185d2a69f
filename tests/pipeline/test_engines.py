"""What holds wherever videos are read: in this process, by worker processes, by actors of Ray."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from engine_parts import (
    LONG,
    SETTINGS,
    asked,
    cannot,
    colour,
    marked,
    meeting,
    not_the_same,
    poisoned,
    run_over,
)
from pipeline_parts import ColourBackbone, write_video

from hiprobe.backbones.interface import Backbone
from hiprobe.errors import BackboneError, EngineError
from hiprobe.pipeline.extraction import extract_prompts, extract_video
from hiprobe.pipeline.ray_hands import RayHands
from hiprobe.pipeline.reading import ReadUnit
from hiprobe.pipeline.workers import CachePlace, ElsewhereBackbone, OpenBackbone
from hiprobe.pipeline.workers_crew import Crew, Hands
from hiprobe.pipeline.workers_processes import ProcessHands
from hiprobe.progress import ProgressEvent
from hiprobe.states import VideoStates
from hiprobe.store.states_cache import StatesCache

HERE, PROCESSES, RAY = "here", "processes", "ray"

WAIT_SECONDS = 120

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

Open = Callable[[OpenBackbone, StatesCache | None], Backbone]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A small real cluster in processes of this machine."""
    ray = pytest.importorskip("ray")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray's own on what it will do some day
        path = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}}
        ray.init(
            "local",  # not a cluster that happens to run on this machine
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=40,
            runtime_env=path,
        )
        yield
        ray.shutdown()


@pytest.fixture(params=[HERE, PROCESSES, RAY])
def engine(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens a backbone in one of the three ways; two workers where there are any."""
    with ExitStack() as stack:
        if request.param == RAY:
            request.getfixturevalue("cluster")

        def opened(how: OpenBackbone, cache: StatesCache | None) -> Backbone:
            if request.param == HERE:
                return how(0)
            return stack.enter_context(crew(how, cache, on_ray=request.param == RAY))

        yield opened


@contextmanager
def crew(
    how: OpenBackbone, cache: StatesCache | None, *, on_ray: bool = False, size: int = 2
) -> Iterator[ElsewhereBackbone]:
    place = CachePlace.of(cache)
    hands: Hands = RayHands(how, place, size=size) if on_ray else ProcessHands(how, place)
    with Crew(hands, size=size, place=place) as workers:
        yield ElsewhereBackbone.of(workers)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("videos")
    made = [
        write_video(folder / f"{n}.mp4", frames=30 + 24 * n, bright=range(n, 9)) for n in range(5)
    ]
    (folder / "broken.mp4").write_bytes(b"no video at all" * 40)
    os.utime(folder / "broken.mp4", (1e9, 1e9))  # a file of today is told to be so, by the second
    return [*made[:2], folder / "broken.mp4", *made[2:], folder / "absent.mp4"]


def same(one: list[VideoStates], other: list[VideoStates]) -> bool:
    def parts(states: VideoStates) -> list[bytes]:
        return [
            array.tobytes()
            for reading in sorted(states.states)
            for array in (
                states.states[reading].values,
                states.states[reading].start_seconds,
                states.states[reading].end_seconds,
            )
        ]

    return [parts(states) for states in one] == [parts(states) for states in other]


def test_states_failures_and_progress_are_the_same(
    engine: Open, videos: list[Path], tmp_path: Path
) -> None:
    other, cache = StatesCache(tmp_path / "other"), StatesCache(tmp_path / "cache")
    plain = run_over(videos, colour(0), other)
    ran = run_over(videos, engine(colour, cache), cache)
    assert len(ran.found) == 5 and same(ran.found, plain.found)
    assert ran.reasons == plain.reasons and len(ran.reasons) == 2
    assert [e.done for e in ran.events][-1] == len(videos)
    ends = [[e.seconds_of_video for e in r.events if e.done == len(videos)] for r in (ran, plain)]
    assert ends[0][-1] == ends[1][-1]
    entries = {entry.path.name: entry.path.read_bytes() for entry in cache.entries()}
    assert entries == {entry.path.name: entry.path.read_bytes() for entry in other.entries()}


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 40 segments, the last ones bright: with `LONG` it is read in shards."""
    folder = tmp_path_factory.mktemp("long")
    return write_video(folder / "long.mp4", frames=24 * 40, bright=range(24 * 30, 24 * 40))


def test_a_long_video_is_shared_by_the_workers(
    engine: Open,
    long: Path,
    videos: list[Path],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    other, cache, marks = (
        StatesCache(tmp_path / "other"),
        StatesCache(tmp_path / "c"),
        tmp_path / "m",
    )
    marks.mkdir()
    files = [videos[0], videos[2], long]
    plain = run_over(files, colour(0), other, settings=LONG)
    workers = 1 if request.node.callspec.params["engine"] == HERE else 2
    ran = run_over(files, engine(partial(meeting, marks, workers), cache), cache, settings=LONG)
    assert same(ran.found, plain.found) and ran.reasons == plain.reasons
    entries = {entry.path.name: entry.path.read_bytes() for entry in cache.entries()}
    assert entries == {entry.path.name: entry.path.read_bytes() for entry in other.entries()}
    pids, numbers = zip(*(mark.name.split("-")[::2] for mark in marks.iterdir()), strict=True)
    assert sorted(map(int, numbers)) == sorted([0, 1, *range(40)])
    assert len(set(pids)) == workers
    ends = [[e.seconds_of_video for e in r.events][-1] for r in (ran, plain)]
    assert ends[0] == pytest.approx(ends[1])


def test_without_a_cache_states_come_back_all_the_same(engine: Open, videos: list[Path]) -> None:
    plain = run_over(videos, colour(0), None)
    assert same(run_over(videos, engine(colour, None), None).found, plain.found)


def test_several_prompts_in_one_pass(engine: Open, videos: list[Path], tmp_path: Path) -> None:
    cache, prompts = StatesCache(tmp_path), ("one?", "two?")
    found = extract_prompts(videos[0], backbone=engine(asked, cache), prompts=prompts, cache=cache)
    plain = extract_prompts(videos[0], backbone=asked(0), prompts=prompts)
    assert list(found) == ["one?", "two?"]
    assert same([found[p] for p in prompts], [plain[p] for p in prompts])


def test_what_is_done_is_not_read_again(engine: Open, videos: list[Path], tmp_path: Path) -> None:
    cache, marks = StatesCache(tmp_path / "cache"), tmp_path / "marks"
    marks.mkdir()
    backbone = engine(partial(marked, marks, 0.0), cache)
    first = run_over(videos[:2], backbone, cache)
    read = len(list(marks.iterdir()))
    again = run_over([*videos[:2], videos[3]], backbone, cache)
    assert same(again.found[:2], first.found)
    segments = len(again.found[2].states["last"])
    assert len(list(marks.iterdir())) == read + segments


def test_a_backbone_that_cannot_be_opened_ends_with_its_own_error(engine: Open) -> None:
    with pytest.raises(BackboneError, match="the weights are not there; fetch them"):
        engine(cannot, None)


@pytest.fixture(params=[PROCESSES, RAY])
def on_ray(request: pytest.FixtureRequest) -> bool:
    if request.param == RAY:
        request.getfixturevalue("cluster")
    return bool(request.param == RAY)


def test_workers_that_differ_are_refused(on_ray: bool, videos: list[Path]) -> None:
    differ = pytest.raises(BackboneError, match="opened backbone colour in different ways")
    with differ, crew(not_the_same, None, on_ray=on_ray) as backbone:
        backbone.crew.wait_until_ready(2)
        run_over(videos[:1], backbone, None)


@posix
def test_a_poisoned_video_is_listed_and_the_others_are_done(
    on_ray: bool, videos: list[Path], tmp_path: Path
) -> None:
    cache = StatesCache(tmp_path / "cache")
    white = write_video(tmp_path / "white.mp4", bright=range(60))
    files = [videos[0], white, videos[1]]
    with crew(poisoned, cache, on_ray=on_ray) as backbone:
        ran = run_over(files, backbone, cache)
    assert same(ran.found, run_over([videos[0], videos[1]], colour(0), None).found)
    (reason,) = ran.reasons
    assert "white.mp4: the worker that read it ended 3 times" in reason
    assert on_ray or "SIGKILL" in reason


@posix
def test_killed_workers_cost_their_units_only(
    on_ray: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Chance may strike one video three times, which would be a reason to give it up.
    monkeypatch.setattr("hiprobe.pipeline.workers_crew.RETRIES", 12)
    cache, marks = StatesCache(tmp_path / "cache"), tmp_path / "marks"
    marks.mkdir()
    rng, killed = np.random.default_rng(3), set[int]()

    def kill_one() -> None:
        pids = {int(mark.name.split("-")[0]) for mark in marks.iterdir()} - killed
        living = sorted(pid for pid in pids if psutil.pid_exists(pid))
        if living:
            killed.add(living[int(rng.integers(len(living)))])
            os.kill(max(killed & set(living)), signal.SIGKILL)

    files = [write_video(tmp_path / f"{n}.mp4", frames=48 + n) for n in range(12)]
    with crew(partial(marked, marks, 0.05), cache, on_ray=on_ray) as backbone:
        ran = run_over(files, backbone, cache, after_each=kill_one)
    assert not ran.reasons and len(killed) >= 3
    assert same(ran.found, run_over(files, colour(0), None).found)


@posix
def test_a_poisoned_shard_fails_its_video_once(on_ray: bool, long: Path, tmp_path: Path) -> None:
    cache = StatesCache(tmp_path)
    with crew(poisoned, cache, on_ray=on_ray) as backbone:
        ran = run_over([long], backbone, cache, settings=LONG)
    (reason,) = ran.reasons
    assert "long.mp4: the worker that read it ended 3 times" in reason
    # What the other worker has read is there for a backbone that can read the rest.
    again = ColourBackbone()
    run_over([long], again, cache, settings=LONG)
    assert 30 in again.seen and not set(again.seen) & set(range(12))


@posix
def test_a_killed_worker_costs_its_shard_only(on_ray: bool, long: Path, tmp_path: Path) -> None:
    cache, marks = StatesCache(tmp_path / "cache"), tmp_path / "marks"
    marks.mkdir()

    def read_of(*numbers: int) -> list[str]:
        found = [mark.name.split("-") for mark in marks.iterdir()]
        return [pid for pid, _, number in found if int(number) in numbers]

    with crew(partial(marked, marks, 0.1), cache, on_ray=on_ray) as backbone:
        unit = ReadUnit.of(
            long, settings=LONG, layer_count=5, prompts=("what?",), want=("segments",)
        )
        backbone.crew.ask([unit])
        until(lambda: bool(read_of(26)))
        os.kill(int(read_of(26)[0]), signal.SIGKILL)
        events: list[ProgressEvent] = []
        found = extract_video(
            long, backbone=backbone, settings=LONG, cache=cache, progress=events.append
        )
    assert same([found], run_over([long], colour(0), None).found)
    assert {e.total for e in events} == {40} and events[-1].done == 40
    assert len(read_of(*range(20))) == 20 and len(read_of(20, 21, 22, 23)) == 4


@posix
def test_an_interrupted_worker_keeps_what_it_has_read(tmp_path: Path) -> None:
    cache, marks = StatesCache(tmp_path / "cache"), tmp_path / "marks"
    marks.mkdir()
    video = write_video(tmp_path / "long.mp4", frames=24 * 40)
    with crew(partial(marked, marks, 0.2), cache, size=1) as backbone:
        unit = ReadUnit.of(
            video, settings=SETTINGS, layer_count=5, prompts=("what?",), want=("segments",)
        )
        backbone.crew.ask([unit])
        until(lambda: len(list(marks.iterdir())) >= 8)
    read = len(list(marks.iterdir()))
    assert 8 <= read < 40
    (entry, *_) = cache.entries()
    assert entry.partial
    ran = run_over([video], colour(0), cache)
    assert same(ran.found, run_over([video], colour(0), None).found)


def until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not seen():
        assert time.monotonic() < end, "nothing came to be seen"
        time.sleep(0.02)


ORPHANS = """
import sys, time
sys.path[:0] = {path!r}
from engine_parts import colour
from hiprobe.pipeline.workers import CachePlace, ElsewhereBackbone
from hiprobe.pipeline.workers_crew import Crew
from hiprobe.pipeline.workers_processes import ProcessHands
if __name__ == "__main__":
    place = CachePlace.of(None)
    ElsewhereBackbone.of(Crew(ProcessHands(colour, place), size=2, place=place))
    print("ready", flush=True)
    time.sleep(600)
"""


@posix
def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(ORPHANS.format(path=sys.path))
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None and parent.stdout.readline() == "ready\n"
    children = psutil.Process(parent.pid).children(recursive=True)
    assert len(children) >= 2
    parent.kill()
    parent.communicate()
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert not alive and gone


def test_an_address_without_a_cluster() -> None:
    ray = pytest.importorskip("ray")
    if ray.is_initialized():
        ray.shutdown()
    with pytest.raises(EngineError, match="no Ray cluster at nowhere:1"):
        RayHands(colour, CachePlace.of(None), address="nowhere:1")
