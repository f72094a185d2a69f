"""What a user names on the command line: files, folders and globs, and the backbone to use."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path

from hiprobe.errors import UsageError


def expand_videos(named: Sequence[str]) -> list[Path]:
    """Files of all names in order, each once; a folder stands for the videos at any depth in it.

    A name that is no file is kept, so that reading it gives the reason.

    Raises:
        UsageError: a folder or a glob holds no video.
    """
    from hiprobe.datasets.clips import find_videos

    found: list[Path] = []
    for name in named:
        path = Path(name).expanduser()
        if path.is_dir():
            inside = find_videos(path)
            if not inside:
                raise UsageError(f"folder {path} holds no video; give files, or another folder")
            found += inside
        elif not path.exists() and glob.has_magic(name):
            matches = sorted(Path(m) for m in glob.glob(str(path), recursive=True))  # noqa: PTH207
            if not matches:
                raise UsageError(f"nothing matches {name}; check the pattern and the folder")
            found += matches
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def result_names(videos: Sequence[Path]) -> list[str]:
    """One name for each video's results: its stem, with a number where stems repeat."""
    names: list[str] = []
    for video in videos:
        numbered = (f"{video.stem}-{n}" for n in count(2))
        names.append(next(n for n in chain([video.stem], numbered) if n not in names))
    return names


def are_states(path: Path) -> bool:
    """True for extracted states, which stand in for a video."""
    from hiprobe.datasets.clips import STATES_SUFFIX

    return path.suffix.lower() == STATES_SUFFIX


def parse_layers(text: str, *, layer_count: int) -> list[int]:
    """Layer numbers of `all` (1..L) or a list such as `1,12-20`, ascending, each once.

    Raises:
        UsageError: not such a list, or a layer that the backbone does not have.
    """
    if text.strip().lower() == "all":
        return list(range(1, layer_count + 1))
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = (p.strip() for p in part.partition("-"))
        if not first.isdigit() or (dash and not last.isdigit()):
            raise UsageError(f"layers {text!r}: {part!r} is no number or range; write 1,12-20")
        found.update(range(int(first), int(last or first) + 1))
    if not found or max(found) > layer_count:
        raise UsageError(f"layers {text!r} are not within 0..{layer_count} of this backbone")
    return sorted(found)
