"""Labels as a document that another review takes in: by content and time, not by its own ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hiprobe.documents.checked import check_schema
from hiprobe.documents.schemas import LabelsDocument
from hiprobe.errors import HiProbeError, UsageError
from hiprobe.names import text_path
from hiprobe.review.library import Library
from hiprobe.review.values import KeptEvent, Label

LABELS_FORMAT = "hiprobe-labels"
LABELS_VERSION = 1
_KEPT = ("id", "start_seconds", "end_seconds", "kind", "class_name", "note", "reviewer")


def labels_document(library: Library) -> dict[str, Any]:
    """All labels that stand, and the videos and events that they belong to, as JSON values."""
    contents = library.store.contents()
    return {
        "format": LABELS_FORMAT,
        "version": LABELS_VERSION,
        "labels": [_plain(label, contents) for label in library.labels()],
        "videos": [
            {
                "video": video.path,
                "sha256": contents[video.id][1],
                "duration_seconds": video.duration_seconds,
                "threshold": video.threshold,
                "events": [_event(event) for event in library.store.events(video.id)],
            }
            for video in library.videos()
        ],
    }


def import_labels(library: Library, document: Mapping[str, Any], reviewer: str) -> int:
    """Take in the labels of a document, all or none.

    A video is recognised by its content, or else by its path. Labels of a video that is not among
    the results are kept until it is. A label belongs to the event that it overlaps most.

    Args:
        reviewer: who imports them, for the record; labels keep the names that they carry.

    Returns:
        How many labels were new.

    Raises:
        UsageError: it is no such document, or a label in it is not sound.
    """
    labels = _checked(document)
    found = [(str(label["video"]), label.get("sha256")) for label in labels]
    # The paths of another machine must not replace those of the results that are open here.
    ids = library.store.add_videos(found, keep_paths=True)
    # Ids of events are this review's own, so labels find their events by time.
    events = {video_id: library.store.events(video_id) for video_id in set(ids)}
    made = [
        _label(values, video_id, events[video_id])
        for values, video_id in zip(labels, ids, strict=True)
    ]
    count = library.store.put_labels(made)
    library.store.audit(reviewer, "imported labels", str(count))
    return count


def _checked(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    if document.get("format") != LABELS_FORMAT:
        raise UsageError(
            "this is not an export of labels; give one that `hiprobe labels export` wrote"
        )
    if document.get("version") != LABELS_VERSION:
        raise UsageError(
            f"the labels have version {document.get('version')!r}, this HiProbe reads "
            f"{LABELS_VERSION}: use the HiProbe that wrote them"
        )
    try:
        check_schema(document, LabelsDocument)
    except (ValueError, HiProbeError) as error:
        raise UsageError(f"the labels are damaged: {error}; export them again") from error
    labels: Sequence[Mapping[str, Any]] = document["labels"]
    return labels


def _plain(label: Label, contents: Mapping[str, tuple[str, str | None]]) -> dict[str, Any]:
    path, content = contents[label.video_id]
    values = {name: getattr(label, name) for name in (*_KEPT, "made_at_utc")}
    return {"video": path, "sha256": content, **values}


def _event(event: KeptEvent) -> dict[str, Any]:
    names = ("id", "start_seconds", "end_seconds", "peak_seconds", "score", "explanation")
    label = None if event.label is None else event.label.id
    return {**{name: getattr(event, name) for name in names}, "label": label}


def _label(values: Mapping[str, Any], video_id: str, events: Sequence[KeptEvent]) -> Label:
    start, end = float(values["start_seconds"]), float(values["end_seconds"])
    return Label(
        **{name: values[name] for name in (*_KEPT, "made_at_utc")},
        video_id=video_id,
        event_id=_event_at(start, end, events),
    )


def _event_at(start: float, end: float, events: Sequence[KeptEvent]) -> str | None:
    """The event that overlaps a stretch most, if by more than half of the shorter of the two."""
    best, most = None, 0.0
    for event in events:
        shared = min(end, event.end_seconds) - max(start, event.start_seconds)
        shorter = min(end - start, event.end_seconds - event.start_seconds)
        if shared > max(most, shorter / 2):
            best, most = event.id, shared
    return best


def label_rows(library: Library) -> list[list[Any]]:
    """One row for each event, then one for each label on a stretch that is not an event."""
    paths = {video_id: path for video_id, (path, _) in library.store.contents().items()}
    rows = [
        [
            text_path(paths[e.video_id]),
            e.id,
            e.start_seconds,
            e.end_seconds,
            e.score,
            *_said(e.label),
        ]
        for e in library.events(sort="time").events
    ]
    shown = {e.id for e in library.events().events}
    rows += [
        [
            text_path(paths[one.video_id]),
            None,
            one.start_seconds,
            one.end_seconds,
            None,
            *_said(one),
        ]
        for one in library.labels()
        if one.event_id not in shown
    ]
    return rows


LABEL_COLUMNS = (
    *("video", "event", "start_seconds", "end_seconds", "score", "label", "class_name", "note"),
    *("reviewer", "made_at_utc"),
)


def _said(label: Label | None) -> list[str | None]:
    if label is None:
        return [None] * 5
    return [label.kind, label.class_name, label.note, label.reviewer, label.made_at_utc]
