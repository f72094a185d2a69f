"""What a user names on the command line: files, folders and globs, and the backbone to use."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from hiprobe.addresses import is_address, why_no_file
from hiprobe.errors import UsageError
from hiprobe.store.file_names import fits_file_name

if TYPE_CHECKING:
    from hiprobe.datasets.clips import LabelledClip
    from hiprobe.pipeline.settings import Stretch
    from hiprobe.pipeline.states_folder import Item

TABLE_SUFFIXES = frozenset((".csv", ".parquet"))
"""Endings of tables of labelled clips."""


Tell = Callable[[str], None]
"""Takes a sentence for the user."""


def expand_videos(named: Sequence[str], *, tell: Tell | None = None) -> list[Path]:
    """Files of all names in order, each once; a folder stands for the videos at any depth in it.

    A name that is no file is kept, so that reading it gives the reason.

    Args:
        tell: takes a sentence on files of folders that were passed over, and on missing times.

    Raises:
        UsageError: a folder or a glob holds no video, or a name is the address of a stream.
    """
    from hiprobe.datasets.video_files import look_into, untimed_words

    found: list[Path] = []
    remarks: list[str] = []
    for name in named:
        if is_address(name):
            raise UsageError(why_no_file(name))
        path = Path(name).expanduser()
        if path.is_dir():
            inside = look_into(path)
            if not inside.videos:
                aside = "".join(f" ({remark})" for remark in inside.remarks())
                raise UsageError(
                    f"folder {path} holds no video; give files, or another folder{aside}"
                )
            found += inside.videos
            remarks += inside.remarks()
        elif not path.exists() and glob.has_magic(name):
            matches = sorted(Path(m) for m in glob.glob(str(path), recursive=True))  # noqa: PTH207
            if not matches:
                raise UsageError(f"nothing matches {name}; check the pattern and the folder")
            found += matches
        else:
            found.append(path)
    once = list(dict.fromkeys(found))
    if tell is not None:
        for remark in (*remarks, *untimed_words(once)):
            tell(remark)
    return once


def items_to_extract(named: Sequence[str], *, tell: Tell | None = None) -> list[Item]:
    """What is extracted, and the file of states of each, named after its place in its folder.

    A table of labelled clips, or a folder with a `manifest.csv`, gives its clips with their
    labels, splits and stretches; anything else is a video without a label. States that lie in a
    folder are passed over: they were extracted from something already.

    Args:
        tell: takes a sentence on what was passed over.

    Raises:
        UsageError: a folder or a glob holds no video, or a name is the address of a stream.
        LabelError: a table cannot be read.
    """
    from hiprobe.datasets.clips import read_labelled
    from hiprobe.pipeline.states_folder import Item

    remarks: list[str] = []
    found: list[tuple[Path, Path, LabelledClip | None]] = []
    for name in named:
        path = Path(name).expanduser()
        if path.suffix.lower() in TABLE_SUFFIXES or (path / "manifest.csv").is_file():
            root = path if path.is_dir() else path.parent
            labelled = read_labelled(path, both_kinds=False, split="all")
            found += [(c.video, _below(c.video, root, c), c) for c in labelled.clips]
            remarks += labelled.remarks
        else:
            root = path if path.is_dir() else path.parent
            videos = expand_videos([name], tell=remarks.append)
            extracted = [v for v in videos if path.is_dir() and are_states(v)]
            if extracted:
                remarks.append(f"passed over: {len(extracted)} files of states in {path}")
            left = [v for v in videos if v not in set(extracted)]
            found += [(v, _below(v, root), None) for v in left]
    names: list[str] = []
    items: dict[tuple[Path, Stretch], Item] = {}
    for video, below, clip in found:
        item = Item(video, "", clip)
        if (video, item.stretch) not in items:
            names.append(_unused(_writable(below), names))
            items[video, item.stretch] = replace(item, name=names[-1])
    if tell is not None:
        for remark in remarks:
            tell(remark)
    return list(items.values())


def _below(video: Path, root: Path, clip: LabelledClip | None = None) -> Path:
    """Where a video lies below a folder, without ending; a stretch of it is told in seconds."""
    inside = video.relative_to(root) if video.is_relative_to(root) else Path(video.name)
    name = inside.stem
    if clip is not None and (clip.start_seconds, clip.end_seconds) != (None, None):
        end = "end" if clip.end_seconds is None else f"{clip.end_seconds:g}"
        name += f"_{clip.start_seconds or 0:g}-{end}s"
    return inside.with_name(name)


def _writable(below: Path) -> str:
    return "/".join(map(fits_file_name, below.parts))


def _unused(name: str, taken: Sequence[str]) -> str:
    numbered = (f"{name}-{n}" for n in count(2))
    return next(n for n in chain([name], numbered) if n not in taken)


def result_names(videos: Sequence[Path]) -> list[str]:
    """One name for each video's results: its stem, with a number where stems repeat."""
    names: list[str] = []
    for video in videos:
        names.append(_unused(fits_file_name(video.stem), names))
    return names


def are_states(path: Path) -> bool:
    """True for extracted states, which stand in for a video."""
    from hiprobe.datasets.video_files import is_states_name

    return is_states_name(path)


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
        if not _is_number(first) or (dash and not _is_number(last)):
            raise UsageError(f"layers {text!r}: {part!r} is no number or range; write 1,12-20")
        # one above the last layer is enough to be refused below, whatever number was typed
        found.update(range(int(first), min(int(last or first), layer_count + 1) + 1))
        if int(first) > layer_count:
            found.add(int(first))
    if not found or max(found) > layer_count:
        raise UsageError(f"layers {text!r} are not within 0..{layer_count} of this backbone")
    return sorted(found)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
