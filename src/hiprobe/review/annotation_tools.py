"""Labels and events for annotation tools that count in frames: FiftyOne, CVAT, Label Studio.

What each importer takes was tried with its own library: fiftyone, datumaro, label-studio-sdk.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.stretches import times_of_frames
from hiprobe.datasets.video_files import is_states_name
from hiprobe.errors import StatesError
from hiprobe.failures import Failure, failure_of
from hiprobe.names import path_text, shown
from hiprobe.review.label_clips import (
    file_name,
    frames_within,
    labels_here,
    names_of_videos,
    refuse_nothing_read,
)
from hiprobe.review.library import Library
from hiprobe.review.values import KeptEvent, Label
from hiprobe.store.atomic import atomic_path
from hiprobe.store.text_files import json_text
from hiprobe.video.video_info import video_info


@dataclass(frozen=True)
class FramedVideo:
    """A video with its labels and events, for tools that count in frames.

    Attributes:
        name: no other video has it.
        times: seconds of all frames, float64 `[frames]`.
        width, height: of the upright picture, in pixels.
    """

    name: str
    path: Path
    times: NDArray[np.float64]
    width: int
    height: int
    labels: tuple[Label, ...]
    events: tuple[KeptEvent, ...]

    def frames(self, stretch: Label | KeptEvent) -> tuple[int, int]:
        """First frame and end of a stretch, half-open and counted from 0; at least one frame."""
        return frames_within(self.times, stretch.start_seconds, stretch.end_seconds)

    @property
    def frames_per_second(self) -> float:
        """The mean rate; 1 for a video of one frame, which has none."""
        length = float(self.times[-1] - self.times[0])
        return round((len(self.times) - 1) / length, 6) if length > 0 else 1.0


def write_fiftyone(library: Library, out: Path) -> tuple[Failure, ...]:
    """A ZIP of a FiftyOneTemporalDetectionDataset: labels, events, and where the videos lie.

    Its frames count from 1, both ends within. Events are a second file of labels for the same
    videos, so that they can become a field of their own.

    Returns:
        Videos that cannot be read and are left out.

    Raises:
        UsageError: nothing was found or labelled.
        VideoError: no video can be read.
        StorageError: the file cannot be written.
    """
    videos, left_out = _framed(library, with_events=True)

    def support(video: FramedVideo, stretch: Label | KeptEvent) -> list[int]:
        first, end = video.frames(stretch)  # half-open and from 0; FiftyOne's end is within
        return [first + 1, end]

    labels = {
        video.name: [
            {
                "label": _class_of(label),
                "support": support(video, label),
                "attributes": {"reviewer": label.reviewer, "note": label.note},
            }
            for label in video.labels
        ]
        for video in videos
    }
    events = {
        video.name: [
            {
                "label": "event",
                "support": support(video, event),
                "confidence": event.score,
                "attributes": {"event": event.id},
            }
            for event in video.events
        ]
        for video in videos
    }
    # FiftyOne cuts an ending off each key. A name with a dot in it would lose its last part, so
    # every key gets an ending.
    places = {f"{v.name}{v.path.suffix or '.mp4'}": path_text(v.path.absolute()) for v in videos}
    files = {
        "data.json": json_text(places, indent=1),
        "labels.json": json_text({"classes": _classes(videos), "labels": labels}, indent=1),
        "events.json": json_text({"classes": ["event"], "labels": events}, indent=1),
    }
    _write_zip(out, files)
    return left_out


def write_cvat(library: Library, out: Path) -> tuple[Failure, ...]:
    """A ZIP with a "CVAT for video 1.1" file for each labelled video, and the labels of the task.

    CVAT has no stretches of time: each is a track of a box around the whole picture.

    Returns:
        Videos that cannot be read and are left out.

    Raises:
        UsageError: nothing is labelled.
        VideoError: no video can be read.
        StorageError: the file cannot be written.
    """
    videos, left_out = _framed(library, with_events=False)
    names = _classes(videos)
    files = {"labels.json": json_text([{"name": n, "attributes": []} for n in names], indent=1)}
    for number, video in enumerate(videos, start=1):
        files[f"{number:05d}-{file_name(video.name)}.xml"] = _cvat_text(video, names)
    _write_zip(out, files)
    return left_out


def _cvat_text(video: FramedVideo, names: Sequence[str]) -> str:
    root = ElementTree.Element("annotations")
    _text(root, "version", "1.1")
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    size = len(video.times)
    for name, value in (
        *(("name", shown(video.name)), ("size", size), ("mode", "interpolation")),
        *(("overlap", 0), ("start_frame", 0), ("stop_frame", size - 1), ("frame_filter", "")),
    ):
        _text(task, name, value)
    labels = ElementTree.SubElement(task, "labels")
    for name in names:
        label = ElementTree.SubElement(labels, "label")
        _text(label, "name", name)
        ElementTree.SubElement(label, "attributes")
    picture = ElementTree.SubElement(task, "original_size")
    _text(picture, "width", video.width)
    _text(picture, "height", video.height)
    for number, said in enumerate(video.labels):
        kind = {"id": f"{number}", "label": _class_of(said), "source": "manual"}
        track = ElementTree.SubElement(root, "track", kind)
        first, end = video.frames(said)
        _box(track, video, first, outside=False)
        # A track goes on to the last frame unless a box says that it is outside from here on.
        if end < size:
            _box(track, video, end, outside=True)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _box(track: ElementTree.Element, video: FramedVideo, frame: int, *, outside: bool) -> None:
    corners = {"xtl": 0, "ytl": 0, "xbr": video.width, "ybr": video.height}
    values = {"frame": frame, "outside": int(outside), "occluded": 0, "keyframe": 1, "z_order": 0}
    words = {name: f"{value}" for name, value in {**values, **corners}.items()}
    ElementTree.SubElement(track, "box", words)


def _text(parent: ElementTree.Element, name: str, value: object) -> None:
    ElementTree.SubElement(parent, name).text = str(value)


def write_label_studio(library: Library, out: Path) -> tuple[Failure, ...]:
    """A ZIP of Label Studio's tasks and the labelling setup that they belong to.

    Labels are annotations, events are predictions. Frames count from 1, both ends within. Label
    Studio turns times into frames by the one rate that a task names, so they are counted by it here
    as well, and not by the true time of each.

    Returns:
        Videos that cannot be read and are left out.

    Raises:
        UsageError: nothing was found or labelled.
        VideoError: no video can be read.
        StorageError: the file cannot be written.
    """
    videos, left_out = _framed(library, with_events=True)
    tasks = [_task(video) for video in videos]
    names = dict.fromkeys(("anomaly", "normal", *_classes(videos)))
    view = ElementTree.Element("View")
    kinds = ElementTree.SubElement(view, "TimelineLabels", {"name": _CONTROL, "toName": "video"})
    for name in names:
        ElementTree.SubElement(kinds, "Label", {"value": name})
    setup = {"name": "video", "value": "$video", "frameRate": "$fps", "timelineHeight": "120"}
    ElementTree.SubElement(view, "Video", setup)
    ElementTree.indent(view)
    config = ElementTree.tostring(view, encoding="unicode") + "\n"
    _write_zip(out, {"tasks.json": json_text(tasks, indent=1), "labeling-config.xml": config})
    return left_out


_CONTROL = "stretches"


def _task(video: FramedVideo) -> dict[str, Any]:
    # Label Studio's local storage serves files below a root, which docs/review.md sets to "/".
    place = quote(os.fsencode(video.path.absolute().as_posix().lstrip("/")))
    task: dict[str, Any] = {
        "data": {
            "video": f"/data/local-files/?d={place}",
            "name": shown(video.name),
            "fps": video.frames_per_second,
        }
    }
    said = [{**_region(video, one, _class_of(one)), "meta": _remarks(one)} for one in video.labels]
    found = [{**_region(video, one, "anomaly"), "score": one.score} for one in video.events]
    if said:
        task["annotations"] = [{"result": said}]
    if found:
        score = max(event.score for event in video.events)
        task["predictions"] = [{"model_version": "hiprobe", "score": score, "result": found}]
    return task


def _region(video: FramedVideo, stretch: Label | KeptEvent, name: str) -> dict[str, Any]:
    rate, count = video.frames_per_second, len(video.times)
    # At the mean rate a stretch may end behind the last frame, where no timeline can show it.
    start = min(round(stretch.start_seconds * rate) + 1, count)
    ranges = [{"start": start, "end": max(start, min(round(stretch.end_seconds * rate), count))}]
    return {
        "id": stretch.id,
        "type": "timelinelabels",
        "from_name": _CONTROL,
        "to_name": "video",
        "origin": "manual" if isinstance(stretch, Label) else "prediction",
        "value": {"ranges": ranges, "timelinelabels": [name]},
    }


def _remarks(label: Label) -> dict[str, list[str]]:
    return {"text": [text for text in (label.note, label.reviewer) if text]}


def _class_of(label: Label) -> str:
    return shown(label.class_name or label.kind)


def _classes(videos: Sequence[FramedVideo]) -> list[str]:
    return sorted({_class_of(label) for video in videos for label in video.labels})


def _framed(
    library: Library, *, with_events: bool
) -> tuple[list[FramedVideo], tuple[Failure, ...]]:
    """Read the videos that have labels, or events where these are wanted; no others.

    Returns:
        Those that can be read, and those that cannot. A file of states cannot: it has no frames.

    Raises:
        UsageError: there are none.
        VideoError: none of them can be read.
    """
    said, names = labels_here(library), names_of_videos(library)
    found, left_out = [], []
    for one in library.video_ids():
        labels = tuple(label for label in said if label.video_id == one)
        events = library.store.events(one) if with_events else ()
        if labels or events:
            path = library.video_path(one)
            try:
                found.append(_read(names[one], path, labels, events))
            except Exception as error:  # one bad file costs the export no other
                left_out.append(failure_of(path, error))
    refuse_nothing_read(found, left_out)
    return found, tuple(left_out)


def _read(
    name: str, path: Path, labels: tuple[Label, ...], events: tuple[KeptEvent, ...]
) -> FramedVideo:
    if is_states_name(path):
        raise StatesError(
            f"{path} holds states and no pictures, which this format needs; choose csv, json or "
            "activitynet"
        )
    info = video_info(path)
    return FramedVideo(
        name=name,
        path=path,
        times=times_of_frames(path),
        width=info.width,
        height=info.height,
        labels=labels,
        events=events,
    )


def _write_zip(out: Path, files: Mapping[str, str]) -> None:
    with (
        atomic_path(out) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, text in files.items():
            archive.writestr(name, text)
