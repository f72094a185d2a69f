"""What a run will take, before it: segments, time, memory, disk, and what would make it cheaper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from hiprobe.backbones.cost import count_segment, weight_bytes
from hiprobe.backbones.model_rate import ModelRate
from hiprobe.backbones.shape import Shape
from hiprobe.errors import UsageError, VideoError
from hiprobe.large_rows import HELD_BYTES
from hiprobe.pipeline.measured_rate import decoding_seconds
from hiprobe.pipeline.reading import BATCH_SEGMENTS, CHECKPOINT_SEGMENTS, SHARD_PIECES
from hiprobe.segment import WHOLE, Cut, Stretch, size_within
from hiprobe.video.video_info import VideoExtent, video_extent

# Of a segment in JSON and CSV, and of a video's chart, as they are written by default.
RESULT_BYTES, CHART_BYTES = 220, 80_000
# Of Python, torch and the other libraries, where no measurement says it.
PROCESS_BYTES = 700_000_000
# Numbers that a decoder layer holds of a position at once, in widths of a hidden state: states,
# queries, keys, values, and the feed-forward part of some four to eight widths, twice.
_POSITION_NUMBERS = 20


@dataclass(frozen=True)
class Footage:
    """What is to be read.

    Attributes:
        video_count: videos in all.
        opened_count: videos whose header was read; the others are taken to be like them.
        seconds: of all videos together.
        frame_count: of all videos together.
        segment_count: of all videos together.
        longest_segments: of the longest video.
        decoding_seconds: of one core, for all frames.
        frame_pixels: height and width of the key frames that are usual here, shrunk as the cut
            says.
        counted: files whose packets had to be counted.
        unreadable: file and reason.
    """

    video_count: int
    opened_count: int
    seconds: float
    frame_count: int
    segment_count: int
    longest_segments: int
    decoding_seconds: float
    frame_pixels: tuple[int, int]
    counted: tuple[Path, ...] = ()
    unreadable: tuple[tuple[Path, str], ...] = ()

    @classmethod
    def of(
        cls,
        videos: Sequence[Path],
        cut: Cut,
        *,
        stretches: Sequence[Stretch] | None = None,
        most_headers: int | None = None,
    ) -> Footage:
        """Read the headers of videos; nothing is decoded.

        Args:
            stretches: the part of each video that is read; all of them where None.
            most_headers: open no more files than this, spread evenly over all, and scale up.

        Raises:
            VideoError: no video at all can be opened; the first one's reason.
        """
        parts = [WHOLE] * len(videos) if stretches is None else stretches
        opened = _spread(list(zip(videos, parts, strict=True)), most_headers)
        extents: list[VideoExtent] = []
        unreadable: list[tuple[Path, str]] = []
        for video, stretch in opened:
            try:
                extents.append(within(video_extent(video), stretch))
            except VideoError as error:
                unreadable.append((video, str(error)))
        if not extents:
            raise VideoError(unreadable[0][1] if unreadable else "no video is given; name one")
        segments = [
            cut.segment_count(frame_count=extent.frame_count, seconds=extent.seconds)
            for extent in extents
        ]
        # Over all that were tried: what cannot be opened takes no time in the run either.
        scale = len(videos) / len(opened)
        # The usual size is that of most segments, not of most files: one long film outweighs ten
        # short clips.
        by_size: Counter[tuple[int, int]] = Counter()
        for extent, count in zip(extents, segments, strict=True):
            by_size[size_within(extent.frame_pixels, cut.max_side_pixels)] += count
        decoding = sum(e.frame_count * decoding_seconds(e.frame_pixels) for e in extents)
        return cls(
            video_count=len(videos),
            opened_count=len(opened),
            seconds=scale * sum(e.seconds for e in extents),
            frame_count=round(scale * sum(e.frame_count for e in extents)),
            segment_count=round(scale * sum(segments)),
            longest_segments=max(segments),
            decoding_seconds=scale * decoding,
            frame_pixels=by_size.most_common(1)[0][0],
            counted=tuple(e.path for e in extents if e.is_counted),
            unreadable=tuple(unreadable),
        )


T = TypeVar("T")


def _spread(items: list[T], most: int | None) -> list[T]:
    if most is None or len(items) <= most:
        return items
    return [items[n * len(items) // most] for n in range(most)]


def within(extent: VideoExtent, stretch: Stretch) -> VideoExtent:
    """The extent of a part of a video.

    Raises:
        VideoError: the video ends before it.
    """
    start = stretch.start_seconds or 0.0
    end = extent.seconds if stretch.end_seconds is None else stretch.end_seconds
    seconds = min(end, extent.seconds) - start
    if seconds <= 0:
        raise VideoError(f"{extent.path} lasts {extent.seconds:.3f} s, and ends before {start} s")
    frames = max(1, round(extent.frame_count * seconds / extent.seconds))
    return replace(extent, frame_count=frames, seconds=seconds)


@dataclass(frozen=True)
class Workers:
    """What does the work.

    Attributes:
        gpu_count: GPUs, each with a copy of the model; 0 for the processor.
        cores: that decode; None of a GPU's machine that is not this one.
        decoding_factor: time to decode here over `decoding_seconds`.
        memory_bytes: of the machine, or of a GPU; None where not known.
    """

    gpu_count: int
    cores: int | None
    decoding_factor: float = 1.0
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.gpu_count < 0 or (self.cores or self.gpu_count) < 1:
            raise UsageError(f"{self.gpu_count} GPUs and {self.cores} cores: give 1 or more")


@dataclass(frozen=True)
class RunPlan:
    """An estimate of one run, if nothing of it is cached.

    Attributes:
        footage: what is read.
        with_clips: a vector of each whole video is read too, as `fit` does.
        layers_read: how many layers are kept.
        depth: the deepest of them.
        reading_count, prompt_count: readings and prompts, each kept; a prompt is a pass of the
            decoder over the same pictures, from the second on over what stands behind them.
        layer_count, width: of the backbone.
        rate: of a segment, at the frames of the footage.
        shape: of the backbone; None where it is not known.
        number_bytes: of one weight.
        workers: what does the work.
        process_bytes: memory of a process with the whole model, as measured; None where it was not.
    """

    footage: Footage
    with_clips: bool
    layers_read: int
    depth: int
    reading_count: int
    prompt_count: int
    layer_count: int
    width: int
    rate: ModelRate
    shape: Shape | None
    number_bytes: int
    workers: Workers
    process_bytes: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.depth <= self.layer_count:
            raise UsageError(f"layer {self.depth} is not within 0..{self.layer_count}")

    @property
    def row_count(self) -> int:
        """Passes through the model: segments, and whole clips."""
        return self.footage.segment_count + (self.footage.video_count if self.with_clips else 0)

    @property
    def model_seconds(self) -> float:
        """Time in the model, on all GPUs together."""
        row_seconds = self.rate.seconds(self.depth * self._decoder_passes)
        return self.row_count * row_seconds / max(1, self.workers.gpu_count)

    @property
    def _decoder_passes(self) -> float:
        """Passes over all positions that the prompts take together."""
        if self.shape is None:
            return self.prompt_count
        cost = count_segment(
            self.shape, frames=self.rate.key_frames, frame_pixels=self.rate.frame_pixels
        )
        behind = 1 - cost.visual_tokens / cost.positions
        return 1 + (self.prompt_count - 1) * behind

    @property
    def decoding_core_seconds(self) -> float:
        """Time of one core for decoding."""
        return self.footage.decoding_seconds * self.workers.decoding_factor

    @cached_property
    def seconds(self) -> float:
        """From the first video to the last.

        Beside a GPU decoding and model overlap, as far as there are cores; on the processor they
        share its cores.
        """
        if self.workers.cores is None:
            return self.model_seconds
        decoding = self.decoding_core_seconds / self.workers.cores
        if self.workers.gpu_count:
            return max(self.model_seconds, decoding)
        return self.model_seconds + decoding

    @property
    def decoding_cores(self) -> float:
        """Cores that keep a GPU, or all of them, busy."""
        return self.decoding_core_seconds / max(self.model_seconds, 1e-9)

    @property
    def state_bytes(self) -> int:
        """Of one row of states."""
        return 4 * self.layers_read * self.width * self.reading_count * self.prompt_count

    @property
    def cache_bytes(self) -> int:
        """Of the cached states on the disk."""
        return self.row_count * self.state_bytes

    @property
    def result_bytes(self) -> int:
        """Of the results with the formats that are written by default."""
        footage = self.footage
        return footage.segment_count * RESULT_BYTES + footage.video_count * CHART_BYTES

    @property
    def model_bytes(self) -> int | None:
        """Weights up to the layer, and what a batch holds in passing; None without a shape."""
        if self.shape is None:
            return None
        weights = weight_bytes(self.shape, layer=self.depth, number_bytes=self.number_bytes)
        positions = count_segment(self.shape, frame_pixels=self.footage.frame_pixels).positions
        batch = BATCH_SEGMENTS * positions * self.width * _POSITION_NUMBERS * self.number_bytes
        return weights + batch

    @property
    def memory_bytes(self) -> int:
        """Of the process: libraries, the model unless a GPU holds it, the longest video's states.

        The states of a video are kept until it is done, those of each reading beyond some MB in a
        file.
        """
        most = 2 * HELD_BYTES * self.reading_count * self.prompt_count
        held = min(self.footage.longest_segments * self.state_bytes, most)
        if self.process_bytes is not None:
            return self.process_bytes + held
        on_cpu = 0 if self.workers.gpu_count else self.model_bytes or 0
        return PROCESS_BYTES + on_cpu + held

    def cost(self, price_per_hour: float) -> float:
        """Price of the run, where all GPUs (or the machine) cost so much an hour each."""
        return price_per_hour * max(1, self.workers.gpu_count) * self.seconds / 3600


@dataclass(frozen=True)
class Saving:
    """Something that would make a run cheaper.

    Attributes:
        what: in words.
        option: how it is asked for on the command line.
        share: of the time that would be left.
    """

    what: str
    option: str
    share: float


# What two workers leave of the time, one thread each: lite on two idle cores took 1/1.94 of it with
# 96 clips, and 1/1.74 with 24.
TWO_WORKERS = 0.54

# Savings that leave more than this are not told.
HALF = 0.6


def savings(plan: RunPlan, cut: Cut, others: Sequence[tuple[str, Shape]] = ()) -> list[Saving]:
    """What would about halve the time of a plan, the greatest saving first within each kind.

    Args:
        others: names and shapes of backbones that could take this one's place.
    """
    found = [_fewer_layers(plan), _longer_segments(plan, cut), _other_backbone(plan, others)]
    if plan.workers.gpu_count:
        more = replace(plan.workers, gpu_count=2 * plan.workers.gpu_count)
        option = f"--workers {more.gpu_count}"
        found.append(_saving(plan, replace(plan, workers=more), "twice as many GPUs", option))
    elif (plan.workers.cores or 1) > 1:
        found.append(_two_workers(plan, cut))
    return [saving for saving in found if saving is not None and saving.share <= HALF]


def _saving(plan: RunPlan, changed: RunPlan, what: str, option: str) -> Saving:
    return Saving(what, option, changed.seconds / max(plan.seconds, 1e-9))


def _fewer_layers(plan: RunPlan) -> Saving | None:
    """The deepest layer that takes half the time; None where that is no layer at all."""
    for depth in range(plan.depth - 1, 0, -1):
        changed = replace(plan, depth=depth, layers_read=min(plan.layers_read, depth))
        saving = _saving(plan, changed, f"read no deeper than layer {depth}", f"--layer {depth}")
        if saving.share <= 0.5:
            return saving
    return None


def _longer_segments(plan: RunPlan, cut: Cut) -> Saving:
    footage = plan.footage
    usual = cut.segment_seconds or footage.seconds / footage.frame_count * cut.segment_frames
    fewer = replace(
        footage,
        segment_count=-(-footage.segment_count // 2),
        longest_segments=-(-footage.longest_segments // 2),
    )
    return _saving(
        plan,
        replace(plan, footage=fewer),
        "segments twice as long, with as many key frames",
        f"--segment-seconds {2 * usual:.2g}",
    )


def _two_workers(plan: RunPlan, cut: Cut) -> Saving:
    """Two processes share the videos; of an odd number they share the last, where it is long."""
    videos, longest = plan.footage.video_count, plan.footage.longest_segments
    is_split = longest >= 2 * SHARD_PIECES * CHECKPOINT_SEGMENTS and not cut.overlaps
    uneven = 1.0 if is_split else (videos + videos % 2) / videos
    what = "two workers, each with half of the cores (measured with lite on two cores)"
    return Saving(what, "--workers 2", TWO_WORKERS * uneven)


def _other_backbone(plan: RunPlan, others: Sequence[tuple[str, Shape]]) -> Saving | None:
    """The largest backbone that needs at most half the operations to the same share of its depth.

    The time is taken to shrink as the operations do.
    """
    if plan.shape is None:
        return None
    pixels, share = plan.footage.frame_pixels, plan.depth / plan.layer_count
    own = count_segment(plan.shape, layer=plan.depth, frame_pixels=pixels).flops
    best: tuple[float, str] | None = None
    for name, shape in others:
        layer = max(1, round(share * shape.layer_count))
        part = count_segment(shape, layer=layer, frame_pixels=pixels).flops / own
        # Of those that halve the work the largest loses least of what it can see.
        if part <= 0.5 and (best is None or part > best[0]):
            best = part, name
    if best is None:
        return None
    part, name = best
    faster = replace(
        plan.rate,
        base_seconds=plan.rate.base_seconds * part,
        layer_seconds=plan.rate.layer_seconds * part,
    )
    changed = replace(plan, rate=faster)
    return _saving(plan, changed, f"the backbone {name}", f"--backbone {name}")
