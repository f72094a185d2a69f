"""How files are called on screen: by their name, with as many folders as tell them apart."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path


def shown_names(files: Sequence[Path], *, beside: Sequence[Path] = ()) -> Mapping[Path, str]:
    """A name for each file; files of one name are told apart by their folders.

    Args:
        beside: files that are not shown, and are not to be taken for one of those that are.
    """
    paths = {file: Path(os.path.abspath(file)) for file in files}  # noqa: PTH100 - links stay
    by_name: dict[str, set[Path]] = defaultdict(set)
    for path in (*paths.values(), *beside):
        by_name[path.name].add(path)
    return {file: _shortest(path, by_name[path.name]) for file, path in paths.items()}


def _shortest(path: Path, every: set[Path]) -> str:
    """The last parts of a path, as many as no other path ends with."""
    for count in range(1, len(path.parts)):
        end = path.parts[-count:]
        if sum(other.parts[-count:] == end for other in every) == 1:
            return "/".join(end)
    return str(path)
