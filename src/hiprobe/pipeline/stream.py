"""One pass over one video: decoding in a second thread, the model, pieces kept on the way."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from hiprobe.errors import BackboneMemoryError, VideoError
from hiprobe.pipeline.checkpoints import Checkpoints, Kept, Rows, run_batches
from hiprobe.pipeline.reading import ExtractionSettings, Stretch
from hiprobe.progress import Clock
from hiprobe.segment import Segment
from hiprobe.states import VideoStates
from hiprobe.video.clip import read_clip_and_outcome
from hiprobe.video.segments import ClipAndSegments, SegmentReader, read_segments

T = TypeVar("T")

_POLL_SECONDS = 0.1
"""How long a blocked thread takes to notice that the other one has stopped."""

_JOIN_SECONDS = 30.0
"""Longest wait for the reader; it is a daemon, so a stuck read cannot keep the process alive."""


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


READ_AHEAD_SEGMENTS = 4
"""Segments decoded ahead of the model; with the batch, this bounds the memory."""

_Segments = SegmentReader | ClipAndSegments
Reader = TypeVar("Reader", SegmentReader, ClipAndSegments)


def pass_over_clip(
    kept: Kept, settings: ExtractionSettings, stretch: Stretch
) -> dict[str, VideoStates]:
    """One row over the whole clip for each prompt, kept when done.

    Raises:
        As `extract_clip`.
    """
    segment, outcome = read_clip_and_outcome(
        kept.video,
        key_frames=settings.key_frames,
        start_seconds=stretch.start_seconds,
        end_seconds=stretch.end_seconds,
        max_side_pixels=settings.max_side_pixels,
    )
    return _clip_states(kept, segment, outcome)


def pass_over_segments(
    kept: Kept, settings: ExtractionSettings, stretch: Stretch, clock: Clock
) -> dict[str, VideoStates]:
    """One row for each segment and prompt, from where an interrupted run left off.

    Raises:
        As `extract_video`.
    """
    found, _ = _over_segments(kept, read_segments, settings, stretch, clock)
    return found


def pass_over_both(
    clip: Kept, segments: Kept, settings: ExtractionSettings, stretch: Stretch, clock: Clock
) -> tuple[dict[str, VideoStates], dict[str, VideoStates]]:
    """`pass_over_clip` and `pass_over_segments` from one decoding; states of both, in this order.

    The clip's row comes last: where the run is interrupted before, the segments are kept.

    Raises:
        As they do.
    """
    found, reader = _over_segments(segments, ClipAndSegments, settings, stretch, clock)
    segment, outcome = reader.whole()
    return _clip_states(clip, segment, outcome), found


def _clip_states(kept: Kept, segment: Segment, outcome: str) -> dict[str, VideoStates]:
    rows = Rows(kept.request)
    for piece, values in run_batches([segment], kept.request):
        rows.add(piece, values)
    return _finished(kept, rows, unit="clip", outcome=outcome)


def _over_segments(
    kept: Kept,
    reader_of: Callable[..., Reader],
    settings: ExtractionSettings,
    stretch: Stretch,
    clock: Clock,
) -> tuple[dict[str, VideoStates], Reader]:
    """States of all segments, and the reader that gave them, at its end."""

    def run(rows: Rows) -> tuple[dict[str, VideoStates], Reader]:
        reader = _opened(reader_of, kept.video, settings, stretch)
        checkpoints = Checkpoints(rows, kept, settings.checkpoint_segments, len(rows))
        _run_over(reader, rows, checkpoints, clock)
        found = _finished(kept, rows, unit="segments", outcome=reader.outcome or "end")
        return found, reader

    try:
        return run(kept.restore())
    except _StalePartsError:
        kept.remove_parts()
        return run(Rows(kept.request))


def _opened(
    reader_of: Callable[..., Reader], video: Path, settings: ExtractionSettings, stretch: Stretch
) -> Reader:
    return reader_of(
        video,
        segment_frames=settings.segment_frames,
        segment_seconds=settings.segment_seconds,
        key_frames=settings.key_frames,
        start_seconds=stretch.start_seconds,
        end_seconds=stretch.end_seconds,
        max_side_pixels=settings.max_side_pixels,
    )


def _run_over(reader: _Segments, rows: Rows, checkpoints: Checkpoints, clock: Clock) -> None:
    clock.skipped = len(rows)
    with in_background(reader, depth=READ_AHEAD_SEGMENTS) as segments:
        try:
            for piece, values in run_batches(_without_done(segments, rows), rows.request):
                rows.add(piece, values)
                checkpoints.keep_when_due()
                clock.tell(len(rows), seconds_of_video=rows.seconds)
        except KeyboardInterrupt:
            checkpoints.keep()
            raise
    if not len(rows):
        raise VideoError(f"{reader.path} gave no segment; check the stretch and the file")


def _finished(kept: Kept, rows: Rows, *, unit: str, outcome: str) -> dict[str, VideoStates]:
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
