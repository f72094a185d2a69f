"""One run of the benchmark: the parts in turn, and the document of what they found."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from hiprobe.bench.company import measure_neighbour, measure_workers
from hiprobe.bench.end_to_end import EndToEnd, measure_end_to_end
from hiprobe.bench.large import measure_large
from hiprobe.bench.length import measure_length
from hiprobe.bench.ways import (
    ExtractionFound,
    Say,
    first_segments,
    measure_extraction,
    measure_frames,
)
from hiprobe.errors import UsageError, VideoError
from hiprobe.machine import processor_flags, processor_name
from hiprobe.pipeline.measured_rate import (
    busy_words,
    keep_rate,
    measure_rate,
    write_moving_video,
)
from hiprobe.settings import usable_processors
from hiprobe.spec import DEFAULT_BACKBONE, BackboneSpec

FORMAT, VERSION = "hiprobe-bench", 1
PARTS = ("extraction", "end-to-end", "memory", "workers", "neighbour")
# Measured beside lite: a model as they come from the hub, small enough for a processor.
SMALL_MODEL = "smolvlm2-256m"
# Those whose version moves the figures, for the record of a run.
LIBRARIES = ("torch", "transformers", "av", "opencv-python-headless", "numpy")
# Two batches: with fewer, stages end to end would show the first batch, which always waits.
_LEAST_SEGMENTS = 8


@dataclass(frozen=True)
class BenchRequest:
    """What is measured, and how long that may take.

    Attributes:
        backbones: names or folders; the first is measured in all parts, the others in extraction
            alone.
        video: the video to read; None for a moving test picture that is made for the run.
        parts: which of `PARTS` to measure.
        turns: how often each way of extraction is timed.
        video_seconds: length of the test picture.
        memory_minutes: lengths of the videos that memory is measured with.
        clips: how many clips the workers read.
        neighbour_seconds: length of each of the three measurements of the part "neighbour".

    Raises:
        UsageError: there is no backbone, a part is unknown, or a number is not positive.
    """

    backbones: tuple[str, ...] = (DEFAULT_BACKBONE, SMALL_MODEL)
    video: Path | None = None
    parts: tuple[str, ...] = PARTS
    turns: int = 5
    video_seconds: float = 20.0
    memory_minutes: tuple[float, ...] = (1.0, 10.0)
    clips: int = 8
    neighbour_seconds: float = 6.0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.parts) - set(PARTS))
        if unknown or not self.parts or not self.backbones:
            raise UsageError(
                f"parts {', '.join(unknown) or 'none'} and backbones {list(self.backbones)}: give "
                f"one backbone or more, and parts of {', '.join(PARTS)}"
            )
        numbers = (self.turns, self.video_seconds, self.clips, self.neighbour_seconds)
        if min(*numbers, *self.memory_minutes) <= 0:
            raise UsageError("turns, clips, seconds and minutes must be above 0")

    @classmethod
    def quick(cls) -> BenchRequest:
        """The same parts in less than a minute, for a first look; the figures vary more."""
        return cls(
            backbones=(DEFAULT_BACKBONE,),
            turns=2,
            video_seconds=8.0,
            memory_minutes=(0.1, 0.5),
            clips=2,
            neighbour_seconds=1.5,
        )


def run_bench(request: BenchRequest, *, command: str, say: Say) -> dict[str, Any]:
    """Measure all parts of a request.

    Args:
        command: as it was typed, for the record.
        say: is called with what is being measured now.

    Returns:
        What was found, as JSON values: the document that `tables_of` makes tables of.

    Raises:
        VideoError: the video cannot be read, or is shorter than eight segments.
        BackboneError, DownloadError: a backbone cannot be opened.
        StatesError: the usual ways gave other states, or a process failed.
    """
    began = time.perf_counter()
    with _video(request) as video:
        # No more than these are kept: the frames of a long video would not fit into memory.
        segments = first_segments(video, 2 * _LEAST_SEGMENTS)
        if len(segments) < _LEAST_SEGMENTS:
            raise VideoError(
                f"{video} gives {len(segments)} segments of 24 frames; give a video of "
                f"{_LEAST_SEGMENTS} or more"
            )
        # The load is asked for before the first measurement, which is load itself.
        about = about_run(command)
        height, width = segments[0].frames[0].shape[:2]
        parts: dict[str, Any] = {"frames": asdict(measure_frames(video, segments=len(segments)))}
        for number, name in enumerate(request.backbones):
            found = _of_backbone(name, request, video, segments, is_first=number == 0, say=say)
            for part, values in found.items():
                parts.setdefault(part, []).extend(values)
        if "memory" in request.parts:
            looked_at = measure_length(video, minutes=request.memory_minutes, say=say)
            parts["memory"] = [asdict(found) for found in looked_at]
    return {
        **about,
        "minutes": (time.perf_counter() - began) / 60,
        "video": {
            "own": request.video is not None,
            "width": width,
            "height": height,
            "segment_seconds": segments[0].duration_seconds,
        },
        "parts": parts,
    }


def _of_backbone(
    name: str,
    request: BenchRequest,
    video: Path,
    segments: Sequence[Any],
    *,
    is_first: bool,
    say: Say,
) -> Mapping[str, list[dict[str, Any]]]:
    """What is measured with one backbone, by part."""
    from hiprobe.backbones.hf.random_model import open_or_build

    found: dict[str, list[dict[str, Any]]] = {}
    if not is_first and "extraction" not in request.parts:
        return found
    say(f"opening {name}")
    opened = open_or_build(name)
    if opened.is_random:
        say(f"{name} is not on this disk: it is measured with random weights")
    else:
        # `hiprobe plan` then estimates with what was measured here.
        keep_rate(BackboneSpec(name), measure_rate(opened.backbone))
    if "extraction" in request.parts:
        extraction = measure_extraction(opened, segments, turns=request.turns, say=say)
        found["extraction"] = [_extraction(extraction)]
    on_command_line = None if opened.is_random else name
    if is_first and "end-to-end" in request.parts:
        ran = measure_end_to_end(
            opened.backbone, video, name=opened.name, command_name=on_command_line, say=say
        )
        found["end-to-end"] = [_end_to_end(ran)]
    if is_first and "neighbour" in request.parts:
        beside = measure_neighbour(
            opened.backbone,
            segments,
            layer=opened.backbone.layer_count,
            seconds=request.neighbour_seconds,
            say=say,
        )
        found["neighbour"] = [{"backbone": opened.name, **asdict(beside), "share": beside.share}]
    # Freed before the workers open theirs: beside it they might not fit into memory.
    known_as = opened.name
    del opened
    if is_first and "workers" in request.parts and on_command_line is None:
        say(f"workers open what is on this disk, and {name} is not: that part is left out")
    elif is_first and "workers" in request.parts:
        with tempfile.TemporaryDirectory() as folder:
            clip = write_moving_video(Path(folder) / "clip.mp4", frames=96)
            rows = measure_workers(BackboneSpec(name), clip, clips=request.clips, say=say)
        found["workers"] = [{"backbone": known_as, **asdict(row)} for row in rows]
    return found


def _extraction(found: ExtractionFound) -> dict[str, Any]:
    # `asdict` takes fields only; medians and shares are properties, and readers of the JSON should
    # not have to work them out.
    ways = [
        {
            **asdict(w),
            "median_seconds": w.median_seconds,
            "processor_seconds": w.processor_seconds,
            "share_of_floor": w.share_of_floor,
            "processor_share_of_floor": w.processor_share_of_floor,
        }
        for w in found.ways
    ]
    return {**asdict(found), "ways": ways, "times_generate": found.against_generate}


def _end_to_end(found: EndToEnd) -> dict[str, Any]:
    return {
        **asdict(found),
        "real_time_factor": found.real_time_factor,
        "share_of_slower": found.share_of_slower,
        "overlap": found.overlap,
    }


@contextmanager
def _video(request: BenchRequest) -> Iterator[Path]:
    if request.video is not None:
        yield request.video
        return
    with tempfile.TemporaryDirectory() as folder:
        frames = round(30 * request.video_seconds)
        yield write_moving_video(Path(folder) / "moving.mp4", frames=frames)


def run_large(*, turns: int, command: str, say: Say) -> dict[str, Any]:
    """Measure the large models on a GPU.

    Args:
        turns: how often each batch is timed.
        command: as it was typed, for the record.
        say: is called with what is being measured now.

    Returns:
        What was found, as JSON values: the document that `tables_of` makes tables of.

    Raises:
        UsageError: torch sees no GPU.
    """
    from hiprobe.backbones.usual_ways import gpu_name, product_seconds

    name = gpu_name()
    if name is None:
        raise UsageError(
            "torch sees no GPU that it can use here; run this part on a machine that has one"
        )
    began = time.perf_counter()
    about = about_run(command)
    flops = 1 / product_seconds(device="cuda", dtype="bfloat16", repeats=20).seconds
    found = measure_large(device="cuda", product_flops=flops, turns=turns, say=say)
    rows = [asdict(row) for row in found]
    return {
        **about,
        "minutes": (time.perf_counter() - began) / 60,
        "gpu": name,
        "product_flops": flops,
        "parts": {"large": rows},
    }


def about_run(command: str) -> dict[str, Any]:
    """Machine, libraries and time of a run."""
    import psutil

    from hiprobe.backbones.usual_ways import thread_count

    load = psutil.getloadavg()[0]
    cores = usable_processors()
    return {
        "format": FORMAT,
        "version": VERSION,
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {
            "processor": processor_name(),
            "flags": list(processor_flags()),
            "cores": cores,
            "threads": thread_count(),
            "load": load,
            "was_busy": bool(busy_words(load)),
        },
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
