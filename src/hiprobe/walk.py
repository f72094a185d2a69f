"""What lies below a folder: the one walk that every command looks for files with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def files_below(folder: Path, *, unreadable: list[Path] | None = None) -> Iterator[Path]:
    """Files at any depth in a fixed order, without hidden ones.

    Links to folders are followed, but not to a folder that `folder` lies in, and each folder is
    visited once: no link leads in a circle. Of a folder that has several names the one that is no
    link counts. A link that leads nowhere is among the files.

    Args:
        unreadable: folders that cannot be listed are appended here; they are passed over.
    """
    seen = _folders_above(Path(folder))
    waiting = [Path(folder)]
    linked: list[Path] = []
    while waiting or linked:
        # Links come last: what a link shows may lie below the folder under its own name too.
        here = waiting.pop() if waiting else linked.pop()
        try:
            stat = here.stat()
            if (stat.st_dev, stat.st_ino) in seen:
                continue
            seen.add((stat.st_dev, stat.st_ino))
            entries = sorted(os.scandir(here), key=lambda e: e.name)
        except OSError:
            if unreadable is not None:
                unreadable.append(here)
            continue
        folders = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = here / entry.name
            if not path.is_dir():
                yield path
            elif path.is_symlink():
                linked.append(path)
            else:
                folders.append(path)
        waiting += reversed(folders)


def _folders_above(folder: Path) -> set[tuple[int, int]]:
    """Device and inode of each folder that holds this one."""
    found = set()
    for above in folder.resolve().parents:
        with suppress(OSError):
            stat = above.stat()
            found.add((stat.st_dev, stat.st_ino))
    return found
