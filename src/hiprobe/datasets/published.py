"""Published lists of known data sets, and the user's own spans."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.files_found import Lists, split_of_word
from hiprobe.datasets.ground_truth import load_truth, training_videos
from hiprobe.datasets.known_sets import FOLDER, KnownSet
from hiprobe.datasets.manifest import Spans
from hiprobe.datasets.table_text import read_table
from hiprobe.datasets.video_files import SCORE_SUFFIXES, without_ending
from hiprobe.documents.checked import files_below
from hiprobe.documents.checked import read_text as read_plain_text
from hiprobe.errors import DatasetError, LabelError
from hiprobe.evaluation.truth import EndConvention


@dataclass(frozen=True)
class VideoFacts:
    """Frame count, None where none is published, and half-open spans in frames from 0."""

    frame_count: int | None
    spans: Spans


def read_text(file: Path) -> str:
    """Its text as UTF-8.

    Raises:
        DatasetError: it cannot be read, or is no UTF-8.
    """
    try:
        return read_plain_text(file)
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read the list {file}: {error}") from error


ANNOTATION = "anomaly_annotation.csv"

WEAKLY_SUPERVISED = {"train": 480, "test": 240}
"""Counts of the split of the authors' lists (their protocol ii)."""

END: EndConvention = "inclusive"
"""How published ends are read."""

_COLUMNS = (
    "name",
    "total frames",
    "starting frame of anomaly",
    "ending frame of anomaly",
)


def msad_facts(
    root: Path, splits: Mapping[str, str], *, end: EndConvention
) -> dict[tuple[str, str], VideoFacts]:
    """Frame counts and half-open spans from 0 by (split, name), of every table below `root`.

    Args:
        splits: split by name; a video without one is for testing, as in protocol i.

    Raises:
        DatasetError: a table lacks a column, holds no numbers, or counts from 0.
    """
    facts = {}
    for file in sorted(p for p in files_below(root) if p.name == ANNOTATION):
        for row in read_table(file, error=DatasetError).rows:
            name, frames, start, stop = _row(row.cells, file, row.line)
            first, last = start - 1, stop - (end == "half-open")
            # one that holds no frame is kept here: the check names it where it leaves it out
            spans: Spans = ((first, last),) if first >= 0 else ()
            facts[splits.get(name, "test"), name] = VideoFacts(frames, spans)
    return facts


def _row(cells: Mapping[str, str], file: Path, number: int) -> tuple[str, int, int, int]:
    try:
        name = without_ending(cells[_COLUMNS[0]])
        frames, start, stop = (int(float(cells[c])) for c in _COLUMNS[1:])
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise DatasetError(
            f"{file}, line {number}: {error!r}; the columns are name, scenario, total "
            "frames, starting frame of anomaly, ending frame of anomaly"
        ) from error
    if start == 0:
        raise DatasetError(
            f"{file}, line {number}: {name} is abnormal from frame 0, but the published table "
            "counts from 1; take the table that comes with the set, or add 1 to all its frames"
        )
    return name, frames, start, stop


NAME = "spans.csv"

_UNITS = {"seconds": ("start_seconds", "end_seconds"), "frames": ("start_frame", "end_frame")}

OwnSpan = list[tuple[float, float, bool]]
"""Of one video: start, end, and whether they are seconds."""

OwnSpans = dict[str, OwnSpan]
"""By the path of the video below the root."""

_END_SLACK_SECONDS = 0.05
"""Ends are often rounded."""


def read_own_spans(root: Path) -> OwnSpans:
    """Rows of `root/spans.csv`, by the path of the video below `root`; none without the file.

    Columns: `video`, and `start_seconds,end_seconds` or `start_frame,end_frame`; half-open.

    Raises:
        LabelError: the table cannot be read, names no video, or a stretch is empty.
    """
    file = root / NAME
    found: OwnSpans = defaultdict(list)
    if not file.is_file():
        return found
    table = read_table(file)
    unit = next((u for u, c in _UNITS.items() if {"video", *c} <= set(table.columns)), "")
    if not unit:
        raise LabelError(
            f"{file} has the columns {', '.join(table.columns) or 'none'}; it needs "
            "video,start_seconds,end_seconds or video,start_frame,end_frame"
        )
    for row in table.rows:
        where, video = table.where(row), row.cells["video"]
        start, end = (_number(row.cells[c], where) for c in _UNITS[unit])
        if not 0 <= start < end:
            raise LabelError(f"{where}: {start:g} to {end:g} is empty")
        if not video:
            raise LabelError(f"{where}: the cell of the video is empty")
        found[Path(video).as_posix()].append((start, end, unit == "seconds"))
    return found


def to_frames(own: OwnSpan, seconds: Callable[[], NDArray[np.float64]]) -> Spans:
    """Spans in frames, half-open, in order: a frame is in a stretch when its time is.

    Stretches that share a frame are joined: they are one event.

    Args:
        seconds: gives the times of the frames, float64 `[frames]`; asked only where needed.
    """
    spans: list[tuple[int, int]] = []
    for start, end, in_seconds in sorted(own):
        if in_seconds:
            first, last = np.searchsorted(seconds() + 1e-6, (start, end))
        else:
            first, last = int(start), int(end)
        if spans and first < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], int(last)))
        else:
            spans.append((int(first), int(last)))
    return tuple(spans)


