"""The one loop: video in, hidden states out, decoding and the model side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hiprobe.backbones.interface import Backbone
from hiprobe.datasets.clips import STATES_SUFFIX
from hiprobe.errors import BackboneMemoryError, StorageError, UsageError, VideoError
from hiprobe.pipeline.background import in_background
from hiprobe.pipeline.batches import Request, Rows, run_batches
from hiprobe.pipeline.extracted import load_extracted
from hiprobe.pipeline.progress import Clock, Progress
from hiprobe.segment import KEY_FRAMES, SEGMENT_FRAMES, Segment
from hiprobe.states import Reading, VideoStates
from hiprobe.store.cache import PartFiles, StatesCache
from hiprobe.video.clip import read_clip
from hiprobe.video.probe import video_info
from hiprobe.video.segments import SegmentReader, read_segments

BATCH_SEGMENTS = 4
"""Segments per forward pass where nothing else is asked for."""

READ_AHEAD_SEGMENTS = 4
"""Segments decoded ahead of the model; with the batch, this bounds the memory."""

CHECKPOINT_SEGMENTS = 64
"""Segments after which the states of an unfinished video are kept."""

MAX_SIDE_PIXELS = 1280
"""Key frames are shrunk to this longer side: backbones look at far less, memory holds them."""


@dataclass(frozen=True)
class Cut:
    """How a video is cut; all of it is part of the cache key."""

    unit: str
    key_frames: int
    start_seconds: float | None
    end_seconds: float | None
    max_side_pixels: int | None
    segment_frames: int | None = None
    segment_seconds: float | None = None


def extract_video(
    video: Path | str,
    *,
    backbone: Backbone,
    layers: Sequence[int] | None = None,
    readings: Sequence[Reading] = ("last",),
    segment_frames: int = SEGMENT_FRAMES,
    segment_seconds: float | None = None,
    key_frames: int = KEY_FRAMES,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    max_side_pixels: int | None = MAX_SIDE_PIXELS,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
    batch: int = BATCH_SEGMENTS,
    checkpoint_segments: int = CHECKPOINT_SEGMENTS,
) -> VideoStates:
    """States of all segments of a video, as a stream: memory holds a few segments' frames.

    With a cache, finished videos are looked up and an interrupted run goes on from its last
    checkpoint (the frames before are decoded again, the model does not run on them).

    Args:
        video: a video, or states extracted from one (then no backbone runs).
        layers: layer numbers, None for 1..L.

    Raises:
        VideoError: the file cannot be read.
        BackboneMemoryError: not a single segment fits into memory.
        StatesError: a layer does not exist, or a state is not finite.
    """
    request = _request(backbone, layers, readings, batch)
    if Path(video).suffix == STATES_SUFFIX:
        return load_extracted(video, layers=layers, fingerprint=backbone.fingerprint)
    cut = Cut(
        "segments",
        key_frames,
        start_seconds,
        end_seconds,
        max_side_pixels,
        segment_frames if segment_seconds is None else None,
        segment_seconds,
    )

    def open_reader() -> SegmentReader:
        return read_segments(
            video,
            segment_frames=segment_frames,
            segment_seconds=segment_seconds,
            key_frames=key_frames,
            start_seconds=start_seconds,
            end_seconds=end_seconds,
            max_side_pixels=max_side_pixels,
        )

    store = Store.of(video, cut, request, cache)
    found = store.get()
    if found is not None:
        return found
    total = _estimate_segments(video, cut) if progress else None
    clock = Clock(progress, total, name=Path(video).name)
    rows, outcome = _extract(open_reader, store, clock, checkpoint_segments)
    if all(rows.failed):
        raise BackboneMemoryError(_nothing_fits(video, len(rows)))
    states = VideoStates(states=rows.states(), outcome=outcome)
    store.put(states)
    return states


def extract_clip(
    video: Path | str,
    *,
    backbone: Backbone,
    layers: Sequence[int] | None = None,
    readings: Sequence[Reading] = ("last",),
    key_frames: int = KEY_FRAMES,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    max_side_pixels: int | None = MAX_SIDE_PIXELS,
    cache: StatesCache | None = None,
) -> VideoStates:
    """States of a whole clip, one row, from K key frames spread over it; in `.clip`.

    Raises:
        As `extract_video`.
    """
    request = _request(backbone, layers, readings, 1)
    if Path(video).suffix == STATES_SUFFIX:
        return load_extracted(video, layers=layers, fingerprint=backbone.fingerprint)
    cut = Cut("clip", key_frames, start_seconds, end_seconds, max_side_pixels)
    store = Store.of(video, cut, request, cache)
    found = store.get()
    if found is not None:
        return found
    segment = read_clip(
        video,
        key_frames=key_frames,
        start_seconds=start_seconds,
        end_seconds=end_seconds,
        max_side_pixels=max_side_pixels,
    )
    rows = Rows(request)
    for piece, values in run_batches([segment], request):
        rows.add(piece, values)
    if all(rows.failed):
        raise BackboneMemoryError(_nothing_fits(video, 1))
    states = VideoStates(states={}, clip=rows.states())
    store.put(states)
    return states


@dataclass(frozen=True)
class Store:
    """The cache as one extraction sees it; without a cache nothing is found or kept."""

    video: Path
    request: Request
    cache: StatesCache | None
    key: str = ""

    @classmethod
    def of(cls, video: Path | str, cut: Cut, request: Request, cache: StatesCache | None) -> Store:
        """The store of one video under one cut."""
        if cache is None:
            return cls(Path(video), request, None)
        key = cache.key(video, settings=asdict(cut), fingerprint=request.backbone.fingerprint)
        return cls(Path(video), request, cache, key)

    def get(self) -> VideoStates | None:
        """Finished states."""
        if self.cache is None:
            return None
        return self.cache.get(self.key, layers=self.request.layers, readings=self.request.readings)

    def put(self, states: VideoStates) -> None:
        """Keep finished states, but not a failure that belongs to today's free memory."""
        every = [*states.states.values(), *states.clip.values()]
        if self.cache is None or any(s.failed.any() for s in every):
            return
        try:
            self.cache.put(self.key, states, video=self.video)
        except StorageError as error:  # the states are here all the same
            warnings.warn(f"states are not cached: {error}", stacklevel=2)
        self.remove_parts()

    def parts(self) -> PartFiles | None:
        """Where unfinished states lie."""
        if self.cache is None:
            return None
        return self.cache.parts(
            self.key, layers=self.request.layers, readings=self.request.readings
        )

    def remove_parts(self) -> None:
        """Drop unfinished states."""
        parts = self.parts()
        if parts is not None:
            parts.remove()


