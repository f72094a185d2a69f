"""Frames to states: against the machine's floor, and against the usual ways on the same weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from hiprobe.backbones.cost import LAYER_SHARE, count_segment
from hiprobe.machine import Took, seconds_of, took
from hiprobe.paper import SEGMENT_FRAMES
from hiprobe.pipeline.reading import BATCH_SEGMENTS
from hiprobe.segment import Cut, Segment, key_frame_positions
from hiprobe.video.segments import SegmentReader

if TYPE_CHECKING:
    from hiprobe.backbones.hf.random_model import OpenedModel

# A segment that takes longer is read alone and not in batches, in a third of the turns. A single
# turn of SmolVLM2-256M, at 20 s of processor time a segment, took 20 minutes.
SLOW_SECONDS = 2.0

# Of each reader of frames, of which the best counts: other work can only make a turn slower.
_FRAME_TURNS = 5

Say = Callable[[str], None]


@dataclass(frozen=True)
class Way:
    """One way to the states of a segment.

    Attributes:
        name: what is done.
        layer: the deepest layer that is run.
        took: time of a segment in each turn.
        floors: the least time that its operations need, at the rate of a matrix product in the same
            turn; empty where the backbone's shape is not known.
    """

    name: str
    layer: int
    took: tuple[Took, ...]
    floors: tuple[Took, ...]

    @property
    def median_seconds(self) -> float:
        """Seconds of a segment by the clock: the median over the turns."""
        return median(t.seconds for t in self.took)

    @property
    def processor_seconds(self) -> float:
        """Processor seconds of a segment, of all threads together: the median over the turns."""
        return median(t.processor_seconds for t in self.took)

    @property
    def share_of_floor(self) -> float | None:
        """How near it comes to the floor by the clock, 1 at best; the median over the turns."""
        if not self.floors:
            return None
        return median(f.seconds / t.seconds for f, t in zip(self.floors, self.took, strict=True))

    @property
    def processor_share_of_floor(self) -> float | None:
        """The same by the processor's time, which other work on the machine hardly changes."""
        if not self.floors:
            return None
        return median(
            f.processor_seconds / max(t.processor_seconds, 1e-9)
            for f, t in zip(self.floors, self.took, strict=True)
        )


@dataclass(frozen=True)
class ExtractionFound:
    """What was measured with one backbone.

    Attributes:
        is_random: its weights are random, since it is not on this disk.
        layer: 20/32 of the depth, where the paper's layer lies.
        flops: operations of a segment to that layer; None without a shape.
        product_flops: operations a second of a plain matrix product, the median over the turns.
        ways: HiProbe's first, then the usual ones.
        difference: largest distance of two ways' states, as a share of their length; None where
            only HiProbe's own way can be measured.
    """

    backbone: str
    is_random: bool
    device: str
    dtype: str
    layer_count: int
    layer: int
    flops: int | None
    product_flops: float
    ways: tuple[Way, ...]
    difference: float | None

    def way(self, name: str) -> Way | None:
        """A way by its name."""
        return next((way for way in self.ways if way.name == name), None)

    @property
    def against_generate(self) -> float | None:
        """How many times less processor time than `generate` HiProbe takes by default."""
        usual = self.way(GENERATE)
        if usual is None:
            return None
        return usual.processor_seconds / max(self.ways[0].processor_seconds, 1e-9)


# Names of the ways, as the tables show them. The first one that is measured is what HiProbe does by
# default.
TOGETHER = f"to layer l*, {BATCH_SEGMENTS} together"
ALONE, DEEP, STILL = "to layer l*", "to the last layer", "to layer l*, 2 of 8 frames differ"
GENERATE, HOOKS = "generate, all states", "hooks on all layers"


