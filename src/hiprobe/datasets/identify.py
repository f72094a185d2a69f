"""Which video of a data set a file is: by its name first, since folders are rearranged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from hiprobe.datasets.clips import looks_normal
from hiprobe.datasets.files_found import Found, split_of_word
from hiprobe.datasets.identity import Identity, Lists
from hiprobe.datasets.known import KnownSet
from hiprobe.evaluation.truth import NORMAL
from hiprobe.path_text import path_text

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
