"""States of one video: of its segments or of the whole of it, for one prompt or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from hiprobe.backbones.interface import Backbone
from hiprobe.datasets.clips import LabelledClip
from hiprobe.datasets.video_files import is_states_name
from hiprobe.errors import FingerprintError, StatesError, UsageError
from hiprobe.fingerprint import Fingerprint
from hiprobe.pipeline.checkpoints import Kept, Request
from hiprobe.pipeline.reading import DEFAULTS, WHOLE, ExtractionSettings, Stretch
from hiprobe.pipeline.stream import pass_over_both, pass_over_clip, pass_over_segments
from hiprobe.progress import Clock, Progress
from hiprobe.provenance import Provenance
from hiprobe.spec import DEFAULT_BACKBONE, BackboneSpec
from hiprobe.states import LabelledStates, Reading, States, VideoStates, layer_numbers
from hiprobe.store.states_cache import StatesCache
from hiprobe.store.states_file import read_states
from hiprobe.video.video_info import video_info

Unit = Literal["clip", "segments"]
"""What a row of states stands for."""


def extract_units(
    video: Path | str,
    *,
    backbone: Backbone,
    prompts: Sequence[str],
    want: Sequence[Unit] = ("clip", "segments"),
    settings: ExtractionSettings = DEFAULTS,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, VideoStates], dict[str, VideoStates]]:
    """States by prompt of the whole clip and of its segments, as far as wanted.

    One decoding gives both, the same as each alone would be.

    Raises:
        As `extract_prompts`.
    """
    request = Request.of(backbone, settings, prompts)

    def kept_of(unit: Unit) -> Kept:
        asked = request if unit in want else replace(request, prompts=())
        return Kept.of(video, unit, stretch=stretch, settings=settings, request=asked, cache=cache)

    clip, segments = kept_of("clip"), kept_of("segments")
    whole, parts = clip.finished(), segments.finished()
    clip, segments = clip.without(whole), segments.without(parts)
    clock = _clock(video, settings, stretch, progress) if segments.request.prompts else None
    if clock and clip.request.prompts:
        more, others = pass_over_both(clip, segments, settings, stretch, clock)
        whole, parts = whole | more, parts | others
    elif clock:
        parts |= pass_over_segments(segments, settings, stretch, clock)
    elif clip.request.prompts:
        whole |= pass_over_clip(clip, settings, stretch)
    made = settings.provenance(backbone)
    return _in_order(whole, request.prompts, made), _in_order(parts, request.prompts, made)


def _in_order(
    found: dict[str, VideoStates], prompts: Sequence[str], made: Provenance
) -> dict[str, VideoStates]:
    return {p: replace(found[p], provenance=made) for p in prompts if p in found}


def _clock(
    video: Path | str, settings: ExtractionSettings, stretch: Stretch, progress: Progress | None
) -> Clock:
    total = _estimate_segments(video, settings, stretch) if progress else None
    return Clock(progress, total, name=Path(video).name)


def _estimate_segments(
    video: Path | str, settings: ExtractionSettings, stretch: Stretch
) -> int | None:
    info = video_info(video)
    if info.frame_count_from_header and stretch == WHOLE and settings.segment_seconds is None:
        return -(-info.frame_count_from_header // settings.segment_frames)
    length, fps = info.duration_seconds_from_header, info.fps_from_header
    if length is None or fps is None:
        return None
    end = length if stretch.end_seconds is None else min(length, stretch.end_seconds)
    seconds = settings.segment_seconds or settings.segment_frames / fps
    return max(1, -int(-(end - (stretch.start_seconds or 0.0)) // seconds))


def is_extracted(path: Path | str) -> bool:
    """True for a file of extracted states, which stands in for a video."""
    return is_states_name(path)


def refuse_videos(clips: Sequence[LabelledClip], backbone: object | None) -> None:
    """Refuse videos where no backbone can read them.

    Raises:
        UsageError: there is one.
    """
    videos = [c.name for c in clips if not is_extracted(c.video)]
    if backbone is None and videos:
        raise UsageError(f"{videos[0]} is a video; reading it needs a backbone")


def load_extracted(
    path: Path | str, *, layers: Sequence[int] | None, fingerprint: Fingerprint | None
) -> VideoStates:
    """States of a file restricted to what is asked for.

    Args:
        path: file that `write_states` made.
        layers: layer numbers; None for all in the file but the embedding output.
        fingerprint: the backbone that must have made them; None accepts any.

    Raises:
        StatesError: damaged, or a layer is absent.
        FingerprintError: another backbone made them.
    """
    states = read_states(path)
    if fingerprint is not None:
        _refuse_others(states, fingerprint, path)
    return VideoStates(
        states={r: _restrict(s, layers) for r, s in states.states.items()},
        clip={r: _restrict(s, layers) for r, s in states.clip.items()},
        outcome=states.outcome,
        provenance=states.provenance,
    )


def examples_of_file(
    clip: LabelledClip,
    *,
    layers: Sequence[int] | None,
    readings: Sequence[Reading],
    prompts: Sequence[str] | None,
    want: Sequence[str],
    fingerprint: Fingerprint | None,
) -> list[LabelledStates]:
    """A labelled clip from a file of states, once for each reading.

    Raises:
        StatesError: the file lacks a reading, or holds no row of the clip's stretch.
        FingerprintError: another backbone made it.
        UsageError: several prompts, of which a file has one.
    """
    if prompts is not None and len(prompts) > 1:
        raise UsageError(
            f"{clip.video} holds states of one prompt; compare prompts on the videos themselves"
        )
    found = load_extracted(clip.video, layers=layers, fingerprint=fingerprint)
    return [_example(clip, found, reading, want) for reading in readings]


def _example(
    clip: LabelledClip, found: VideoStates, reading: Reading, want: Sequence[str]
) -> LabelledStates:
    is_whole = clip.start_seconds is None and clip.end_seconds is None
    # The vector of a whole video is not that of a stretch of it.
    whole = found.clip.get(reading) if is_whole and "clip" in want else None
    segments = found.states.get(reading) if "segments" in want else None
    if segments is not None:
        segments = _within(segments, clip)
    if whole is None and segments is None:
        raise StatesError(
            f"{clip.video} holds no states of {clip.name} read at {reading} by "
            f"{' or '.join(want)}; extract it again"
        )
    return LabelledStates(
        clip.name, clip.label, clip.source, whole, segments, clip.class_name, found.provenance
    )


def _within(states: States, clip: LabelledClip) -> States | None:
    """The segments that begin within the clip's stretch; None where there are none."""
    begin, end = clip.start_seconds, clip.end_seconds
    rows = states.start_seconds >= (begin or 0.0)
    if end is not None:
        rows &= states.start_seconds < end
    return states.select_rows(rows) if rows.any() else None


