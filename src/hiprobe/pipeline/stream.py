"""One pass over one video: decoding in a second thread, the model, pieces kept on the way."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

from hiprobe.backbones.interface import Backbone
from hiprobe.errors import BackboneMemoryError, StatesError, VideoError
from hiprobe.pipeline.checkpoints import (
    Checkpoints,
    Rows,
    StatesRequest,
    run_batches,
)
from hiprobe.pipeline.kept_states import KeptPiece, KeptStates
from hiprobe.pipeline.reading import DEFAULTS, EVERY_SEGMENT, ExtractionSettings, ReadUnit, Shard
from hiprobe.progress import Clock, Progress
from hiprobe.segment import WHOLE, Segment, Stretch
from hiprobe.states import VideoStates
from hiprobe.store.states_cache import StatesCache
from hiprobe.video.clip import read_clip_and_outcome
from hiprobe.video.segments import ClipAndSegments, SegmentReader, SegmentTimes
from hiprobe.video.still import StillGate
from hiprobe.video.video_info import stated_extent

T = TypeVar("T")
Reader = TypeVar("Reader", bound=SegmentReader)

# Start and end of a segment, in seconds.
Times = tuple[float, float]

# What a row of states stands for.
StatesUnit = Literal["clip", "segments"]


@runtime_checkable
class ReadsElsewhere(Protocol):
    """A backbone that is not in this process: whole videos are read where it is."""

    def read_elsewhere(
        self, unit: ReadUnit, progress: Progress | None
    ) -> tuple[dict[str, VideoStates], dict[str, VideoStates]] | None:
        """Have a unit read: its states as `extract_units` gives them, None if in the cache."""
        ...


# Segments decoded ahead of the model; with the batch, this bounds the memory.
READ_AHEAD_SEGMENTS = 4


def extract_units(
    video: Path | str,
    *,
    backbone: Backbone,
    prompts: Sequence[str],
    want: Sequence[StatesUnit] = ("clip", "segments"),
    settings: ExtractionSettings = DEFAULTS,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, VideoStates], dict[str, VideoStates]]:
    """States by prompt of the whole clip and of its segments, as far as wanted.

    One decoding gives both, the same as each alone would be.

    Args:
        prompts: read in one pass over the video.
        want: which of both; the other dictionary is empty.
        cache: where finished states are found and kept; None to keep nothing.

    Raises:
        UsageError: the backbone lacks a layer, or reads no prompt but its own.
        VideoError: the file cannot be read.
        BackboneMemoryError: not a single segment fits into memory.
        StatesError: a state is not finite.
    """
    request = StatesRequest.of(backbone, settings, prompts)
    clip, segments = (
        KeptStates.of(
            video,
            unit,
            stretch=stretch,
            settings=settings,
            request=request if unit in want else replace(request, prompts=()),
            cache=cache,
        )
        for unit in ("clip", "segments")
    )
    whole, parts = clip.finished(), segments.finished()
    clip, segments = clip.without(whole), segments.without(parts)
    if isinstance(backbone, ReadsElsewhere):
        if clip.request.prompts or segments.request.prompts:
            unit = ReadUnit.of(
                video,
                settings=settings,
                layer_count=backbone.layer_count,
                prompts=request.prompts,
                want=want,
                stretch=stretch,
            )
            given = backbone.read_elsewhere(unit, progress)
            more_whole, more_parts = given or (clip.finished(), segments.finished())
            whole, parts = whole | more_whole, parts | more_parts
    elif segments.request.prompts:
        total = estimated_count(video, settings, stretch) if progress else None
        clock = Clock(progress, total, name=Path(video).name)
        if clip.request.prompts:
            # The clip's row comes last: where the run is interrupted before, the segments are kept.
            more, reader = _pass_over_segments(segments, ClipAndSegments, settings, clock)
            parts |= more
            whole |= _pass_over_clip(clip, *reader.whole())
        else:
            parts |= _pass_over_segments(segments, SegmentReader, settings, clock)[0]
    elif clip.request.prompts:
        whole |= _pass_over_clip(clip, *read_clip_and_outcome(clip.video, settings, stretch))
    made = settings.provenance(backbone)
    by_prompt_whole, by_prompt_parts = (
        {p: replace(found[p], provenance=made) for p in request.prompts if p in found}
        for found in (whole, parts)
    )
    return by_prompt_whole, by_prompt_parts


def estimated_count(
    video: Path | str, settings: ExtractionSettings, stretch: Stretch
) -> int | None:
    """How many segments there will be, by the header; None where it does not say."""
    extent = stated_extent(video)
    if extent is None:
        return None
    frames, length = extent.frame_count, extent.seconds
    if stretch != WHOLE:
        end = length if stretch.end_seconds is None else min(length, stretch.end_seconds)
        part = max(0.0, end - (stretch.start_seconds or 0.0))
        frames, length = max(1, round(frames * part / length)), part
    return settings.segment_count(frame_count=frames, seconds=length)


def _pass_over_clip(kept: KeptStates, segment: Segment, outcome: str) -> dict[str, VideoStates]:
    """One row over the whole clip for each prompt."""
    rows = Rows(kept.request)
    for piece, values in run_batches([segment], kept.request):
        rows.add(piece, values)
    return finished_states(kept, rows, unit="clip", outcome=outcome)


def _pass_over_segments(
    kept: KeptStates, reader_of: type[Reader], settings: ExtractionSettings, clock: Clock
) -> tuple[dict[str, VideoStates], Reader]:
    """One row for each segment and prompt, from where an interrupted run left off.

    Returns:
        The states by prompt, and the reader at its end.
    """
    work = ShardPass(kept, reader_of, settings, clock)
    rows, reader = work.rows()
    if not len(rows):
        raise VideoError(f"{reader.path} gave no segment; check the stretch and the file")
    found = finished_states(kept, rows, unit="segments", outcome=reader.outcome or "end")
    return found, reader


@dataclass
class ShardPass(Generic[Reader]):
    """The pass over some segments of a video, or all: what is kept of them is not read again.

    Attributes:
        before: start and end of the segments before the shard, once it is read.
    """

    kept: KeptStates
    reader_of: type[Reader]
    settings: ExtractionSettings
    clock: Clock
    shard: Shard = EVERY_SEGMENT
    before: list[Times] = field(default_factory=list)

    def rows(self) -> tuple[Rows, Reader]:
        """A row for each segment of the shard, and the reader where it was left.

        Raises:
            StatesError: the states of a shard cannot be kept, so that reading on is of no use.
        """
        pieces = self.kept.pieces(self.shard)
        try:
            return self._rows(pieces)
        except _StalePartsError:
            self.kept.remove_pieces(pieces)
            return self._rows([])

    def _rows(self, pieces: Sequence[KeptPiece]) -> tuple[Rows, Reader]:
        first, rows = self.shard.first, Rows(self.kept.request)
        every = self.settings.checkpoint_segments
        checkpoints = Checkpoints(rows, self.kept, every, first_segment=first)
        self.clock.skipped = 0
        reader = self.reader_of(self.kept.video, self.settings, self.kept.stretch)
        # The gate for still segments compares all pictures, also those of segments that are kept.
        known = _joined_ranges([range(first), *(piece.numbers for piece in pieces)])
        source: Iterable[Segment | SegmentTimes] = (
            StillGate().over(reader) if self.settings.skip_still else reader.read(times_only=known)
        )
        with in_background(source, depth=READ_AHEAD_SEGMENTS) as segments:
            self.before = [_times_of(segment) for segment in islice(segments, first)]
            try:
                for piece in pieces:
                    self._read(segments, rows, checkpoints, until=piece.numbers.start)
                    checkpoints.keep()
                    self._take(piece, segments, rows)
                    checkpoints.count = len(rows)
                self._read(segments, rows, checkpoints, until=self.shard.end)
                if self.shard != EVERY_SEGMENT:  # else the states are kept whole in a moment
                    checkpoints.keep()
            except KeyboardInterrupt:
                # Before the reader is stopped: that may take so long that a user insists.
                checkpoints.keep()
                raise
        return rows, reader

    def _read(
        self,
        segments: Iterator[Segment | SegmentTimes],
        rows: Rows,
        checkpoints: Checkpoints,
        *,
        until: int | None,
    ) -> None:
        """Have the segments up to a number read by the backbone; None is the end of the video."""
        wanted = None if until is None else until - self.shard.first - len(rows)
        shown = (s for s in islice(segments, wanted) if isinstance(s, Segment))
        for batch, values in run_batches(shown, rows.request):
            rows.add(batch, values)
            checkpoints.keep_when_due()
            if self.shard != EVERY_SEGMENT and not checkpoints.is_complete:
                raise StatesError(f"{self.kept.video}: the states of a part of it cannot be kept")
            self.clock.tell(len(rows), seconds_of_video=rows.seconds)

    def _take(
        self, piece: KeptPiece, segments: Iterator[Segment | SegmentTimes], rows: Rows
    ) -> None:
        """Take the rows of a piece in place of its segments, which have to be those."""
        given = [_times_of(segment) for segment in islice(segments, len(piece))]
        kept = list(zip(piece.start_seconds.tolist(), piece.end_seconds.tolist(), strict=True))
        if self.shard.first + len(rows) != piece.numbers.start or given != kept:
            raise _StalePartsError
        try:
            self.kept.restore(rows, piece)
        except StatesError as error:  # damaged, or gone meanwhile
            raise _StalePartsError from error
        self.clock.skipped += len(piece)


def finished_states(
    kept: KeptStates, rows: Rows, *, unit: StatesUnit, outcome: str
) -> dict[str, VideoStates]:
    """The states of a video by prompt, which are kept from now on.

    Raises:
        BackboneMemoryError: not a single segment fitted into memory.
        StatesError: a state is not finite.
    """
    if all(rows.failed):
        raise BackboneMemoryError(
            f"{kept.video}: the backbone ran out of memory on each of {len(rows)} segments, one "
            "at a time; free some memory, or choose a smaller backbone, precision or frame size"
        )
    if kept.is_growing():
        outcome = "truncated"
    found = {}
    for prompt in kept.request.prompts:
        states = rows.states(prompt)
        found[prompt] = (
            VideoStates(states=states, outcome=outcome)
            if unit == "segments"
            else VideoStates(states={}, clip=states, outcome=outcome)
        )
        kept.put(prompt, found[prompt])
    return found


class _StalePartsError(Exception):
    """Kept pieces do not fit the segments that the video gives now."""


def _joined_ranges(ranges: Iterable[range]) -> list[range]:
    """Ranges in order, as few as there can be: each frame is looked up in all of them."""
    found: list[range] = []
    for numbers in ranges:
        if found and numbers.start == found[-1].stop:
            numbers = range(found.pop().start, numbers.stop)
        found.append(numbers)
    return found


def _times_of(segment: Segment | SegmentTimes) -> Times:
    return segment.start_seconds, segment.end_seconds


# How long a blocked thread takes to notice that the other one has stopped.
_POLL_SECONDS = 0.1

# Longest wait for the reader; it is a daemon, so a stuck read cannot keep the process alive.
_JOIN_SECONDS = 30.0


@contextmanager
def in_background(source: Iterable[T], *, depth: int) -> Iterator[Iterator[T]]:
    """Iterate `source` in a second thread, at most `depth` items ahead.

    An error of the source is raised at its place in the order. Leaving the block, by an error
    or Ctrl-C too, stops the thread; a generator is closed in the thread that ran it.
    """
    reader = _Reader(source, depth)
    reader.thread.start()
    try:
        yield reader.items()
    finally:
        reader.stop()


class _Reader(Generic[T]):
    def __init__(self, source: Iterable[T], depth: int) -> None:
        self._source = source
        self._queue: queue.Queue[T] = queue.Queue(maxsize=depth)
        self._stopped = threading.Event()
        self._finished = threading.Event()
        self._error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="hiprobe-decode", daemon=True)

    def items(self) -> Iterator[T]:
        while True:
            # Order matters: what was put before `finished` was set is still in the queue.
            finished = self._finished.is_set()
            try:
                yield self._queue.get(
                    timeout=None if finished else _POLL_SECONDS, block=not finished
                )
            except queue.Empty:
                if finished:
                    break
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        self._stopped.set()
        self.thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        iterator = iter(self._source)
        try:
            for item in iterator:
                if not self._put(item):
                    break
        except BaseException as error:  # handed over to the thread that waits for the items
            self._error = error
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
            self._finished.set()

    def _put(self, item: T) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
                return True
            except queue.Full:
                continue
        return False
