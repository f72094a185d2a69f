"""Sort the files of a folder into the videos of a data set, copies, and what does not belong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hiprobe.datasets.catalog import FOLDER
from hiprobe.datasets.files_found import Found
from hiprobe.datasets.findings import Finding
from hiprobe.datasets.identify import identify
from hiprobe.datasets.identity import Identity
from hiprobe.datasets.known import KnownSet
from hiprobe.datasets.lists import Published
from hiprobe.datasets.manifest_csv import absolute, read_csv
from hiprobe.datasets.manifest_row import ManifestRow

BY_FOLDER = (FOLDER, "surveillance-fights", "car-crash")
"""Sets whose classes are folders, or a `manifest.csv` in the root."""


@dataclass(frozen=True)
class Entry:
    """A file and what it is; `stated` is its row where the user has a manifest."""

    found: Found
    identity: Identity
    stated: ManifestRow | None = None

    @property
    def split(self) -> str:
        """The split that counts."""
        return self.identity.split

    @property
    def key(self) -> tuple[str, str]:
        """Split and name, which a data set has once."""
        return self.identity.split, self.identity.name


@dataclass(frozen=True)
class SortedOut:
    """The videos in a fixed order, and remarks on the other files."""

    entries: tuple[Entry, ...]
    findings: list[Finding]


def sort_out(
    known: KnownSet,
    root: Path,
    files: Sequence[Found],
    facts: Published,
    *,
    splits: Sequence[str],
) -> SortedOut:
    """What each file is; a video that lies there twice is used once.

    Raises:
        LabelError: the user's own manifest cannot be read.
    """
    if known.name in BY_FOLDER and (root / "manifest.csv").is_file():
        return _of_manifest(root, files, splits=splits)
    findings: list[Finding] = []
    chosen: dict[tuple[str, str], Entry] = {}
    for found in files:
        identity = identify(known, found, facts.lists)
        if identity is None:
            findings.append(Finding("unknown", str(found.relative), "its name is not of this set"))
        elif not splits or identity.split in splits:
            entry = Entry(found, identity)
            other = chosen.get(entry.key)
            chosen[entry.key] = entry if other is None else _better(other, entry)
            if other is not None:
                findings.append(_twice(other, entry, chosen[entry.key]))
    findings += [f for e in chosen.values() if (f := _misplaced(known, e)) is not None]
    return SortedOut(tuple(chosen.values()), findings)


def _of_manifest(root: Path, files: Sequence[Found], *, splits: Sequence[str]) -> SortedOut:
    there = {absolute(f.path): f for f in files}
    entries, findings, named = [], [], set()
    for row in read_csv(root / "manifest.csv").rows:
        path = absolute(row.video)
        named.add(path)
        if splits and row.split not in splits:
            continue
        found = there.get(path, Found(row.video, PurePosixPath(row.video.as_posix())))
        if not row.video.exists():
            findings.append(Finding("missing", _below(row.video, root), "manifest.csv names it"))
            continue
        identity = Identity(row.name, row.split, row.class_name, row.label, row.source)
        entries.append(Entry(found, identity, row))
    findings += [
        Finding("unknown", str(f.relative), "manifest.csv does not name it")
        for path, f in there.items()
        if path not in named
    ]
    return SortedOut(tuple(entries), findings)


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _better(one: Entry, other: Entry) -> Entry:
    """A video before its pictures, a folder of the experiment before one of extra material."""
    return min(one, other, key=_rank)


def _rank(entry: Entry) -> tuple[bool, bool, int]:
    where = str(entry.found.relative)
    extra = re.search(r"event|recognition", where, re.IGNORECASE) is not None
    return bool(entry.found.pictures), extra, len(where)


def _twice(one: Entry, other: Entry, used: Entry) -> Finding:
    left = other if used is one else one
    text = f"the same video as {used.found.relative}"
    here, there = one.found.folder_split, other.found.folder_split
    if here and there and here != there:
        return Finding("overlap", str(left.found.relative), text + ": one is for another split")
    return Finding("copy", str(left.found.relative), text)


def _misplaced(known: KnownSet, entry: Entry) -> Finding | None:
    where = entry.found.folder_split
    if known.name in BY_FOLDER or not where or where == entry.split or not entry.split:
        return None
    text = f"lies in a folder for {where}, is published for {entry.split}"
    return Finding("placed", str(entry.found.relative), text)
