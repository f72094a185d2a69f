"""Several processes at once: workers against one, and the model beside a busy one on each core."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hiprobe.backbones.interface import Backbone
from hiprobe.bench.ways import Fresh, Say
from hiprobe.errors import EngineError
from hiprobe.pipeline.engine import Engine, FailuresOnly, FileItem
from hiprobe.pipeline.extraction import extract_video
from hiprobe.pipeline.reading import BATCH_SEGMENTS, ExtractionSettings, ReadUnit
from hiprobe.pipeline.workers import CachePlace, ElsewhereBackbone, OpenSpec, crew_of
from hiprobe.pipeline.workers_crew import Crew
from hiprobe.pipeline.workers_processes import ProcessHands
from hiprobe.segment import Segment
from hiprobe.settings import usable_processors
from hiprobe.spec import BackboneSpec
from hiprobe.store.states_cache import StatesCache

# Fewer are no measurement of a process with all threads: opening the backbone would be most of it.
_FEW_CLIPS = 4


@dataclass(frozen=True)
class WorkersFound:
    """Some clips read by some processes, from open backbones to the last state.

    Attributes:
        workers: how many processes.
        threads: how many threads each of them has.
        clips: how many clips of equal length.
        seconds: for all of them together.
    """

    workers: int
    threads: int
    clips: int
    seconds: float


def measure_workers(spec: BackboneSpec, clip: Path, *, clips: int, say: Say) -> list[WorkersFound]:
    """One process with all threads, one with a single thread, and one of these on each core.

    Args:
        clip: an MP4, of which copies with different content are read.
        clips: how many; with fewer than four the first of the three ways is left out.
        say: is called with what is being measured now.

    Raises:
        EngineError: a clip could not be read.
    """
    cores = usable_processors()
    ways = [(1, 1), (max(2, cores), 1)]
    if cores > 1 and clips >= _FEW_CLIPS:
        ways.insert(0, (1, cores))
    found = []
    with tempfile.TemporaryDirectory() as folder:
        videos = copies_of(clip, Path(folder), clips)
        for workers, threads in ways:
            say(f"{workers} x {threads}: workers and threads of each")
            cache = StatesCache(Path(folder) / f"cache-{workers}-{threads}")
            seconds = _read_seconds(spec, videos, cache, workers=workers, threads=threads)
            found.append(WorkersFound(workers, threads, clips, seconds))
    return found


def copies_of(clip: Path, folder: Path, count: int) -> list[Path]:
    """Copies of an MP4 that differ in content, by a box at the end that no reader looks at.

    The cache goes by content, so plain copies would be read once.
    """
    content, paths = clip.read_bytes(), []
    for number in range(count):
        path = folder / f"{number:03d}.mp4"
        box = number.to_bytes(8, "big")
        # A box is its length in four bytes, its type in four, and the rest; "free" means padding.
        path.write_bytes(content + (8 + len(box)).to_bytes(4, "big") + b"free" + box)
        paths.append(path)
    return paths


def _read_seconds(
    spec: BackboneSpec, videos: Sequence[Path], cache: StatesCache, *, workers: int, threads: int
) -> float:
    place, settings = CachePlace.of(cache), ExtractionSettings()
    hands, record = ProcessHands(OpenSpec(spec), place, threads=threads), FailuresOnly()
    with Crew(hands, size=workers, place=place) as crew:
        backbone = ElsewhereBackbone.of(crew)
        # Opening is the same for all ways, and no part of the time.
        crew.wait_until_ready(workers)
        unit = partial(
            ReadUnit.of,
            settings=settings,
            layer_count=backbone.layer_count,
            prompts=(backbone.fingerprint.prompt,),
            want=("segments",),
        )

        def read(item: FileItem, _: object) -> object:
            return extract_video(item.video, backbone=backbone, settings=settings, cache=cache)

        began = time.perf_counter()
        engine = Engine(record, crew=crew_of(backbone))
        engine.map(read, [FileItem(v) for v in videos], reads=lambda item: unit(item.video))
        seconds = time.perf_counter() - began
    if record.failures:
        raise EngineError(f"workers could not read a clip: {record.failures[0].reason}")
    return seconds


@dataclass(frozen=True)
class NeighbourFound:
    """Segments a second, alone and beside a busy process on each core."""

    busy_processes: int
    alone: float
    beside: float

    @property
    def share(self) -> float:
        """Of the rate alone; 0.5 would be fair."""
        return self.beside / self.alone


def measure_neighbour(
    backbone: Backbone, segments: Sequence[Segment], *, layer: int, seconds: float, say: Say
) -> NeighbourFound:
    """Read segments for some seconds alone, then beside busy processes, then alone once more.

    The two rates alone are averaged, since the machine's other work may change meanwhile.
    """
    fresh, cores = Fresh(segments), usable_processors()

    def rate() -> float:
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            backbone.states([fresh() for _ in range(BATCH_SEGMENTS)], layers=[layer])
            count += BATCH_SEGMENTS
        return count / (time.perf_counter() - began)

    say("alone, and beside a busy process on each core")
    before = rate()
    with busy_processes(cores):
        beside = rate()
    return NeighbourFound(cores, (before + rate()) / 2, beside)


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Keep `count` processes busy within the block."""
    # Each ends by itself when its parent is killed, since its standard input closes then. Without
    # -S they would load what the environment puts into every start of Python.
    code = (
        "import sys, threading, os\n"
        "threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()\n"
        "print(flush=True)\n"
        "while True: pass"
    )
    running = []
    try:
        for _ in range(count):
            process = subprocess.Popen(
                [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            running.append(process)
            assert process.stdout is not None
            process.stdout.readline()
        yield
    finally:
        for process in running:
            process.kill()
            process.communicate()
