"""Measures many workers: speed of two, also on one video, deaths of workers, many units, memory.

    python benchmarks/scale.py speed --clips 24
    python benchmarks/scale.py shards --clip CLIP --minutes 10
    python benchmarks/scale.py kills --kills 50 [--ray] [--at s3://bucket/folder]
    python benchmarks/scale.py units --units 10000

Each prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
from numpy.typing import NDArray

from hiprobe.backbones.interface import Backbone
from hiprobe.bench.length import MeanBackbone
from hiprobe.fingerprint import Fingerprint
from hiprobe.objects import put
from hiprobe.pipeline.engine import Engine, FailuresOnly, FileItem
from hiprobe.pipeline.extraction import extract_video
from hiprobe.pipeline.ray_hands import RayHands
from hiprobe.pipeline.reading import ExtractionSettings, ReadUnit
from hiprobe.pipeline.workers import CachePlace, ElsewhereBackbone, OpenSpec, crew_of
from hiprobe.pipeline.workers_crew import Crew, Hands
from hiprobe.pipeline.workers_processes import ProcessHands
from hiprobe.segment import Segment
from hiprobe.spec import BackboneSpec
from hiprobe.states import Reading
from hiprobe.store.states_cache import StatesCache
from hiprobe.video.join import write_looped
from hiprobe.video.segments import SegmentReader

SETTINGS = ExtractionSettings(layers=(1,))


class MeanColour(MeanBackbone):
    """The quickest backbone there can be: what is measured is everything around it."""

    layer_count, width = 2, 3

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.fingerprint = Fingerprint("mean-colour", "", "float32", "none")

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[Reading, NDArray[np.float32]]:
        """Mean colours of the key frames."""
        time.sleep(self.seconds * len(segments))
        rows = np.stack([np.mean(s.frames, axis=(0, 1, 2)) for s in segments]).astype(np.float32)
        return {r: np.repeat(rows[:, None], len(layers), axis=1) for r in readings}


def mean_colour(seconds: float, number: int) -> Backbone:
    """Opens one in a worker."""
    return MeanColour(seconds)


def write_clips(folder: Path, count: int, *, frames: int, side: int) -> list[Path]:
    """Clips of different content: one coded clip, and behind it bytes that no decoder reads."""
    first = folder / "clip.mp4"
    with av.open(str(first), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = side, side, "yuv420p"
        rng = np.random.default_rng(0)
        for _ in range(frames):
            picture = rng.integers(0, 255, (side, side, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    content = first.read_bytes()
    paths = [folder / f"{number:05d}.mp4" for number in range(count)]
    for number, path in enumerate(paths):
        box = number.to_bytes(8, "big")
        path.write_bytes(content + (8 + len(box)).to_bytes(4, "big") + b"free" + box)
    return paths


def run(
    videos: Sequence[Path],
    backbone: Backbone,
    cache: StatesCache,
    after_each: Callable[[], None] = lambda: None,
) -> tuple[list[bytes], list[str], float]:
    """States of videos as bytes, the reasons of failures, and the seconds that it took."""
    record, began = FailuresOnly(), time.monotonic()

    def read(item: FileItem, _: object) -> bytes:
        found = extract_video(item.video, backbone=backbone, settings=SETTINGS, cache=cache)
        after_each()
        return found.states["last"].values.tobytes()

    unit = partial(
        ReadUnit.of,
        settings=SETTINGS,
        layer_count=backbone.layer_count,
        prompts=(backbone.fingerprint.prompt,),
        want=("segments",),
    )
    engine = Engine(record, crew=crew_of(backbone))
    found = engine.map(read, [FileItem(v) for v in videos], reads=lambda item: unit(item.video))
    return found, [failure.reason for failure in record.failures], time.monotonic() - began


@contextmanager
def lite_workers(folder: Path, size: int) -> Iterator[tuple[ElsewhereBackbone, StatesCache]]:
    """Workers of one thread each that have opened lite, and a cache of their own."""
    cache = StatesCache(folder / f"cache-{size}")
    place = CachePlace.of(cache)
    hands = ProcessHands(OpenSpec(BackboneSpec()), place, threads=1)
    with Crew(hands, size=size, place=place) as crew:
        backbone = ElsewhereBackbone.of(crew)
        crew.wait_until_ready(size)
        yield backbone, cache


def speed(folder: Path, clips: int) -> dict[str, Any]:
    """One worker and two, of one thread each, with the lite backbone; from ready to done."""
    videos, seconds = write_clips(folder, clips, frames=72, side=320), {}
    for size in (1, 2):
        with lite_workers(folder, size) as (backbone, cache):
            found, reasons, seconds[size] = run(videos, backbone, cache)
            assert len(found) == clips and not reasons, reasons
    return {"clips": clips, "seconds": seconds, "times_faster": seconds[1] / seconds[2]}


def shards(folder: Path, clip: Path, minutes: float) -> dict[str, Any]:
    """One long video by one worker and by two, of one thread each, with the lite backbone."""
    video, rows = write_looped(folder / "long.mp4", clip, seconds=60 * minutes), []
    before = time.process_time()
    segments = sum(1 for _ in SegmentReader(video, SETTINGS).read(times_only=[range(10**9)]))
    found: dict[str, Any] = {
        "segments": segments,
        "cpu_seconds_of_decoding": time.process_time() - before,
    }
    states = set()
    for size in (1, 2):
        with lite_workers(folder, size) as (backbone, cache):
            began = busy_seconds_of_each()
            given, reasons, seconds = run([video], backbone, cache)
            assert len(given) == 1 and not reasons, reasons
            busy = {pid: now - began.get(pid, 0.0) for pid, now in busy_seconds_of_each().items()}
        states.update(given)
        own = busy.pop(os.getpid())
        rows.append({"workers": size, "seconds": seconds, "cpu_seconds_of_the_command": own,
                     "cpu_seconds_of_each": sorted(busy.values())[-size:]})  # fmt: skip
    load = [round(number, 1) for number in os.getloadavg()]
    return found | {"rows": rows, "equal": len(states) == 1, "load": load}


def busy_seconds_of_each() -> dict[int, float]:
    """Process -> processor time of this one and of its workers so far."""
    own = psutil.Process()
    return {p.pid: sum(p.cpu_times()[:2]) for p in (own, *own.children())}


def kills(folder: Path, count: int, *, on_ray: bool, at: Path | None) -> dict[str, Any]:
    """Kill a worker at random while units are read, so many times; of a cluster also a node.

    Args:
        at: a folder of an object store, where clips and cache lie then.
    """
    videos = here = write_clips(folder, 4 * count, frames=72, side=64)
    if at is not None:
        videos = [at / video.name for video in here]
        for video, place in zip(here, videos, strict=True):
            put(video, place)
    opened, cache = partial(mean_colour, 0.02), StatesCache((at or folder) / "cache")
    place, nodes, rng, done = CachePlace.of(cache), [], random.Random(0), [0, 0]
    if on_ray:
        import ray
        from ray.cluster_utils import Cluster

        path = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}}
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        ray.init(cluster.address, log_to_driver=False, logging_level=40, runtime_env=path)
    hands: Hands = RayHands(opened, place, size=3) if on_ray else ProcessHands(opened, place)
    mark = "ray::UnitActor" if on_ray else "multiprocessing.spawn"

    def kill() -> None:
        done[0] += 1
        if nodes and done[0] == 2 * count:
            cluster.remove_node(nodes.pop(), allow_graceful=False)
            done[1] += 1
        elif done[0] % 3 == 0 and done[1] < count:
            own = [p for p in psutil.Process().children(recursive=True) if mark in named(p)]
            if own:
                os.kill(rng.choice(own).pid, signal.SIGKILL)
                done[1] += 1

    with Crew(hands, size=2 + on_ray, place=place) as crew:
        found, reasons, seconds = run(videos, ElsewhereBackbone.of(crew), cache, kill)
    plain, _, _ = run(here, mean_colour(0.0, 0), StatesCache(folder / "plain"))
    return {
        "units": len(videos),
        "killed": done[1],
        "failed": reasons,
        "equal": found == plain,
        "seconds": seconds,
    }


def named(process: psutil.Process) -> str:
    """The command line of a process; nothing of one that is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def busy_seconds() -> tuple[float, float]:
    """Processor time of this process and of its workers so far; other load does not change it."""
    times = busy_seconds_of_each()
    own = times.pop(os.getpid())
    return own, sum(times.values())


