"""Videos as browsers can play them, and small pictures of events, both made once and kept."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from PIL import Image

from hiprobe.errors import VideoError
from hiprobe.progress import Clock, Progress
from hiprobe.segment import Frame
from hiprobe.store.atomic import atomic_path
from hiprobe.video.decode import still_at
from hiprobe.video.video_info import is_playable
from hiprobe.video.write import redraw_video

THUMBNAILS = 5
_THUMBNAIL_SIDE_PIXELS = 240
_JPEG_QUALITY = 80


class MediaCache:
    """Copies and pictures, kept under a hash of the video's path, size and time of change.

    The content is not hashed: a recording of a day may have a hundred gigabytes.

    Args:
        folder: where they are kept; they can be made again, so it may be emptied at any time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Each picture is decoded from the key frame before it, which keeps a processor busy, and
        # every open page asks for two at a time.
        self._turns = threading.BoundedSemaphore(2)
        self._playable: dict[str, bool] = {}
        self._exports: dict[str, Path] = {}

    def ready(self, video: Path) -> Path | None:
        """The file to play: the video itself if browsers can play it, else its copy.

        Returns:
            None if the copy must still be made, by `make_copy`.

        Raises:
            VideoError: the file is gone or is no video.
        """
        key = _key(video)
        if key not in self._playable:  # asked with every seek
            self._playable[key] = is_playable(video)
        if self._playable[key]:
            return video
        copy = self._folder / f"{key}.mp4"
        return copy if copy.is_file() else None

    def make_copy(self, video: Path, *, duration_seconds: float, progress: Progress) -> Path:
        """Encode the video as H.264 in MP4, with its own timing.

        Raises:
            VideoError: the video cannot be read.
            StorageError: the copy cannot be written.
        """
        clock = Clock(progress, max(1, int(duration_seconds)), name="Making a playable copy")

        def passed(pixels: Frame, seconds: float) -> Frame:
            clock.tell(int(seconds), seconds_of_video=seconds)
            return pixels

        copy = self._folder / f"{_key(video)}.mp4"
        redraw_video(video, copy, draw=passed)
        return copy

    def thumbnail(self, video: Path, seconds: float) -> Path:
        """A JPEG of the picture at a moment.

        Raises:
            VideoError: the video cannot be read there.
            StorageError: the picture cannot be written.
        """
        kept = self._folder / _key(video) / f"{round(seconds * 1000)}.jpg"
        if kept.is_file():
            return kept
        with self._turns:
            pixels = still_at(video, seconds, max_side_pixels=_THUMBNAIL_SIDE_PIXELS)
            with atomic_path(kept) as temporary:
                Image.fromarray(pixels).save(temporary, "JPEG", quality=_JPEG_QUALITY)
        return kept

    def export_path(self, export_id: str, extension: str) -> Path:
        """Where to write an export; makes the folder.

        Args:
            export_id: a new id. Only files that were registered here are handed out, so that no id
                of a request is ever made into a path.
            extension: with its dot or without.
        """
        folder = self._folder / "exports"
        folder.mkdir(parents=True, exist_ok=True)
        self._exports[export_id] = folder / f"{export_id}.{extension.lstrip('.')}"
        return self._exports[export_id]

    def exported(self, export_id: str) -> Path | None:
        """The file of a finished export; None where there is none of this run."""
        file = self._exports.get(export_id)
        return file if file is not None and file.is_file() else None


def thumbnail_seconds(start_seconds: float, end_seconds: float) -> tuple[float, ...]:
    """The moments of an event that its pictures show: the middles of equal parts."""
    part = (end_seconds - start_seconds) / THUMBNAILS
    return tuple(round(start_seconds + (n + 0.5) * part, 3) for n in range(THUMBNAILS))


def _key(video: Path) -> str:
    try:
        stat = video.stat()
    except OSError as error:
        raise VideoError(f"{video.name} is not where it was; put it back to see it") from error
    said = f"{video.absolute()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    return hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()[:32]
