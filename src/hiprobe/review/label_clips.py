"""Labelled stretches for other tools: as temporal annotations, and as clips."""

from __future__ import annotations

import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.stretches import times_of_frames
from hiprobe.errors import UsageError
from hiprobe.names import text_path, utf8_text
from hiprobe.report.documents import write_json
from hiprobe.review.lessons import standing
from hiprobe.review.library import Library
from hiprobe.review.values import Label
from hiprobe.store.atomic import atomic_path

# Times in results are rounded.
_SLACK_SECONDS = 0.0005


def write_activitynet(library: Library, out: Path) -> None:
    """Anomalies and classes in the layout of ActivityNet 1.3, times in seconds.

    Raises:
        StorageError: the file cannot be written.
    """
    names = names_of_videos(library)
    database: dict[str, Any] = {
        names[video.id]: {
            "duration": video.duration_seconds,
            "subset": "validation",
            "url": utf8_text(video.name),
            "annotations": [],
        }
        for video in library.videos()
    }
    classes: dict[str, None] = {}
    for label in labels_here(library):
        if label.kind in ("anomaly", "class"):
            name = label.class_name or label.kind
            classes[name] = None
            segment = [label.start_seconds, label.end_seconds]
            row = {"segment": segment, "label": name}
            database[names[label.video_id]]["annotations"].append(row)
    root = {"nodeId": 0, "nodeName": "Root", "parentId": None, "parentName": None}
    nodes = [
        {"nodeId": number, "nodeName": name, "parentId": 0, "parentName": "Root"}
        for number, name in enumerate(classes, start=1)
    ]
    document = {"version": "VERSION 1.3", "taxonomy": [root, *nodes], "database": database}
    write_json(document, out)


def write_clips(library: Library, out: Path) -> None:
    """A ZIP of MP4 files, in a folder for each label, as `hiprobe fit` takes them.

    Raises:
        UsageError: nothing is labelled.
        VideoError: a video cannot be read.
        StorageError: the file cannot be written.
    """
    from hiprobe.video.write import save_clip  # PyAV, which no other format needs

    names, labels = names_of_videos(library), labels_here(library)
    if not labels:
        raise UsageError("nothing is labelled, so there are no clips; label some events first")
    with (
        atomic_path(out) as temporary,
        tempfile.TemporaryDirectory(dir=temporary.parent) as folder,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        clip, times = Path(folder) / "clip.mp4", cache(times_of_frames)
        for number, label in enumerate(labels, start=1):
            video = library.video_path(label.video_id)
            frames = times(video)
            first, _ = frames_within(frames, label.start_seconds, label.end_seconds)
            save_clip(
                video,
                start_seconds=min(label.start_seconds, float(frames[first])),
                end_seconds=label.end_seconds,
                path=clip,
            )
            kind = file_name(label.class_name or label.kind)
            archive.write(clip, f"{kind}/{number:05d}-{file_name(names[label.video_id])}.mp4")


def frames_within(
    times: NDArray[np.float64], start_seconds: float, end_seconds: float
) -> tuple[int, int]:
    """The frames that begin in a stretch, half-open and from 0; else the one that is on show then.

    Args:
        times: of all frames in seconds, float64 `[frames]`.
    """
    ends = np.array([start_seconds, end_seconds]) - _SLACK_SECONDS
    first, end = (int(n) for n in np.searchsorted(times, ends))
    return (first, end) if end > first else (max(first - 1, 0), max(first, 1))


def labels_here(library: Library) -> list[Label]:
    """The last word on each stretch of the videos at hand."""
    here = set(library.video_ids())
    return [label for label in standing(library.labels()) if label.video_id in here]


def names_of_videos(library: Library) -> dict[str, str]:
    """A name for each video, without its ending; ids part those of the same name."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for video in library.videos():
        name = utf8_text(text_path(video.path).stem)
        names[video.id] = name if name not in taken else f"{name}-{video.id}"
        taken.add(names[video.id])
    return names


def file_name(text: str) -> str:
    """A text without what parts folders, so that an archive holds no path to elsewhere."""
    kept = "".join(c if c.isalnum() or c in " ._-" else "_" for c in text).strip(" .")
    return kept[:80] or "unnamed"