def measure_extraction(
    opened: OpenedModel, segments: Sequence[Segment], *, turns: int, say: Say
) -> ExtractionFound:
    """Time all ways in turn, so that a slow moment of the machine hits all alike.

    Args:
        segments: real ones; each pass gets a shifted copy, which a backbone that remembers pictures
            has not seen.
        turns: how often each way is timed.
        say: is called with what is being measured now.

    Raises:
        StatesError: two ways give other states than rounding explains.
        BackboneMemoryError: a segment does not fit into memory.
    """
    from hiprobe.backbones.decoder import DecoderBackbone
    from hiprobe.backbones.usual_ways import (
        LibraryModel,
        check_equal,
        positions_of,
        product_seconds,
    )

    backbone, fresh = opened.backbone, Fresh(segments)
    layer = max(1, round(LAYER_SHARE * backbone.layer_count))
    # By the way's name: the deepest layer, segments in a call, and the call.
    calls: dict[str, tuple[int, int, Callable[[], object]]] = {}
    # The first call warms up; beside other work the clock alone would call any model slow.
    first = [took(lambda: backbone.states([fresh()], layers=[layer])) for _ in range(2)]
    is_slow = min(min(t.seconds, t.processor_seconds) for t in first) > SLOW_SECONDS
    if not is_slow:
        calls[TOGETHER] = (
            layer,
            BATCH_SEGMENTS,
            lambda: backbone.states([fresh() for _ in range(BATCH_SEGMENTS)], layers=[layer]),
        )
    deepest = backbone.layer_count
    calls[ALONE] = (layer, 1, lambda: backbone.states([fresh()], layers=[layer]))
    calls[DEEP] = (deepest, 1, lambda: backbone.states([fresh()], layers=[deepest]))
    calls[STILL] = (layer, 1, lambda: backbone.states([still(fresh())], layers=[layer]))
    difference, text = None, None
    if isinstance(backbone, DecoderBackbone):
        say(f"{opened.name}: comparing the states of all ways")
        library = LibraryModel(backbone)
        difference = check_equal(library, fresh())
        calls[GENERATE] = (deepest, 1, lambda: library.generated(fresh()))
        calls[HOOKS] = (deepest, 1, lambda: library.hooked(fresh()))
        # The prompt's own positions count as work too; a shape alone does not know how many there
        # are.
        if opened.shape is not None:
            pixels = _pixels(segments[0])
            visual = count_segment(opened.shape, frame_pixels=pixels).visual_tokens
            text = max(0, positions_of(backbone, segments[0]) - visual)
    times: dict[str, list[Took]] = {name: [] for name in calls}
    products: list[Took] = []
    for turn in range(-(-turns // 3) if is_slow else turns):
        say(f"{opened.name}: turn {turn + 1}")
        # Once a turn, since a processor's rate changes with its heat and its neighbours: the floor
        # must be that of the same moment.
        products.append(product_seconds(device=opened.device, dtype=opened.dtype))
        for name, (_, count, call) in calls.items():
            times[name].append(took(call) / count)
    counted = {depth: _flops(opened, segments[0], depth, text) for depth in (layer, deepest)}
    ways = tuple(
        Way(name, depth, tuple(times[name]), _floors(counted[depth], products))
        for name, (depth, _, _) in calls.items()
    )
    return ExtractionFound(
        backbone=opened.name,
        is_random=opened.is_random,
        device=opened.device,
        dtype=opened.dtype,
        layer_count=deepest,
        layer=layer,
        flops=counted[layer],
        product_flops=1 / median(p.seconds for p in products),
        # Repeated frames are looked at once, so the operations are fewer than those counted.
        ways=tuple(replace(w, floors=()) if w.name == STILL else w for w in ways),
        difference=difference,
    )


def _pixels(segment: Segment) -> tuple[int, int]:
    height, width = segment.frames[0].shape[:2]
    return height, width


def _flops(opened: OpenedModel, segment: Segment, layer: int, text: int | None) -> int | None:
    if opened.shape is None:
        return None
    return count_segment(
        opened.shape,
        layer=layer,
        frames=len(segment.frames),
        frame_pixels=_pixels(segment),
        text_positions=text,
    ).flops


def _floors(flops: int | None, products: Sequence[Took]) -> tuple[Took, ...]:
    return () if flops is None else tuple(p / (1 / flops) for p in products)


class Fresh:
    """Gives one segment after the other, each with pictures that were not given before.

    In each round all of them are shifted sideways by one more pixel, which makes them new and no
    cheaper to look at than the real ones.
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments, self._given = segments, len(segments)

    def __call__(self) -> Segment:
        """The next one."""
        turn, number = divmod(self._given, len(self._segments))
        self._given += 1
        segment = self._segments[number]
        return replace(
            segment, frames=tuple(np.roll(frame, turn, axis=1) for frame in segment.frames)
        )


def still(segment: Segment) -> Segment:
    """The segment with only two different pictures, as of a scene that hardly moves."""
    half = len(segment.frames) // 2
    first, second = segment.frames[0], segment.frames[-1]
    rest = len(segment.frames) - half
    return replace(segment, frames=(first,) * half + (second,) * rest)


@dataclass(frozen=True)
class FramesFound:
    """Time to the key frames of a segment, by HiProbe's reader and by the usual one.

    Attributes:
        usual: which library that is.
    """

    seconds: float
    usual_seconds: float
    usual: str


def measure_frames(video: Path, *, segments: int) -> FramesFound:
    """Read the first segments of a video both ways in turn; the best turn of each counts."""

    def own() -> object:
        return first_segments(video, segments)

    try:
        import cv2
    except ImportError:
        taken = min(seconds_of(own) for _ in range(_FRAME_TURNS)) / segments
        return FramesFound(taken, taken, "PyAV, since OpenCV is not installed")
    positions = set(key_frame_positions(frame_count=SEGMENT_FRAMES))

    def usual() -> object:
        capture, kept = cv2.VideoCapture(str(video)), []
        for number in range(segments * SEGMENT_FRAMES):
            there, picture = capture.read()
            if not there:
                break
            if number % SEGMENT_FRAMES in positions:
                kept.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        capture.release()
        return kept

    can_read = bool(usual())
    times = [(seconds_of(own), seconds_of(usual)) for _ in range(_FRAME_TURNS)]
    best, best_usual = (min(column) / segments for column in zip(*times, strict=True))
    if not can_read:
        return FramesFound(best, best, "PyAV, since OpenCV cannot read the video")
    return FramesFound(best, best_usual, "OpenCV")


def first_segments(video: Path, count: int) -> list[Segment]:
    """The first segments of a video, at most `count`.

    Raises:
        VideoError: the video cannot be read.
    """
    found = []
    for segment in SegmentReader(video, Cut()):
        found.append(segment)
        if len(found) == count:
            break
    return found
