"""Files that HiProbe wrote itself: passed over where a folder is searched for videos."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hiprobe.store.run_record import RESULTS, STATES, Owner, names_of_file, read_owners


@dataclass(frozen=True)
class Found:
    """A file, and the folder that was searched for it; None where it was named itself."""

    path: Path
    searched: Path | None


def pass_over_own(
    found: Sequence[Found],
    *,
    out: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> list[Path]:
    """The files that are not HiProbe's own; those that were named themselves stay.

    A result (an annotated video, the clip of an event) is passed over where the run file of its
    folder, or of one above, knows it. States stand in for their video, so they are passed over
    where the video itself is among the files. Whatever lies in the folder for the results of this
    run is passed over, unless just that folder was searched.
    """
    here = {_absolute(file.path) for file in found}
    owners = cache(_owners)
    kept, written, in_out = [], 0, 0
    for file in found:
        path = _absolute(file.path)
        if file.searched is not None and _is_own(path, owners, here):
            written += 1
        elif file.searched is not None and out is not None and _is_in_out(path, file.searched, out):
            in_out += 1
        else:
            kept.append(file.path)
    if say is not None and written:
        say(f"passed over: {_files(written)} that HiProbe wrote")
    if say is not None and in_out:
        say(f"passed over: {_files(in_out)} in the folder for the results, {out}")
    return kept


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - `..` goes, links stay


def _owners(folder: Path) -> dict[tuple[str, str], Owner]:
    """The owners of a folder's names by kind and name; none where no run has written there."""
    return {(o.kind, o.name): o for o in read_owners(folder) or ()}


def _is_own(
    path: Path, owners_of: Callable[[Path], dict[tuple[str, str], Owner]], here: set[Path]
) -> bool:
    """True for a result, and for states whose video is here too."""
    for folder in path.parents:
        owners = owners_of(folder)
        if not owners:
            continue
        below = path.relative_to(folder).as_posix()
        if any((RESULTS, name) in owners for name in names_of_file(below, RESULTS)):
            return True
        made = (owners.get((STATES, name)) for name in names_of_file(below, STATES))
        if any(owner is not None and Path(owner.video) in here for owner in made):
            return True
    return False


def _is_in_out(path: Path, searched: Path, out: Path) -> bool:
    folder = _absolute(out)
    return path.is_relative_to(folder) and not _absolute(searched).is_relative_to(folder)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
