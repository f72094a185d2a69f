"""States from a file in place of a video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hiprobe.datasets.clips import LabelledClip
from hiprobe.datasets.video_files import is_states_name
from hiprobe.errors import FingerprintError, StatesError, UsageError
from hiprobe.states import Fingerprint, LabelledStates, Reading, States, VideoStates
from hiprobe.store.states_file import read_states


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
