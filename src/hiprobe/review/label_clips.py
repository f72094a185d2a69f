"""Labelled stretches for other tools: as temporal annotations, and as clips."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.stretches import times_of_frames
from hiprobe.errors import UsageError, VideoError
from hiprobe.failures import Failure, failure_of
from hiprobe.names import text_path, utf8_text
from hiprobe.report.documents import write_json
from hiprobe.review.lessons import standing
from hiprobe.review.library import Library
from hiprobe.review.values import Label
from hiprobe.store.atomic import atomic_path
from hiprobe.video.write import save_clip

# Reasons named where no video can be read: mostly they are all the same.
MOST_TOLD = 3

# Times of labels may be rounded, by people or by other tools. Without this, a stretch that begins
# with a frame could miss it.
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
            # The set that ActivityNet's own evaluation reads unless it is told another.
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


def write_clips(library: Library, out: Path) -> tuple[Failure, ...]:
    """A ZIP of MP4 files, in a folder for each label, as `hiprobe fit` takes them.

    Returns:
        Videos that cannot be read, wholly or at a labelled stretch; that stretch is left out.

    Raises:
        UsageError: nothing is labelled.
        VideoError: no video can be read.
        StorageError: the file cannot be written.
    """
    names, labels = names_of_videos(library), labels_here(library)
    written: list[str] = []
    left_out: dict[Path, Failure] = {}
    # Clips are made on the disk of the export, which must have the room anyway; /tmp may not. They
    # are stored as they are, since a compressed video shrinks no further.
    with (
        atomic_path(out) as temporary,
        tempfile.TemporaryDirectory(dir=temporary.parent) as folder,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        # A video with many labels is read for its frames' times once.
        clip, times = Path(folder) / "clip.mp4", cache(times_of_frames)
        for number, label in enumerate(labels, start=1):
            video = library.video_path(label.video_id)
            try:
                frames = times(video)
                first, _ = frames_within(frames, label.start_seconds, label.end_seconds)
                # A stretch between two frames shows the frame before it, which begins earlier.
                start = min(label.start_seconds, float(frames[first]))
                save_clip(video, start_seconds=start, end_seconds=label.end_seconds, path=clip)
            except Exception as error:
                left_out[video] = failure_of(video, error)
                continue
            kind = file_name(label.class_name or label.kind)
            written.append(f"{kind}/{number:05d}-{file_name(names[label.video_id])}.mp4")
            archive.write(clip, written[-1])
        refuse_nothing_read(written, tuple(left_out.values()))
    return tuple(left_out.values())


def refuse_nothing_read(found: Sequence[object], left_out: Sequence[Failure]) -> None:
    """Refuse an export that would be empty.

    Args:
        found: what would be written.
        left_out: videos that could not be read.

    Raises:
        UsageError: nothing is labelled.
        VideoError: no video can be read.
    """
    if found:
        return
    if not left_out:
        raise UsageError("there is nothing to write yet; label some events first")
    reasons = "; ".join(failure.reason for failure in left_out[:MOST_TOLD])
    raise VideoError(f"none of the videos can be read, so nothing was written: {reasons}")


def frames_within(
    times: NDArray[np.float64], start_seconds: float, end_seconds: float
) -> tuple[int, int]:
    """The frames that begin in a stretch; if none does, the one that is on show then.

    Args:
        times: of all frames in seconds, float64 `[frames]`.

    Returns:
        First frame and end, half-open and counted from 0.
    """
    ends = np.array([start_seconds, end_seconds]) - _SLACK_SECONDS
    first, end = (int(n) for n in np.searchsorted(times, ends))
    return (first, end) if end > first else (max(first - 1, 0), max(first, 1))


def labels_here(library: Library) -> list[Label]:
    """The last label on each stretch of the videos that are open, without `unsure`."""
    here = set(library.video_ids())
    return [label for label in standing(library.labels()) if label.video_id in here]


def names_of_videos(library: Library) -> dict[str, str]:
    """A name for each video, without its ending; of two with the same name, one gets its id."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for video in library.videos():
        name = utf8_text(text_path(video.path).stem)
        names[video.id] = name if name not in taken else f"{name}-{video.id}"
        taken.add(names[video.id])
    return names


def file_name(text: str) -> str:
    """A text without separators of paths, so that nothing is unpacked outside of its folder."""
    # 80 characters: with folder and number it stays below the 260 of a path on Windows.
    kept = "".join(c if c.isalnum() or c in " ._-" else "_" for c in text).strip(" .")
    return kept[:80] or "unnamed"
