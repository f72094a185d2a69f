"""Everything that detection leaves behind for one video, in the formats asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hiprobe.cli.subject import Context, Subject
from hiprobe.path_text import path_text
from hiprobe.store.inside import inside

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
    from hiprobe.report.tables import write_csv, write_events_csv

    segments = inside(context.out, f"{subject.name}.csv")
    events = inside(context.out, f"{subject.name}.events.csv")
    write_csv(subject.timeline, segments, note=context.kind)
    write_events_csv(subject.timeline, events, note=context.kind)
    return [segments, events]


def _png(subject: Subject, context: Context) -> list[Path]:
    from hiprobe.report.plot import plot_timeline

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
    from hiprobe.report.page import PageVideo, write_page

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
