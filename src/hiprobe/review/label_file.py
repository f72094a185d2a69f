"""Labels as a JSON document, to be kept elsewhere and taken into another review."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct, convert

from hiprobe.documents.checked import DocumentError, check_schema
from hiprobe.errors import UsageError
from hiprobe.names import shown, text_path, utf8_text
from hiprobe.review.library import Library
from hiprobe.review.values import KeptEvent, Label, LabelKind

FORMAT = "hiprobe-labels"
VERSION = 1
MOST_LABELS = 1_000_000
_SHOWN_NAMES = 5

_Id = Annotated[str, Meta(pattern="^[a-z0-9]{8,32}$")]
_Seconds = Annotated[float, Meta(ge=0, le=1e9)]
_Word = Annotated[str, Meta(max_length=200)]


class LabelFields(Struct):
    """A `Label` in a file."""

    id: _Id
    event_id: _Id | None
    video_id: _Id
    start_seconds: _Seconds
    end_seconds: _Seconds
    kind: LabelKind
    class_name: Annotated[str, Meta(min_length=1, max_length=100)] | None
    note: Annotated[str, Meta(max_length=4000)]
    reviewer: _Word
    made_at_utc: _Word


class VideoFields(Struct):
    """A video of a file of labels; `sha256` where its content is known."""

    id: _Id
    name: Annotated[str, Meta(max_length=1000)]
    sha256: Annotated[str, Meta(max_length=64)] | None = None


class LabelsDocument(Struct):
    """A file of labels."""

    format: str
    version: int
    videos: Annotated[list[VideoFields], Meta(max_length=MOST_LABELS)]
    labels: Annotated[list[LabelFields], Meta(max_length=MOST_LABELS)]


def labels_document(library: Library) -> dict[str, Any]:
    """All labels that stand, with the videos that they are of."""
    contents = library.store.contents()
    labels = library.labels()
    of_labels = {label.video_id for label in labels}
    return {
        "format": FORMAT,
        "version": VERSION,
        "videos": [
            {"id": video_id, "name": utf8_text(text_path(path).name), "sha256": content}
            for video_id, (path, content) in contents.items()
            if video_id in of_labels
        ],
        "labels": [
            {name: getattr(label, name) for name in LabelFields.__struct_fields__}
            for label in labels
        ],
    }


def take_labels(library: Library, document: Mapping[str, Any], reviewer: str) -> int:
    """Take in the labels of a document, all or none; one that is known already counts once.

    A label is of the video with the same content, or else the same name; who gave it and when
    stay as they are. It belongs to the event here that it overlaps most.

    Returns:
        How many were new.

    Raises:
        UsageError: this is no such document, or a video is not among the results.
        StorageError: it could not be written; nothing was changed.
    """
    found = _checked(document)
    here = _videos_here(library, found.videos, of={label.video_id for label in found.labels})
    events = {video_id: library.store.events(video_id) for video_id in set(here.values())}
    labels = []
    for given in found.labels:
        video_id = here[given.video_id]
        labels.append(
            Label(
                id=given.id,
                event_id=_event_of(given, events[video_id]),
                video_id=video_id,
                start_seconds=given.start_seconds,
                end_seconds=given.end_seconds,
                kind=given.kind,
                class_name=None if given.class_name is None else utf8_text(given.class_name),
                note=utf8_text(given.note),
                reviewer=utf8_text(given.reviewer),
                made_at_utc=given.made_at_utc,
            )
        )
    count = library.store.put_labels(labels)
    library.store.audit(reviewer, "labels taken in", str(count))
    return count


def _checked(document: Mapping[str, Any]) -> LabelsDocument:
    remedy = "give a file that the export `json` of a review wrote"
    if document.get("format") != FORMAT or document.get("version") != VERSION:
        raise UsageError(f"this is no file of labels of version {VERSION}; {remedy}")
    try:
        check_schema(document, LabelsDocument)
        found = convert(document, LabelsDocument)
        for label in found.labels:
            datetime.fromisoformat(label.made_at_utc)
    except (DocumentError, ValueError) as error:
        raise UsageError(f"this file of labels is damaged: {error}; {remedy}") from error
    return found


def _videos_here(library: Library, given: Sequence[VideoFields], *, of: set[str]) -> dict[str, str]:
    """The id here of each video that has labels, by its id in the document."""
    contents = library.store.contents()
    own = library.videos()
    by_content = {contents[video.id][1]: video.id for video in own}
    names = Counter(video.name for video in own)
    by_name = {utf8_text(video.name): video.id for video in own if names[video.name] == 1}
    here: dict[str, str] = {}
    for video in given:
        found = by_content.get(video.sha256) if video.sha256 else None
        found = found or by_name.get(video.name)
        if found is not None:
            here[video.id] = found
    told = {video.id: video.name for video in given}
    absent = sorted(told.get(video_id, video_id) for video_id in of - here.keys())
    if absent:
        more = f" and {len(absent) - _SHOWN_NAMES} more" if len(absent) > _SHOWN_NAMES else ""
        raise UsageError(
            f"no label was taken in: {shown(', '.join(absent[:_SHOWN_NAMES]))}{more} are not among "
            "these results, or share a name with another video; open the results of them too"
        )
    return here


def _event_of(given: LabelFields, events: Sequence[KeptEvent]) -> str | None:
    """The event that a label is of here; a stretch that was chosen by hand stays one."""
    if given.event_id is None:
        return None
    if any(event.id == given.event_id for event in events):
        return given.event_id

    def overlap(event: KeptEvent) -> float:
        start = max(event.start_seconds, given.start_seconds)
        return min(event.end_seconds, given.end_seconds) - start

    best = max(events, key=overlap, default=None)
    return best.id if best is not None and overlap(best) > 0 else None
