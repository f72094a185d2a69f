"""The one loop: video in, hidden states out, decoding and the model side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hiprobe.backbones.interface import Backbone
from hiprobe.datasets.clips import STATES_SUFFIX
from hiprobe.errors import BackboneMemoryError, VideoError
from hiprobe.pipeline.background import in_background
from hiprobe.pipeline.batches import Request, run_batches
from hiprobe.pipeline.extracted import load_extracted
from hiprobe.pipeline.keeping import Checkpoints, Kept
from hiprobe.pipeline.progress import Clock, Progress
from hiprobe.pipeline.rows import Rows
from hiprobe.pipeline.settings import DEFAULTS, WHOLE, ExtractionSettings, Stretch
from hiprobe.segment import Segment
from hiprobe.states import VideoStates
from hiprobe.store.cache import StatesCache
from hiprobe.video.clip import read_clip_and_outcome
from hiprobe.video.probe import video_info
from hiprobe.video.segments import SegmentReader, read_segments

READ_AHEAD_SEGMENTS = 4
"""Segments decoded ahead of the model; with the batch, this bounds the memory."""


def extract_video(
    video: Path | str,
    *,
    backbone: Backbone,
    settings: ExtractionSettings = DEFAULTS,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> VideoStates:
    """States of all segments of a video, as a stream: memory holds a few segments' frames.

    With a cache, finished videos are looked up and an interrupted run goes on from its last
    checkpoint (the frames before are decoded again, the model does not run on them).

    Args:
        video: a video, or states extracted from one (then no backbone runs).

    Raises:
        VideoError: the file cannot be read.
        BackboneMemoryError: not a single segment fits into memory.
        StatesError: a layer does not exist, or a state is not finite.
    """
    settings.layers_of(backbone.layer_count)
    if Path(video).suffix == STATES_SUFFIX:
        return load_extracted(video, layers=settings.layers, fingerprint=backbone.fingerprint)
    own = backbone.fingerprint.prompt
    return extract_prompts(
        video,
        backbone=backbone,
        prompts=(own,),
        settings=settings,
        stretch=stretch,
        cache=cache,
        progress=progress,
    )[own]


def extract_prompts(
    video: Path | str,
    *,
    backbone: Backbone,
    prompts: Sequence[str],
    settings: ExtractionSettings = DEFAULTS,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> dict[str, VideoStates]:
    """States of all segments for each of several prompts; the video is decoded once.

    Raises:
        UsageError: the backbone reads no prompt but its own.
        Else as `extract_video`.
    """
    request = Request.of(backbone, settings, prompts)
    kept = Kept.of(
        video, "segments", stretch=stretch, settings=settings, request=request, cache=cache
    )
    found = kept.finished()
    left = kept.without(found)
    if left.request.prompts:
        total = _estimate_segments(video, settings, stretch) if progress else None
        clock = Clock(progress, total, name=Path(video).name)
        found |= _extract(left, settings, stretch, clock)
    return {prompt: found[prompt] for prompt in request.prompts}


def extract_clip(
    video: Path | str,
    *,
    backbone: Backbone,
    settings: ExtractionSettings = DEFAULTS,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
) -> VideoStates:
    """States of a whole clip, one row, from K key frames spread over it; in `.clip`.

    Raises:
        As `extract_video`.
    """
    settings.layers_of(backbone.layer_count)
    if Path(video).suffix == STATES_SUFFIX:
        return load_extracted(video, layers=settings.layers, fingerprint=backbone.fingerprint)
    own = backbone.fingerprint.prompt
    return extract_clip_prompts(
        video, backbone=backbone, prompts=(own,), settings=settings, stretch=stretch, cache=cache
    )[own]


def extract_clip_prompts(
    video: Path | str,
    *,
    backbone: Backbone,
    prompts: Sequence[str],
    settings: ExtractionSettings = DEFAULTS,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
) -> dict[str, VideoStates]:
    """States of a whole clip for each of several prompts; the clip is decoded once.

    Raises:
        As `extract_prompts`.
    """
    request = Request.of(backbone, settings, prompts)
    kept = Kept.of(video, "clip", stretch=stretch, settings=settings, request=request, cache=cache)
    found = kept.finished()
    left = kept.without(found)
    if left.request.prompts:
        found |= _extract_clip(left, settings, stretch)
    return {prompt: found[prompt] for prompt in request.prompts}


def _extract_clip(
    kept: Kept, settings: ExtractionSettings, stretch: Stretch
) -> dict[str, VideoStates]:
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


def _extract(
    kept: Kept, settings: ExtractionSettings, stretch: Stretch, clock: Clock
) -> dict[str, VideoStates]:
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


def _estimate_segments(
    video: Path | str, settings: ExtractionSettings, stretch: Stretch
) -> int | None:
    info = video_info(video)
    length, fps = info.duration_seconds_from_header, info.fps_from_header
    if length is None or fps is None:
        return None
    end = length if stretch.end_seconds is None else min(length, stretch.end_seconds)
    seconds = settings.segment_seconds or settings.segment_frames / fps
    return max(1, -int(-(end - (stretch.start_seconds or 0.0)) // seconds))
