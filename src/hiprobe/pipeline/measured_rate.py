"""How fast a backbone is on this machine: measured once in a short run, and kept."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from hiprobe.backbones.cost import FRAME_PIXELS
from hiprobe.backbones.interface import Backbone
from hiprobe.backbones.model_rate import ModelRate
from hiprobe.documents.checked import read_json
from hiprobe.documents.schemas import RateDocument
from hiprobe.machine import processor_flags, processor_name, seconds_of
from hiprobe.paper import KEY_FRAMES
from hiprobe.pipeline.reading import BATCH_SEGMENTS
from hiprobe.segment import Frame, Segment
from hiprobe.settings import cache_folder, usable_processors
from hiprobe.spec import BackboneSpec
from hiprobe.store.text_files import json_text, write_text
from hiprobe.video.decode import FrameReader
from hiprobe.video.write import write_video

FORMAT, VERSION = "hiprobe-rate", 1
_REPEATS = 3
# Four segments of the usual length: a fraction of a second to decode, and longer than a start-up.
_CLIP_FRAMES = 96


@dataclass(frozen=True)
class MeasuredRate:
    """What one measurement found.

    Attributes:
        rate: time of a segment, in batches as a run makes them.
        layer_count, width: L and D of the backbone.
        decoding_factor: time that this machine takes to decode, over `decoding_seconds`.
        process_bytes: memory of the process with the backbone open.
        gpu_bytes: most memory of the GPU; 0 without one.
        load: how many other processes wanted a processor when it began, on average.
    """

    rate: ModelRate
    layer_count: int
    width: int
    decoding_factor: float
    process_bytes: int
    gpu_bytes: int
    load: float


def decoding_seconds(frame_pixels: tuple[int, int]) -> float:
    """Time that one core takes to decode a frame.

    A line through what was measured with PyAV on H.264 of 320x240 (1,949 frames a second) and of
    1920x1080 (337), on an Intel Xeon with AVX-512.
    """
    return 4.1e-4 + 1.23e-9 * frame_pixels[0] * frame_pixels[1]


def noise_segments(
    count: int, *, seed: int, frame_pixels: tuple[int, int] = FRAME_PIXELS
) -> list[Segment]:
    """Segments whose key frames all differ: nothing that is remembered of one helps another."""
    rng = np.random.default_rng(seed)
    shape = (*frame_pixels, 3)
    return [
        Segment(
            index=number,
            start_seconds=float(number),
            end_seconds=number + 1.0,
            start_pts=number,
            end_pts=number + 1,
            time_base_seconds=1.0,
            first_frame=24 * number,
            frame_count=24,
            frames=tuple(rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(KEY_FRAMES)),
            frame_seconds=tuple(number + k / KEY_FRAMES for k in range(KEY_FRAMES)),
        )
        for number in range(count)
    ]


def rate_of(spec: BackboneSpec, *, fresh: bool = False) -> MeasuredRate:
    """The rate of a backbone here: kept from before, else measured, in some ten seconds for lite.

    Args:
        spec: how it is opened; it is opened whole, and read at its first and last layer.
        fresh: measure it again.

    Raises:
        BackboneError, DownloadError: as `BackboneSpec.open`.
        BackboneMemoryError: not a segment fits into memory.
        StorageError: the cache folder cannot be written.
    """
    known = None if fresh else kept_rate(spec)
    if known is not None:
        return known
    found = measure_rate(replace(spec, cut_at_layer=None).open())
    keep_rate(spec, found)
    return found


def keep_rate(spec: BackboneSpec, found: MeasuredRate) -> None:
    """Keep what was measured for later plans.

    Raises:
        StorageError: the cache folder cannot be written.
    """
    write_text(_path(spec), json_text(_document(found, spec), indent=1) + "\n")


def kept_rate(spec: BackboneSpec) -> MeasuredRate | None:
    """What an earlier measurement found on this machine; None without one that can be read."""
    path = _path(spec)
    try:
        known = read_json(path, RateDocument)
    except (OSError, ValueError):  # none yet, or a damaged one: it is measured again
        return None
    height, width = known["frame_pixels"]
    return MeasuredRate(
        rate=ModelRate(
            base_seconds=known["base_seconds"],
            layer_seconds=known["layer_seconds"],
            frame_pixels=(height, width),
            key_frames=known["key_frames"],
            source="measured",
            words=f"measured on this machine on {known['measured_at'][:10]}"
            + busy_words(known["load"]),
        ),
        layer_count=known["layer_count"],
        width=known["width"],
        decoding_factor=known["decoding_factor"],
        process_bytes=known["process_bytes"],
        gpu_bytes=known["gpu_bytes"],
        load=known["load"],
    )


def measure_rate(backbone: Backbone) -> MeasuredRate:
    """Time an open backbone on noise at its first and its last layer, and a short video's decoding.

    Raises:
        BackboneMemoryError: not a segment fits into memory.
    """
    import psutil

    load = psutil.getloadavg()[0]
    deepest = backbone.layer_count
    at_first, at_last = (_segment_seconds(backbone, layer) for layer in (1, deepest))
    layer_seconds = max(0.0, at_last - at_first) / max(1, deepest - 1)
    return MeasuredRate(
        rate=ModelRate(
            base_seconds=max(0.0, at_last - deepest * layer_seconds),
            layer_seconds=layer_seconds,
            frame_pixels=FRAME_PIXELS,
            key_frames=KEY_FRAMES,
            source="measured",
            words=f"measured on this machine just now{busy_words(load)}",
        ),
        layer_count=backbone.layer_count,
        width=backbone.width,
        decoding_factor=_decoding_factor(),
        process_bytes=int(psutil.Process().memory_info().rss),
        gpu_bytes=_gpu_bytes(),
        load=load,
    )


def busy_words(load: float) -> str:
    """What to say of a measurement beside other work; nothing where the machine was calm."""
    cores = usable_processors()
    return "" if load < cores / 2 else f", which was busy then (load {load:.1f} on {cores} cores)"


def _segment_seconds(backbone: Backbone, layer: int) -> float:
    """Median time of a segment in a batch; a slow model is read once, one segment at a time."""

    def read(count: int, seed: int) -> float:
        segments = noise_segments(count, seed=seed)
        return seconds_of(lambda: backbone.states(segments, layers=[layer])) / count

    first = read(1, seed=0)
    if first > 2.0:
        return first
    # The first batch of a shape is not counted: kernels are chosen and memory is taken for it.
    read(BATCH_SEGMENTS, seed=1)
    return median(read(BATCH_SEGMENTS, seed=2 + turn) for turn in range(_REPEATS))


def _decoding_factor() -> float:
    with tempfile.TemporaryDirectory() as folder:
        video = write_moving_video(Path(folder) / "moving.mp4", frames=_CLIP_FRAMES)
        # The first of two turns brings the file and the decoder into memory.
        taken = min(seconds_of(lambda: list(_pictures(video))) for _ in range(2))
    return taken / _CLIP_FRAMES / decoding_seconds(FRAME_PIXELS)


def write_moving_video(path: Path, *, frames: int, fps: float = 30.0) -> Path:
    """An H.264 video of 320x240 whose pictures all differ: a square that crosses a noisy wall."""
    height, width = FRAME_PIXELS
    wall = np.random.default_rng(0).integers(90, 150, (height, width + 64, 3), np.uint8)

    def pictures() -> Iterator[Frame]:
        for number in range(frames):
            shift = abs(number % 128 - 64)
            picture = np.ascontiguousarray(wall[:, shift : shift + width])
            left, top = 3 * number % (width - 40), number % (height - 40)
            picture[top : top + 40, left : left + 40] = (220, 60 + number % 100, 40)
            yield picture

    write_video(path, pictures(), fps=fps)
    return path


def _pictures(video: Path) -> Any:
    """Decodes a video; every third frame is made RGB, as key frames are."""
    for frame in FrameReader(video):
        if frame.index % 3 == 0:
            frame.rgb()
        yield frame.index


def _gpu_bytes() -> int:
    from hiprobe.backbones.comparison import gpu_peak

    return gpu_peak() or 0


def _path(spec: BackboneSpec) -> Path:
    """Where the rate of a backbone lies: what changes the time of a pass is in the name."""
    # The processor's name is in it since folders of users are shared between machines.
    told = [VERSION, processor_name(), processor_flags(), usable_processors(), spec.known_as]
    told += [spec.dtype, spec.device, spec.resize, spec.quantise, spec.frames_as]
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
    return cache_folder() / "rates" / f"{digest}.json"


def _document(found: MeasuredRate, spec: BackboneSpec) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "machine": f"{processor_name()}, {usable_processors()} cores",
        "backbone": spec.known_as,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "layer_count": found.layer_count,
        "width": found.width,
        "frame_pixels": list(found.rate.frame_pixels),
        "key_frames": found.rate.key_frames,
        "base_seconds": found.rate.base_seconds,
        "layer_seconds": found.rate.layer_seconds,
        "decoding_factor": found.decoding_factor,
        "process_bytes": found.process_bytes,
        "gpu_bytes": found.gpu_bytes,
        "load": found.load,
    }