def beyond_words(own: OwnSpan, *, frame_count: int, seconds: float | None) -> list[str]:
    """A sentence on each stretch that begins or ends after its video.

    Args:
        seconds: length of the video; None where it is not known.
    """
    told = []
    for start, end, in_seconds in own:
        limit = seconds if in_seconds else float(frame_count)
        if limit is None or end <= limit + (_END_SLACK_SECONDS if in_seconds else 0.0):
            continue
        what = "begins" if start >= limit else "ends"
        length = f"{limit:.3f} s" if in_seconds else f"{frame_count} frames"
        unit = "s" if in_seconds else "in frames"
        told.append(f"{start:g} to {end:g} {unit} {what} after the video, which has {length}")
    return told


def _number(cell: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise LabelError(f"{where}: {cell!r} is no number")
    return value


@dataclass(frozen=True)
class Published:
    """All that is known of a set before its files are looked at.

    Attributes:
        lists: classes and splits by name.
        facts: frame counts and half-open spans by (split, name).
        expected: (split, name) of every video that must be there.
        counts: published videos of each split.
        end: how the spans' end frames were read.
    """

    lists: Lists
    facts: dict[tuple[str, str], VideoFacts]
    expected: tuple[tuple[str, str], ...]
    counts: Mapping[str, int]
    span_set: str
    end: EndConvention


def published(
    known: KnownSet, root: Path, *, spans: str | None = None, end: EndConvention | None = None
) -> Published:
    """Lists and truth of a set, from the package and from files below `root`.

    Raises:
        EvaluationError: no such set of spans.
        DatasetError: a list below `root` cannot be read.
    """
    if known.truth is not None:
        found = _packaged(known, known.truth, spans=spans, end=end)
    elif spans is not None:
        raise DatasetError(f"{known.name} has one set of spans only; leave --spans away")
    else:
        found = Published(Lists(), {}, (), known.counts, "official", end or "half-open")
    beside: dict[str, Callable[[Published, Path], Published]] = {
        FOLDER: _own,
        "msad": partial(_msad, end=end),
        "ubnormal": _ubnormal,
    }
    return beside[known.name](found, root) if known.name in beside else found


def _packaged(
    known: KnownSet, truth_name: str, *, spans: str | None, end: EndConvention | None
) -> Published:
    """Truth of one split and training list, both of the package."""
    truth = load_truth(truth_name, spans=spans, end=end)
    listed = [(known.truth_split, v.name, v.classes) for v in truth.videos]
    listed += [("train", v.name, v.classes) for v in training_videos(truth_name)]
    stems = [without_ending(name) for _, name, _ in listed]
    facts = {
        (known.truth_split, v.name): VideoFacts(
            v.frames, tuple((int(a), int(b)) for a, b in v.half_open(truth.end))
        )
        for v in truth.videos
    }
    lists = Lists(
        classes={s: "+".join(own) for s, (_, _, own) in zip(stems, listed, strict=True)},
        splits={s: split for s, (split, _, _) in zip(stems, listed, strict=True)},
        names={s: name for s, (_, name, _) in zip(stems, listed, strict=True)},
    )
    expected = tuple((split, name) for split, name, _ in listed)
    return Published(lists, facts, expected, known.counts, truth.spans, truth.end)


def _own(found: Published, root: Path) -> Published:
    """The user's own folder: what has spans is abnormal."""
    return replace(found, lists=Lists(classes=dict.fromkeys(read_own_spans(root), "abnormal")))


def _ubnormal(found: Published, root: Path) -> Published:
    """UBnormal: the authors' lists of names say the splits, where they are there."""
    listed = dict(_name_lists(root, "*_video_names.txt"))
    lists = replace(found.lists, splits={**found.lists.splits, **listed})
    expected = tuple((split, name) for name, split in listed.items())
    return replace(found, lists=lists, expected=expected or found.expected)


def _msad(found: Published, root: Path, *, end: EndConvention | None) -> Published:
    """MSAD: lists and annotation come with the files."""
    splits = dict(_name_lists(root, "*.list")) | dict(_name_lists(root, "*.txt"))
    convention = end or END
    return replace(
        found,
        lists=Lists(splits=splits),
        facts=msad_facts(root, splits, end=convention),
        counts=WEAKLY_SUPERVISED if splits else found.counts,
        end=convention,
    )


def _name_lists(root: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """(name, split) of lists whose own name says the split; paths and endings are cut off."""
    for file in sorted(p for p in files_below(root) if p.match(pattern)):
        split = split_of_word(file.stem)
        if split:
            for line in read_text(file).splitlines():
                name = without_ending(line.strip().split("/")[-1], *SCORE_SUFFIXES)
                name = re.sub(r"(_i3d|_swin)$", "", name)
                if name:
                    yield name, split