def _restrict(states: States, layers: Sequence[int] | None) -> States:
    return states.select_layers([n for n in states.layers if n > 0] if layers is None else layers)


def _refuse_others(states: VideoStates, fingerprint: Fingerprint, path: Path | str) -> None:
    for made in (s.fingerprint for s in [*states.states.values(), *states.clip.values()]):
        if made.digest != fingerprint.digest:
            raise FingerprintError(
                f"{path} was extracted with backbone {made.model} ({made.digest}), this one is "
                f"{fingerprint.model} ({fingerprint.digest}): {fingerprint.difference(made)}; "
                "extract it again"
            )


def states_of(
    video: Path | str,
    layers: int | Sequence[int] | None = None,
    *,
    backbone: Backbone | BackboneSpec | Path | str = DEFAULT_BACKBONE,
    reading: Reading = "last",
    settings: ExtractionSettings = DEFAULTS,
    stretch: Stretch = WHOLE,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> States:
    """Hidden states of a video, one row per segment.

    Args:
        video: a video, or states extracted from one; those need no backbone.
        layers: one layer or several, 0 for the embedding output; None for 1..L.
        backbone: an open backbone; or how to open one, which is then loaded no deeper than to
            the highest of the layers. Open it yourself where you read several videos.
        reading: position at which the layers are read.
        settings: how the video is cut into segments; its layers and readings are not used.
        stretch: the part of the video to read.
        cache: keeps the states, and gives those of an earlier run.
        progress: takes a `ProgressEvent` after each few segments.

    Raises:
        BackboneError, DownloadError: the backbone cannot be opened.
        Else as `extract_video`.
    """
    wanted = [layers] if isinstance(layers, int) else layers
    if is_extracted(video):
        made_by = backbone.fingerprint if isinstance(backbone, Backbone) else None
        found = load_extracted(video, layers=wanted, fingerprint=made_by)
        if reading not in found.states:
            raise StatesError(
                f"{video} holds no segments read at {reading}, only {sorted(found.states)}; "
                "extract it again with that reading"
            )
        return found.states[reading]
    if isinstance(backbone, Path):
        backbone = BackboneSpec.of_folder(backbone)
    elif isinstance(backbone, str):
        backbone = BackboneSpec(backbone)
    if isinstance(backbone, BackboneSpec):
        deepest = None if wanted is None else max(layer_numbers(wanted), default=None)
        backbone = BackboneSpec(cut_at_layer=deepest).over(backbone).open()
    return extract_video(
        video,
        backbone=backbone,
        settings=replace(settings, layers=wanted, readings=(reading,)),
        stretch=stretch,
        cache=cache,
        progress=progress,
    ).states[reading]


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
    if is_extracted(video):
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
    _, segments = extract_units(
        video,
        backbone=backbone,
        prompts=prompts,
        want=("segments",),
        settings=settings,
        stretch=stretch,
        cache=cache,
        progress=progress,
    )
    return segments


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
    if is_extracted(video):
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
    whole, _ = extract_units(
        video,
        backbone=backbone,
        prompts=prompts,
        want=("clip",),
        settings=settings,
        stretch=stretch,
        cache=cache,
    )
    return whole
