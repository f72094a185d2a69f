"""The results that `hiprobe detect` wrote, joined with what the store of the review knows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from hiprobe.documents.checked import files_below
from hiprobe.errors import UsageError
from hiprobe.localize import check_threshold, find_events
from hiprobe.names import text_path
from hiprobe.report.documents import FORMAT, read_document, read_timeline
from hiprobe.review.store import STORE_NAME, ReviewStore
from hiprobe.review.values import KeptEvent
from hiprobe.timeline import Event, Timeline


class Library:
    """Scored videos by the id that the store gives them."""

    def __init__(
        self, store: ReviewStore, timelines: dict[str, Timeline], paths: dict[str, Path]
    ) -> None:
        self.store = store
        self._timelines = timelines
        self._paths = paths

    @classmethod
    def open(cls, results: Sequence[Path], *, store: ReviewStore | None = None) -> Self:
        """Read all timelines in result folders, and enter their events into the store.

        Args:
            results: folders that `detect` wrote with the format json.
            store: where labels are kept; by default the file in the first folder.

        Raises:
            UsageError: a folder holds no timelines, or one of them is damaged.
            StorageError: the store cannot be opened or written.
        """
        files = [file for folder in results for file in _timeline_files(folder)]
        if not files:
            raise UsageError("no folder with results was given; name one that `detect` wrote")
        read = [(read_document(file)["video"], read_timeline(file)) for file in files]
        kept = store or ReviewStore.open(results[0] / STORE_NAME)
        library = cls(kept, {}, {})
        for path, timeline in read:
            video_id = kept.add_video(path)
            library._timelines[video_id] = timeline
            library._paths[video_id] = text_path(path)
            kept.put_events(video_id, timeline.events)
        return library

    def video_ids(self) -> tuple[str, ...]:
        """The ids of all videos, in the order of their results."""
        return tuple(self._timelines)

    def events(self, video_id: str) -> tuple[KeptEvent, ...]:
        """The events of a video in order of time, each with its last label."""
        self.timeline(video_id)
        return self.store.events(video_id)

    def timeline(self, video_id: str) -> Timeline:
        """The scores of a video.

        Raises:
            UsageError: there is no such video.
        """
        if video_id not in self._timelines:
            raise UsageError(f"video {video_id!r} is not among the results; list the videos again")
        return self._timelines[video_id]

    def video_path(self, video_id: str) -> Path:
        """Where the video lay when it was scored."""
        self.timeline(video_id)
        return self._paths[video_id]

    def resegment(self, video_id: str, threshold: float) -> tuple[Event, ...]:
        """The events that another threshold would give; nothing is saved.

        Raises:
            UsageError: there is no such video, or the threshold parts no scores.
        """
        check_threshold(threshold)
        found = self.timeline(video_id)
        return find_events(found.start_seconds, found.end_seconds, found.smoothed, threshold)


def _timeline_files(folder: Path) -> list[Path]:
    """The timelines below a folder; other JSON files lie beside them."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; give one that `hiprobe detect` wrote")
    found = [file for file in files_below(folder) if file.suffix == ".json" and _is_timeline(file)]
    if not found:
        raise UsageError(f"{folder} holds no timelines; run `hiprobe detect` with --format json")
    return found


def _is_timeline(file: Path) -> bool:
    """Whether a file says that it is a timeline; one of another version is refused later."""
    with file.open("rb") as opened:
        return f'"format": "{FORMAT}"'.encode() in opened.read(4096)
