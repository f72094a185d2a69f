"""The videos below a data set's folder: files, and folders of pictures."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hiprobe.datasets.video_files import is_video_name, pass_over_own, without_ending
from hiprobe.documents.checked import files_below
from hiprobe.errors import DatasetError

PICTURE_SUFFIXES = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"))

# Folders whose pictures are annotations.
_NO_FRAMES = re.compile(r"_gt$|_annotations?$|mask|ground_?truth|optical|flow", re.IGNORECASE)

_SPLITS = (
    ("train", re.compile(r"(?:^|[^a-z])train", re.IGNORECASE)),
    ("test", re.compile(r"(?:^|[^a-z])test", re.IGNORECASE)),
    ("val", re.compile(r"(?:^|[^a-z])val(?:$|id|[^a-z])", re.IGNORECASE)),
)


@dataclass(frozen=True)
class FoundVideo:
    """A video below the root.

    Attributes:
        path: the file, or the folder of pictures.
        relative: the same below the root.
        pictures: the frames in order where it is a folder; empty for a file.
    """

    path: Path
    relative: PurePosixPath
    pictures: tuple[Path, ...] = ()

    @property
    def stem(self) -> str:
        """Its name without folders and without the ending of a video."""
        name = self.relative.name
        return name if self.pictures else without_ending(name)

    @property
    def folder_split(self) -> str:
        """The split that its folders name, the innermost first; empty where none does."""
        return next(filter(None, map(split_of_word, reversed(self.relative.parts[:-1]))), "")


def split_of_word(word: str) -> str:
    """`train`, `val` or `test` where a folder's or file's name says so, else nothing."""
    return next((split for split, pattern in _SPLITS if pattern.search(word)), "")


def find_all(root: Path, *, say: Callable[[str], None] | None = None) -> tuple[FoundVideo, ...]:
    """Videos and picture folders at any depth, sorted, without hidden ones and annotations.

    Links to folders are followed, each folder once. Files that HiProbe wrote are passed over.

    Args:
        root: the folder of the data set.
        say: called with a sentence on how many files were passed over.

    Raises:
        DatasetError: `root` is no folder, or a folder in it cannot be read.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder; give the folder that the data set lies in")
    found = sorted(_walk(root), key=lambda f: natural(str(f.relative)))
    taken = set(pass_over_own([(f.path, root) for f in found], say=say))
    return tuple(f for f in found if f.path in taken)


def natural(text: str) -> tuple[tuple[bool, int, str], ...]:
    """A key that sorts `2.jpg` before `10.jpg`."""
    parts = re.split(r"(\d+)", text)
    return tuple((not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in parts if p)


def _walk(root: Path) -> Iterator[FoundVideo]:
    by_folder: dict[Path, list[str]] = defaultdict(list)
    unreadable: list[Path] = []
    for file in files_below(root, unreadable=unreadable):
        by_folder[file.parent].append(file.name)
    for folder in unreadable:
        try:
            # The walk says only that it failed; opening the folder again gives the reason.
            os.scandir(folder).close()
        except OSError as error:
            raise DatasetError(
                f"the folder {folder} cannot be read ({error.strerror}); change its permissions"
            ) from error
    for folder, files in by_folder.items():
        yield from _in_folder(root, folder, files)


def _in_folder(root: Path, folder: Path, files: list[str]) -> Iterator[FoundVideo]:
    below = PurePosixPath(folder.relative_to(root).as_posix())
    videos = [f for f in files if is_video_name(f)]
    for file in videos:
        yield FoundVideo(folder / file, below / file)
    # Pictures next to videos, or directly in the root, are thumbnails or covers.
    if videos or folder == root or any(_NO_FRAMES.search(part) for part in below.parts):
        return
    pictures = [f for f in files if PurePosixPath(f).suffix.lower() in PICTURE_SUFFIXES]
    # A single picture is no video.
    if len(pictures) > 1:
        yield FoundVideo(folder, below, tuple(folder / p for p in sorted(pictures, key=natural)))