class _StalePartsError(Exception):
    """Kept parts do not fit the segments that the video gives now."""


def _extract(
    open_reader: Callable[[], SegmentReader], store: Store, clock: Clock, every: int
) -> tuple[Rows, str]:
    try:
        return _run(open_reader(), _restored(store), store, clock, every)
    except _StalePartsError:
        store.remove_parts()
        return _run(open_reader(), Rows(store.request), store, clock, every)


def _restored(store: Store) -> Rows:
    rows, parts = Rows(store.request), store.parts()
    for piece in parts.read() if parts is not None else []:
        rows.restore(piece.states)
    return rows


def _run(
    reader: SegmentReader, rows: Rows, store: Store, clock: Clock, every: int
) -> tuple[Rows, str]:
    keeper = _Keeper(rows, store, every, kept=len(rows))
    clock.skipped = len(rows)
    with in_background(reader, depth=READ_AHEAD_SEGMENTS) as segments:
        try:
            for piece, values in run_batches(_without_done(segments, rows), rows.request):
                rows.add(piece, values)
                keeper.keep_when_due()
                clock.tell(len(rows), seconds_of_video=rows.end_seconds[-1] - rows.start_seconds[0])
        except KeyboardInterrupt:
            keeper.keep()
            raise
    if not len(rows):
        raise VideoError(f"{store.video} gave no segment; check the stretch and the file")
    return rows, reader.outcome or "end"


def _without_done(segments: Iterable[Segment], rows: Rows) -> Iterator[Segment]:
    done = len(rows)
    seen = 0
    for number, segment in enumerate(segments):
        seen += 1
        if number >= done:
            yield segment
        elif (segment.start_seconds, segment.end_seconds) != (
            rows.start_seconds[number],
            rows.end_seconds[number],
        ):
            raise _StalePartsError
    if seen < done:
        raise _StalePartsError


@dataclass
class _Keeper:
    """Writes the rows that no part holds yet."""

    rows: Rows
    store: Store
    every: int
    kept: int

    def keep_when_due(self) -> None:
        if len(self.rows) - self.kept >= self.every:
            self.keep()

    def keep(self) -> None:
        parts = self.store.parts()
        # A failed row depends on the memory of the moment: parts end before it.
        if parts is None or len(self.rows) == self.kept or any(self.rows.failed):
            return
        states = self.rows.states(first_row=self.kept)
        try:
            parts.write(self.kept, states, video=self.store.video.name)
            self.kept = len(self.rows)
        except StorageError as error:  # resuming is lost, this run is not
            warnings.warn(f"no checkpoint is kept: {error}", stacklevel=2)


def _request(
    backbone: Backbone, layers: Sequence[int] | None, readings: Sequence[Reading], batch: int
) -> Request:
    chosen = range(1, backbone.layer_count + 1) if layers is None else layers
    wanted = tuple(sorted(set(chosen)))
    if not wanted or not 0 <= wanted[0] <= wanted[-1] <= backbone.layer_count:
        raise UsageError(
            f"layers {list(wanted)} are not within 0..{backbone.layer_count} of this backbone"
        )
    if not readings or batch < 1:
        raise UsageError(f"readings {list(readings)}, batch {batch}: at least one of each")
    return Request(backbone, wanted, tuple(dict.fromkeys(readings)), batch)


def _estimate_segments(video: Path | str, cut: Cut) -> int | None:
    info = video_info(video)
    length, fps = info.duration_seconds_from_header, info.fps_from_header
    if length is None or fps is None:
        return None
    end = length if cut.end_seconds is None else min(length, cut.end_seconds)
    seconds = cut.segment_seconds or (cut.segment_frames or SEGMENT_FRAMES) / fps
    return max(1, -int(-(end - (cut.start_seconds or 0.0)) // seconds))


def _nothing_fits(video: Path | str, count: int) -> str:
    return (
        f"{video}: the backbone ran out of memory on each of {count} segments, one at a time; "
        "free some memory, or choose a smaller backbone, precision or frame size"
    )
