"""How files are called on screen: by their name, with as many folders as tell them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path


def shown_names(files: Sequence[Path]) -> Mapping[Path, str]:
    """A name for each file; files of one name are told apart by their folders."""
    found: dict[Path, str] = {}
    left, parts = [*dict.fromkeys(files)], 1
    while left:
        names = {file: "/".join(file.parts[-parts:]) for file in left}
        counts = Counter(names.values())
        single = [f for f in left if counts[names[f]] == 1 or len(f.parts) <= parts]
        found |= {file: names[file] for file in single}
        left, parts = [f for f in left if f not in found], parts + 1
    return found
