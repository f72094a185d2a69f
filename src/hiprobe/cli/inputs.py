"""What a user names on the command line: files, folders and globs, and the backbone to use."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from hiprobe.cli.result_names import wanted_name
from hiprobe.errors import UsageError

if TYPE_CHECKING:
    from hiprobe.pipeline.settings import Stretch
    from hiprobe.pipeline.states_folder import Item

TABLE_SUFFIXES = frozenset((".csv", ".parquet"))
"""Endings of tables of labelled clips."""


def expand_videos(
    named: Sequence[str], *, out: Path | None = None, say: Callable[[str], None] | None = None
) -> list[Path]:
    """Files of all names in order, each once; a folder stands for the videos at any depth in it.

    A name that is no file is kept, so that reading it gives the reason. In folders and patterns
    what HiProbe wrote is passed over; a file that is named itself is taken.

    Args:
        out: folder for the results of this run, which is passed over too.
        say: told how many files were passed over.

    Raises:
        UsageError: a folder or a glob holds no video.
    """
    from hiprobe.datasets.clips import find_videos
    from hiprobe.datasets.own_files import Found, pass_over_own

    found: list[Found] = []
    for name in named:
        path = Path(name).expanduser()
        if path.is_dir():
            inside = find_videos(path)
            if not inside:
                raise UsageError(f"folder {path} holds no video; give files, or another folder")
            found += [Found(video, path) for video in inside]
        elif not path.exists() and glob.has_magic(name):
            matches = sorted(Path(m) for m in glob.glob(str(path), recursive=True))  # noqa: PTH207
            if not matches:
                raise UsageError(f"nothing matches {name}; check the pattern and the folder")
            found += [Found(match, _before_magic(path)) for match in matches]
        else:
            found.append(Found(path, None))
    kept = pass_over_own(found, out=out, say=say)
    if not kept:
        raise UsageError(
            f"{', '.join(named)}: all that is there HiProbe wrote itself; name a file to read it"
        )
    return list(dict.fromkeys(kept))


def _before_magic(pattern: Path) -> Path:
    """The folder that a pattern is searched in."""
    plain = takewhile(lambda part: not glob.has_magic(part), pattern.parts)
    return Path(*plain)


def items_to_extract(
    named: Sequence[str], *, out: Path | None = None, say: Callable[[str], None] | None = None
) -> list[Item]:
    """What is extracted, and the file of states of each, named after its place in its folder.

    A table of labelled clips, or a folder with a `manifest.csv`, gives its clips with their
    labels and stretches; anything else is a video without a label. Names never lead out of the
    folder of states, wherever a table's videos lie.

    Args:
        out, say: as for `expand_videos`.

    Raises:
        UsageError: a folder or a glob holds no video.
        LabelError: a table cannot be read.
    """
    from hiprobe.datasets.clips import read_clips
    from hiprobe.pipeline.states_folder import Item

    items: dict[tuple[Path, Stretch], Item] = {}
    for name in named:
        path = Path(name).expanduser()
        if path.suffix.lower() in TABLE_SUFFIXES or (path / "manifest.csv").is_file():
            clips = read_clips(path, both_kinds=False)
            found = [Item(clip.video, "", clip) for clip in clips]
        else:
            found = [Item(video, "") for video in expand_videos([name], out=out, say=say)]
        root = path if path.is_dir() else path.parent
        for item in found:
            named_so = replace(item, name=_below(item, root))
            items.setdefault((item.video, item.stretch), named_so)
    return list(items.values())


def _below(item: Item, root: Path) -> str:
    """Where a video lies below a folder, without ending; a stretch of it is told in seconds.

    A video that lies elsewhere has its name alone.
    """
    video, folder = (Path(os.path.abspath(path)) for path in (item.video, root))  # noqa: PTH100
    below = video.relative_to(folder) if video.is_relative_to(folder) else Path(video.name)
    name = wanted_name(below) + (f"_{item.part}" if item.part else "")
    return below.with_name(name).as_posix()


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