def units(folder: Path, count: int) -> dict[str, Any]:
    """Ever more units: milliseconds for each, and the memory of this process."""
    rows = []
    for number in (count // 100, count // 10, count):
        place_of = folder / str(number)
        place_of.mkdir()
        videos = write_clips(place_of, number, frames=8, side=32)
        cache = StatesCache(place_of / "cache")
        place = CachePlace.of(cache)
        hands = ProcessHands(partial(mean_colour, 0.0), place)
        with Crew(hands, size=2, place=place) as crew:
            backbone = ElsewhereBackbone.of(crew)
            crew.wait_until_ready(2)
            before = busy_seconds()
            found, reasons, seconds = run(videos, backbone, cache)
            busy = [
                1000 * (now - then) / number
                for now, then in zip(busy_seconds(), before, strict=True)
            ]
        assert len(found) == number and not reasons, reasons[:3]
        rows.append(
            {
                "units": number,
                "ms_each": 1000 * seconds / number,
                "cpu_ms_each_of_the_command": busy[0],
                "cpu_ms_each_of_the_workers": busy[1],
                "memory_mb": psutil.Process().memory_info().rss / 1e6,
            }
        )
    return {"rows": rows}


def main() -> None:
    """Measure one thing and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["speed", "shards", "kills", "units"])
    parser.add_argument("--clip", type=Path, help="what the long video repeats")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--units", type=int, default=10_000)
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--at", type=Path, help="a folder of an object store for clips and cache")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if asked.what == "speed":
            found = speed(folder, asked.clips)
        elif asked.what == "shards":
            if asked.clip is None:
                parser.error("shards needs --clip")
            found = shards(folder, asked.clip, asked.minutes)
        elif asked.what == "kills":
            found = kills(folder, asked.kills, on_ray=asked.ray, at=asked.at)
        else:
            found = units(folder, asked.units)
    print(json.dumps({"what": asked.what, **found}), flush=True)


if __name__ == "__main__":
    main()
