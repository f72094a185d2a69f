"""One pass over one video: decoding in a second thread, the model, pieces kept on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from hiprobe.errors import BackboneMemoryError, VideoError
from hiprobe.pipeline.background import in_background
from hiprobe.pipeline.batches import run_batches
from hiprobe.pipeline.keeping import Checkpoints, Kept
from hiprobe.pipeline.progress import Clock
from hiprobe.pipeline.rows import Rows
from hiprobe.pipeline.settings import ExtractionSettings, Stretch
from hiprobe.segment import Segment
from hiprobe.states import VideoStates
from hiprobe.video.clip import read_clip_and_outcome
from hiprobe.video.segments import SegmentReader, read_segments

READ_AHEAD_SEGMENTS = 4
"""Segments decoded ahead of the model; with the batch, this bounds the memory."""


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
    rows = Rows(kept.request)
    for piece, values in run_batches([segment], kept.request):
        rows.add(piece, values)
    return _finished(kept, rows, unit="clip", outcome=outcome)


def pass_over_segments(
    kept: Kept, settings: ExtractionSettings, stretch: Stretch, clock: Clock
) -> dict[str, VideoStates]:
    """One row for each segment and prompt, from where an interrupted run left off.

    Raises:
        As `extract_video`.
    """

    def run(rows: Rows) -> dict[str, VideoStates]:
        reader = _open(kept.video, settings, stretch)
        checkpoints = Checkpoints(rows, kept, settings.checkpoint_segments, len(rows))
        _run(reader, rows, checkpoints, clock)
        return _finished(kept, rows, unit="segments", outcome=reader.outcome or "end")

    try:
        return run(kept.restore())
    except _StalePartsError:
        kept.remove_parts()
        return run(Rows(kept.request))


def _open(video: Path, settings: ExtractionSettings, stretch: Stretch) -> SegmentReader:
    return read_segments(
        video,
        segment_frames=settings.segment_frames,
        segment_seconds=settings.segment_seconds,
        key_frames=settings.key_frames,
        start_seconds=stretch.start_seconds,
        end_seconds=stretch.end_seconds,
        max_side_pixels=settings.max_side_pixels,
    )


def _run(reader: SegmentReader, rows: Rows, checkpoints: Checkpoints, clock: Clock) -> None:
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
