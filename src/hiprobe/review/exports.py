"""What a review found, as files for other tools."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe.errors import UsageError
from hiprobe.names import path_text, utf8_text
from hiprobe.review.label_file import labels_document, take_labels
from hiprobe.review.library import Library
from hiprobe.review.values import KeptEvent, Label
from hiprobe.store.atomic import atomic_path
from hiprobe.store.text_files import json_text, write_table, write_text

COLUMNS = (
    *("video", "start_seconds", "end_seconds", "peak_seconds", "score"),
    *("label", "class_name", "note", "reviewer", "made_at_utc", "explanation"),
)


@dataclass(frozen=True)
class ExportFormat:
    """A format, and what writes it."""

    name: str
    extension: str
    about: str
    write: Callable[[Library, Path], None]


@dataclass(frozen=True)
class ExportedStretch:
    """Something that was found, or labelled by hand; `event` is None for the latter."""

    video_id: str
    start_seconds: float
    end_seconds: float
    event: KeptEvent | None
    label: Label | None


class Exports:
    """The formats of one review; labels come back in through `import_labels`."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def formats(self) -> tuple[ExportFormat, ...]:
        """All formats."""
        return FORMATS

    def write(self, name: str, out: Path) -> None:
        """Write everything in a format.

        Raises:
            UsageError: there is no such format, or nothing that it could hold.
            VideoError: a video cannot be read.
            StorageError: the file cannot be written.
        """
        known = {one.name: one for one in FORMATS}
        if name not in known:
            raise UsageError(f"export {name!r}: choose one of {', '.join(known)}")
        known[name].write(self._library, out)

    def import_labels(self, document: Mapping[str, Any], reviewer: str) -> int:
        """Take in labels that `json` wrote; see `take_labels`."""
        return take_labels(self._library, document, reviewer)


def stretches(library: Library) -> Iterator[ExportedStretch]:
    """Events with their last label, and what was labelled by hand, video by video."""
    labels = library.labels()
    for video in library.videos():
        found = [
            ExportedStretch(video.id, e.start_seconds, e.end_seconds, e, e.label)
            for e in library.store.events(video.id)
        ]
        shown = {one.label.id for one in found if one.label is not None}
        present = {one.event.id for one in found if one.event is not None}
        for label in labels:
            # A label of an event that is there is old where it is not the event's last one.
            is_old = label.event_id in present and label.id not in shown
            if label.video_id == video.id and label.id not in shown and not is_old:
                stretch = (label.start_seconds, label.end_seconds)
                found.append(ExportedStretch(video.id, *stretch, None, label))
        yield from sorted(found, key=lambda one: (one.start_seconds, one.end_seconds))


def label_name(label: Label | None) -> str:
    """What a stretch is called: its class or kind; empty without a label."""
    return "" if label is None else label.class_name or label.kind


def _write_csv(library: Library, out: Path) -> None:
    names = {video.id: path_text(video.path) for video in library.videos()}
    rows = []
    for one in stretches(library):
        event, label = one.event, one.label
        rows.append(
            [
                *(names[one.video_id], one.start_seconds, one.end_seconds),
                *((event.peak_seconds, event.score) if event else ("", "")),
                *((label.kind, label.class_name or "", label.note) if label else ("", "", "")),
                *((label.reviewer, label.made_at_utc) if label else ("", "")),
                (event.explanation or "") if event else "",
            ]
        )
    write_table(out, COLUMNS, rows)


def _write_json(library: Library, out: Path) -> None:
    write_text(out, json_text(labels_document(library), indent=1) + "\n")


def _write_activitynet(library: Library, out: Path) -> None:
    """ActivityNet 1.3: `database` by the video's name, `segment` in seconds."""
    keys = _distinct_names(library)
    database: dict[str, Any] = {
        keys[video.id]: {
            "duration": video.duration_seconds,
            "subset": "validation",
            "url": utf8_text(video.name),
            "annotations": [],
        }
        for video in library.videos()
    }
    classes: dict[str, None] = {}
    for one in stretches(library):
        if one.label is not None and one.label.kind in ("anomaly", "class"):
            name = label_name(one.label)
            classes[name] = None
            segment = [one.start_seconds, one.end_seconds]
            database[keys[one.video_id]]["annotations"].append({"segment": segment, "label": name})
    taxonomy: list[dict[str, Any]] = [
        {"nodeId": 0, "nodeName": "Root", "parentId": None, "parentName": None}
    ]
    taxonomy += [
        {"nodeId": number, "nodeName": name, "parentId": 0, "parentName": "Root"}
        for number, name in enumerate(classes, start=1)
    ]
    document = {"version": "VERSION 1.3", "taxonomy": taxonomy, "database": database}
    write_text(out, json_text(document, indent=1) + "\n")


def _write_clips(library: Library, out: Path) -> None:
    """A ZIP of MP4 files in a folder for each label, as `hiprobe fit` takes them."""
    from hiprobe.video.write import save_clip  # PyAV, which no other format needs

    keys = _distinct_names(library)
    labelled = [one for one in stretches(library) if one.label is not None]
    if not labelled:
        raise UsageError("no event has a label, so there are no clips; label some first")
    with (
        atomic_path(out) as temporary,
        tempfile.TemporaryDirectory(dir=temporary.parent) as folder,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        for number, one in enumerate(labelled, start=1):
            clip = Path(folder) / "clip.mp4"
            save_clip(
                library.video_path(one.video_id),
                start_seconds=one.start_seconds,
                end_seconds=one.end_seconds,
                path=clip,
            )
            kind = _file_name(label_name(one.label))
            archive.write(clip, f"{kind}/{number:05d}-{_file_name(keys[one.video_id])}.mp4")


def _distinct_names(library: Library) -> dict[str, str]:
    """A name for each video, without its ending; ids part those of the same name."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for video in library.videos():
        name = utf8_text(Path(video.name).stem)
        names[video.id] = name if name not in taken else f"{name}-{video.id}"
        taken.add(names[video.id])
    return names


def _file_name(text: str) -> str:
    """A text without what parts folders, so that an archive holds no path to elsewhere."""
    kept = "".join(c if c.isalnum() or c in " ._-" else "_" for c in text).strip(" .")
    return kept[:80] or "unnamed"


FORMATS = (
    ExportFormat(
        "json",
        ".json",
        "All labels, with who gave them and when; can be taken in again.",
        _write_json,
    ),
    ExportFormat("csv", ".csv", "A table of all events and labels.", _write_csv),
    ExportFormat(
        "activitynet",
        ".json",
        "Anomalies and classes as temporal annotations in the layout of ActivityNet 1.3.",
        _write_activitynet,
    ),
    ExportFormat(
        "clips",
        ".zip",
        "Every labelled stretch as an MP4, in a folder for each label.",
        _write_clips,
    ),
)
