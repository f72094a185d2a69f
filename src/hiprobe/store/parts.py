"""Pieces of one video's unfinished states, so that an interrupted run goes on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hiprobe.errors import StatesError
from hiprobe.states import Reading, States, VideoStates
from hiprobe.store.states_file import read_states, write_states
from hiprobe.store.temporary import sweep

PARTS_SUFFIX = ".parts"

FINISHED = "[!.]*.safetensors"
"""Files written whole; a leading dot marks one that another process is still writing."""


@dataclass(frozen=True)
class PartFiles:
    """Consecutive pieces in a folder of their own, each named by its first segment's number."""

    folder: Path

    def read(self) -> list[VideoStates]:
        """The pieces without a gap from the start, in order; damaged ones end the list."""
        pieces: list[VideoStates] = []
        row = 0
        while True:
            try:
                piece = read_states(self.folder / f"{row:08d}.safetensors")
            except StatesError:
                return pieces
            rows = max((len(s) for s in piece.states.values()), default=0)
            if not rows:  # no piece of ours: the next would be sought under the same name for ever
                return pieces
            pieces.append(piece)
            row += rows

    def write(self, first_row: int, states: Mapping[Reading, States], *, video: str) -> None:
        """Keep one piece that begins at a segment number.

        Raises:
            StorageError: the folder cannot be written.
        """
        path = self.folder / f"{first_row:08d}.safetensors"
        write_states(path, VideoStates(states=states), notes={"video": video})

    def remove(self) -> None:
        """Drop all pieces."""
        for path in self.folder.glob(FINISHED):
            remove_entry(path)
        remove_if_empty(self.folder)


def remove_entry(path: Path) -> bool:
    """Remove whatever lies under an entry's name, a folder with all in it; False if it stays."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError:  # not ours to remove
        return False
    return True


def remove_if_empty(folder: Path) -> None:
    """Remove a folder unless something is in it, or it is gone already."""
    sweep(folder)
    try:
        folder.rmdir()
    except OSError:  # not empty: another process is writing, or already gone
        pass
