"""Turn folders of pictures into video files, which the rest of HiProbe reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hiprobe.datasets.files_found import PICTURE_SUFFIXES, natural
from hiprobe.datasets.manifest_row import Manifest, ManifestRow
from hiprobe.datasets.measure import read_picture
from hiprobe.errors import DatasetError, VideoError
from hiprobe.pipeline.progress import Clock, Progress
from hiprobe.segment import Frame
from hiprobe.store.inside import inside

CRF = 14
"""Finer than for watching: these are the frames that will be measured."""


def pack_manifest(
    manifest: Manifest, *, folder: Path, progress: Progress | None = None
) -> Manifest:
    """Write each folder of pictures as `folder/SPLIT/NAME.mp4`, one frame for each picture.

    Videos that are files stay where they are. A video that is there with its frames is not
    written again, so that an interrupted run goes on. Odd sides grow by one line of pixels.

    Raises:
        DatasetError: a folder of pictures has changed since the check.
        VideoError: a picture cannot be read.
        StorageError: a video cannot be written, or its name leads out of the folder.
    """
    clock = Clock(progress, len(manifest.rows))
    rows = []
    for done, row in enumerate(manifest.rows):
        clock.name = row.name
        clock.tell(done, seconds_of_video=0)
        rows.append(_packed(row, folder) if row.video.is_dir() else row)
    return replace(manifest, rows=tuple(rows))


def _packed(row: ManifestRow, folder: Path) -> ManifestRow:
    from hiprobe.video.write import write_video

    target = inside(folder, f"{row.split or 'all'}/{row.name}.mp4")
    pictures = sorted(
        (p for p in row.video.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES),
        key=lambda p: natural(p.name),
    )
    if row.frame_count is not None and len(pictures) != row.frame_count:
        raise DatasetError(
            f"{row.video} has {len(pictures)} pictures, the manifest says {row.frame_count}; run "
            "`hiprobe data check` again"
        )
    if not _is_there(target, len(pictures)):
        write_video(target, _frames(pictures), fps=row.fps or 25.0, crf=CRF)
    return replace(row, video=target)


def _frames(pictures: list[Path]) -> Iterator[Frame]:
    return (read_picture(p) for p in pictures)


def _is_there(target: Path, frames: int) -> bool:
    from hiprobe.video.clip import read_clip

    try:
        return target.is_file() and read_clip(target, key_frames=1).frame_count == frames
    except VideoError:
        return False
