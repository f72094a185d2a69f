"""What lies below a folder: video files, and folders that hold a video as pictures."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hiprobe.datasets import own_files
from hiprobe.datasets.clips import VIDEO_SUFFIXES
from hiprobe.datasets.own_files import pass_over_own
from hiprobe.errors import DatasetError

PICTURE_SUFFIXES = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"))

_NO_FRAMES = re.compile(r"_gt$|_annotations?$|mask|ground_?truth|optical|flow", re.IGNORECASE)
"""Folders whose pictures are annotations."""

_SPLITS = (
    ("train", re.compile(r"(?:^|[^a-z])train", re.IGNORECASE)),
    ("test", re.compile(r"(?:^|[^a-z])test", re.IGNORECASE)),
    ("val", re.compile(r"(?:^|[^a-z])val(?:$|id|[^a-z])", re.IGNORECASE)),
)


@dataclass(frozen=True)
class Found:
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
        while not self.pictures and PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES:
            name = name[: -len(PurePosixPath(name).suffix)]  # some are called x.mp4.mp4
        return name

    @property
    def folder_split(self) -> str:
        """The split that its folders name, the innermost first; empty where none does."""
        return next(filter(None, map(split_of_word, reversed(self.relative.parts[:-1]))), "")


def split_of_word(word: str) -> str:
    """`train`, `val` or `test` where a folder's or file's name says so, else nothing."""
    return next((split for split, pattern in _SPLITS if pattern.search(word)), "")


def find_all(root: Path, *, say: Callable[[str], None] | None = None) -> tuple[Found, ...]:
    """Videos and picture folders at any depth, sorted, without hidden ones and annotations.

    Links to folders are followed, each folder once. Files that HiProbe wrote are passed over;
    `say` is told how many.

    Raises:
        DatasetError: `root` is no folder.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder; give the folder that the data set lies in")
    found = sorted(_walk(root), key=lambda f: natural(str(f.relative)))
    kept = set(pass_over_own([own_files.Found(f.path, root) for f in found], say=say))
    return tuple(f for f in found if f.path in kept)


def natural(text: str) -> tuple[tuple[bool, int, str], ...]:
    """A key that sorts `2.jpg` before `10.jpg`."""
    parts = re.split(r"(\d+)", text)
    return tuple((not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in parts if p)


def _walk(root: Path) -> Iterator[Found]:
    seen: set[str] = set()
    for name, folders, files in os.walk(root, followlinks=True):
        folder = Path(name)
        real = os.path.realpath(name)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [f for f in folders if not f.startswith(".")]
        yield from _in_folder(root, folder, [f for f in files if not f.startswith(".")])


def _in_folder(root: Path, folder: Path, files: list[str]) -> Iterator[Found]:
    below = PurePosixPath(folder.relative_to(root).as_posix())
    videos = [f for f in files if PurePosixPath(f).suffix.lower() in VIDEO_SUFFIXES]
    for file in videos:
        yield Found(folder / file, below / file)
    if videos or folder == root or any(_NO_FRAMES.search(part) for part in below.parts):
        return
    pictures = [f for f in files if PurePosixPath(f).suffix.lower() in PICTURE_SUFFIXES]
    if len(pictures) > 1:
        yield Found(folder, below, tuple(folder / p for p in sorted(pictures, key=natural)))
