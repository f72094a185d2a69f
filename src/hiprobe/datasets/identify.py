"""Which video of a known data set a file is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hiprobe.datasets.clips import looks_normal
from hiprobe.datasets.files_found import Found, Identity, Lists, split_of_word
from hiprobe.datasets.findings import Finding
from hiprobe.datasets.known_sets import FOLDER, KnownSet
from hiprobe.datasets.manifest import ManifestRow, absolute, read_csv
from hiprobe.datasets.published import Published
from hiprobe.evaluation.truth import NORMAL
from hiprobe.names import path_text

XD_CLASSES = {
    "A": NORMAL,
    "B1": "fighting",
    "B2": "shooting",
    "B4": "riot",
    "B5": "abuse",
    "B6": "car-accident",
    "G": "explosion",
}
"""Codes of the XD-Violence names, `..._label_B2-G-0`."""


def identify(known: KnownSet, found: Found, lists: Lists) -> Identity | None:
    """What `found` is in this set; None where it does not belong to it."""
    return _RULES[known.name](found, lists)


def _listed(found: Found, lists: Lists) -> Identity | None:
    """UCF-Crime: every video is in a list."""
    class_name = lists.classes.get(found.stem)
    if class_name is None:
        return None
    return Identity(
        lists.names[found.stem],
        lists.splits[found.stem],
        class_name,
        int(class_name != NORMAL),
    )


def _xd_violence(found: Found, lists: Lists) -> Identity | None:
    """XD-Violence: the name carries the classes; what the test list lacks is for training."""
    title, mark, codes = found.stem.rpartition("_label_")
    kinds = [XD_CLASSES.get(code) for code in codes.split("-") if code != "0"]
    if not mark or not kinds or None in kinds:
        return None
    class_name = "+".join(k for k in kinds if k)
    return Identity(
        found.stem,
        lists.splits.get(found.stem, "train"),
        class_name,
        int(class_name != NORMAL),
        source=title.split("__#")[0],
    )


def _msad(found: Found, lists: Lists) -> Identity | None:
    """MSAD: normal videos by folder, `Fighting_3` by name; the split of a list wins."""
    where = "/".join(found.relative.parts)
    if re.search("normal", where, re.IGNORECASE):
        split = lists.splits.get(found.stem) or split_of_word(found.stem) or found.folder_split
        return Identity(found.stem, split or "train", NORMAL, 0)
    kind = re.fullmatch(r"(?:MSAD_)?([A-Za-z][A-Za-z_]*?)_?(\d+)", found.stem)
    if kind is None:
        return None
    split = lists.splits.get(found.stem) or "test"
    return Identity(found.stem, split, kind[1].lower().replace("_", "-"), 1)


def _shanghaitech(found: Found, lists: Lists) -> Identity | None:
    """ShanghaiTech: `01_001` for training, `01_0014` for test."""
    if not re.fullmatch(r"\d\d_\d{3,4}", found.stem):
        return None
    test = found.stem in lists.classes
    class_name = lists.classes.get(found.stem, NORMAL)
    return Identity(found.stem, "test" if test else "train", class_name, int(class_name != NORMAL))


def _numbered(found: Found, lists: Lists) -> Identity | None:
    """Avenue and Ped2: numbers that repeat between the splits, as `Test001`, `test_01` or `01`."""
    word = re.fullmatch(r"(?:(train|test)(?:ing)?[_-]?)?0*(\d{1,3})", found.stem, re.IGNORECASE)
    split = word and ((word[1] or "").lower() or found.folder_split)
    if not word or split not in ("train", "test") or re.search("ped1", str(found.relative), re.I):
        return None
    number = f"{int(word[2]):02d}"
    class_name = lists.classes.get(number) if split == "test" else NORMAL
    return (class_name and Identity(number, split, class_name, int(class_name != NORMAL))) or None


def _ubnormal(found: Found, lists: Lists) -> Identity | None:
    """UBnormal: the name says whether it is normal, a list says the split."""
    if not re.fullmatch(r"(ab)?normal_scene_\d+_scenario.*", found.stem):
        return None
    label = int(found.stem.startswith("abnormal"))
    split = lists.splits.get(found.stem, "")
    return Identity(found.stem, split, "abnormal" if label else NORMAL, label)


def _by_folder(found: Found, lists: Lists) -> Identity | None:
    """The user's own: folders of classes, below folders of splits or not.

    Without folders of classes, a video with spans is abnormal where there is a list of spans.
    """
    kinds = [p for p in found.relative.parts[:-1] if not split_of_word(p)]
    if not kinds and not lists.classes:
        return None
    class_name = path_text(kinds[0]) if kinds else lists.classes.get(str(found.relative), NORMAL)
    return _in_class(found, class_name, normal=looks_normal(class_name))


def _two_folders(found: Found, lists: Lists) -> Identity | None:
    """Fights and crashes: the folder says which of two it is."""
    kinds = [p for p in found.relative.parts[:-1] if p.casefold() in _TWO_FOLDERS]
    return _in_class(found, kinds[-1], normal=_TWO_FOLDERS[kinds[-1].casefold()]) if kinds else None


def _in_class(found: Found, class_name: str, *, normal: bool) -> Identity:
    name = path_text(found.relative.with_name(found.stem).as_posix())
    return Identity(name, found.folder_split, class_name, int(not normal))


_TWO_FOLDERS = {
    "fight": False,
    "nofight": True,
    "crash": False,
    "normal": True,
    "bd_choques": False,
    "bd_no_choques": True,
}
"""Whether a folder's videos are normal."""


_RULES: Mapping[str, Callable[[Found, Lists], Identity | None]] = {
    "ucf-crime": _listed,
    "xd-violence": _xd_violence,
    "msad": _msad,
    "shanghaitech": _shanghaitech,
    "cuhk-avenue": _numbered,
    "ucsd-ped2": _numbered,
    "ubnormal": _ubnormal,
    "surveillance-fights": _two_folders,
    "car-crash": _two_folders,
    "folder": _by_folder,
}


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
