"""Everything that detection leaves behind for one video, in the formats asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiprobe.store.text_files import inside

if TYPE_CHECKING:
    from hiprobe.report.layer_chart import LayerCurves
    from hiprobe.report.words import Span
    from hiprobe.timeline import Timeline


@dataclass(frozen=True)
class Subject:
    """What is reported on.

    Attributes:
        video: the file that was scored; states have no pictures, so no MP4 and thumbnails.
        name: what results are named after.
        has_pictures: False for extracted states.
        truth_spans, cuts_seconds: what is known of a demonstration's video.
    """

    video: Path
    name: str
    timeline: Timeline
    has_pictures: bool
    truth_spans: Sequence[Span] | None = None
    cuts_seconds: Sequence[float] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """What all videos of a run have in common.

    Attributes:
        notes: sentences that every report shows first.
        kind: the same in two words, for tables and pictures ("rendered scenes").
    """

    out: Path
    formats: Sequence[str]
    probe: Mapping[str, Any]
    layers: LayerCurves | None = None
    notes: Sequence[str] = ()
    kind: str = ""


def write_results(subject: Subject, context: Context) -> list[Path]:
    """Write the formats asked for; the files, in the order of writing.

    Raises:
        StorageError: a file cannot be written.
        VideoError: the video cannot be read again for pictures.
    """
    from hiprobe.report.writers import ScoredVideo, write_result

    result = ScoredVideo(
        video=subject.video,
        timeline=subject.timeline,
        probe=context.probe,
        has_pictures=subject.has_pictures,
        truth_spans=subject.truth_spans,
        cuts_seconds=subject.cuts_seconds,
        facts=subject.facts,
        layers=context.layers,
        notes=context.notes,
        kind=context.kind,
    )
    return write_result(result, context.out, formats=context.formats, name=subject.name)


def save_event_clips(subject: Subject, context: Context) -> list[Path]:
    """Each event as a clip of its own, `NAME.event-01.mp4` and so on."""
    from hiprobe.video.write import save_clip

    paths = []
    for number, event in enumerate(subject.timeline.events, start=1):
        path = inside(context.out, f"{subject.name}.event-{number:02d}.mp4")
        save_clip(
            subject.video,
            start_seconds=event.start_seconds,
            end_seconds=event.end_seconds,
            path=path,
        )
        paths.append(path)
    return paths
