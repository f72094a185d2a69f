"""Everything that detection leaves behind for one video, in the formats asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiprobe.names import path_text
from hiprobe.store.text_files import inside

if TYPE_CHECKING:
    from hiprobe.evaluation.cuts import CutMeasures
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

    def cuts(self) -> CutMeasures | None:
        """What segments that straddle a cut do; None where the truth or its cuts are not known."""
        if self.truth_spans is None or not self.cuts_seconds:
            return None
        from hiprobe.evaluation.cuts import measure_cuts

        truth = self.truth_spans
        return measure_cuts(self.timeline, truth_spans=truth, cuts_seconds=self.cuts_seconds)


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


THUMBNAILS = 3
"""Pictures of one event in the report: its first, middle and last key frame."""


def write_results(subject: Subject, context: Context) -> list[Path]:
    """Write the formats asked for; the files, in the order of writing.

    Raises:
        StorageError: a file cannot be written.
        VideoError: the video cannot be read again for pictures.
    """
    writers = {"json": _json, "csv": _csv, "png": _png, "mp4": _mp4, "html": _html}
    return [path for kind in context.formats for path in writers[kind](subject, context)]


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


def _json(subject: Subject, context: Context) -> list[Path]:
    from hiprobe.report.documents import timeline_document, write_json

    path, cuts = inside(context.out, f"{subject.name}.json"), subject.cuts()
    document = timeline_document(
        subject.timeline,
        video=path_text(subject.video),
        probe=context.probe,
        truth_spans=subject.truth_spans,
        notes=context.notes,
        cuts=None if cuts is None else cuts.to_json(),
    )
    write_json(document, path)
    return [path]


def _csv(subject: Subject, context: Context) -> list[Path]:
    from hiprobe.report.documents import write_csv, write_events_csv

    segments = inside(context.out, f"{subject.name}.csv")
    events = inside(context.out, f"{subject.name}.events.csv")
    write_csv(subject.timeline, segments, note=context.kind)
    write_events_csv(subject.timeline, events, note=context.kind)
    return [segments, events]


def _png(subject: Subject, context: Context) -> list[Path]:
    from hiprobe.report.score_chart import plot_timeline

    path = inside(context.out, f"{subject.name}.png")
    plot_timeline(
        subject.timeline,
        path,
        truth_spans=subject.truth_spans,
        cuts_seconds=subject.cuts_seconds,
        title=subject.name,
        note=" ".join(context.notes) or None,
    )
    return [path]


def _mp4(subject: Subject, context: Context) -> list[Path]:
    if not subject.has_pictures:
        return []
    from hiprobe.report.overlay import annotate_video

    path = inside(context.out, f"{subject.name}.annotated.mp4")
    truth, note = subject.truth_spans, context.kind or None
    annotate_video(subject.video, subject.timeline, path, truth_spans=truth, note=note)
    return [path]


def _html(subject: Subject, context: Context) -> list[Path]:
    from hiprobe.report.html_page import PageVideo, write_page

    path, cuts = inside(context.out, f"{subject.name}.html"), subject.cuts()
    video = PageVideo(
        name=subject.name,
        timeline=subject.timeline,
        truth_spans=subject.truth_spans,
        thumbnails=_thumbnails(subject),
        facts=subject.facts,
        cuts_seconds=subject.cuts_seconds,
        cuts=() if cuts is None else cuts.sentences(),
    )
    write_page(
        path,
        title=f"HiProbe: {subject.name}",
        videos=[video],
        probe=context.probe,
        layers=context.layers,
        machine=machine_facts(),
        notes=context.notes,
    )
    return [path]


def _thumbnails(subject: Subject) -> dict[int, Sequence[Any]]:
    if not subject.has_pictures:
        return {}
    from hiprobe.video.clip import read_clip

    found: dict[int, Sequence[Any]] = {}
    for number, event in enumerate(subject.timeline.events):
        shown = read_clip(
            subject.video,
            key_frames=THUMBNAILS,
            start_seconds=event.start_seconds,
            end_seconds=event.end_seconds,
            max_side_pixels=480,
        )
        found[number] = shown.frames
    return found


def machine_facts() -> dict[str, Any]:
    """Where the numbers on speed come from."""
    import os
    import platform

    from hiprobe import __version__

    return {
        "HiProbe": __version__,
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
    }
