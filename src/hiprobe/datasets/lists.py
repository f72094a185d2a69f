"""The lists of a data set: those that the package carries, and those that lie with the files."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hiprobe.datasets.catalog import FOLDER, KnownSet
from hiprobe.datasets.files_found import split_of_word
from hiprobe.datasets.ground_truth import load_truth, training_videos
from hiprobe.datasets.identify import Lists
from hiprobe.datasets.manifest_row import Spans
from hiprobe.datasets.own_spans import read_own_spans
from hiprobe.errors import DatasetError
from hiprobe.evaluation.truth import EndConvention

_MSAD_WEAKLY_SUPERVISED = {"train": 480, "test": 240}


@dataclass(frozen=True)
class VideoFacts:
    """What is published of one video; None where no frame count is."""

    frame_count: int | None
    spans: Spans


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
    classes: dict[str, str] = {}
    splits: dict[str, str] = {}
    names: dict[str, str] = {}
    facts: dict[tuple[str, str], VideoFacts] = {}
    expected: list[tuple[str, str]] = []
    counts = known.counts
    convention: EndConvention = end or "half-open"
    if known.truth is not None:
        truth = load_truth(known.truth, spans=spans, end=end)
        convention = truth.end
        for video in truth.videos:
            stem = video.name.removesuffix(".mp4")
            classes[stem], splits[stem] = "+".join(video.classes), known.truth_split
            names[stem] = video.name
            half_open = tuple((int(a), int(b)) for a, b in video.half_open(truth.end))
            facts[known.truth_split, video.name] = VideoFacts(video.frames, half_open)
            expected.append((known.truth_split, video.name))
        for entry in training_videos(known.truth):
            stem = entry.name.removesuffix(".mp4")
            classes[stem], splits[stem], names[stem] = "+".join(entry.classes), "train", entry.name
            expected.append(("train", entry.name))
    elif spans is not None:
        raise DatasetError(f"{known.name} has one set of spans only; leave --spans away")
    if known.name == FOLDER:
        classes = dict.fromkeys(read_own_spans(root), "abnormal")
    if known.name == "ubnormal":
        found = dict(_name_lists(root, "*_video_names.txt"))
        splits |= found
        expected = [(split, name) for name, split in found.items()] or expected
    if known.name == "msad":
        splits |= dict(_name_lists(root, "*.list")) | dict(_name_lists(root, "*.txt"))
        counts = _MSAD_WEAKLY_SUPERVISED if splits else counts
        facts = _msad_facts(root, splits, convention)
    return Published(
        lists=Lists(classes, splits, names),
        facts=facts,
        expected=tuple(expected),
        counts=counts,
        span_set=spans or "official",
        end=convention,
    )


def _name_lists(root: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """(name, split) of lists whose own name says the split; paths and endings are cut off."""
    for file in sorted(root.rglob(pattern)):
        split = split_of_word(file.stem)
        if split:
            for line in _text(file).splitlines():
                name = re.sub(r"(_i3d|_swin)?\.(npy|mp4|avi)$", "", line.strip().split("/")[-1])
                if name:
                    yield name, split


def _msad_facts(
    root: Path, splits: dict[str, str], end: EndConvention
) -> dict[tuple[str, str], VideoFacts]:
    """Frame counts and spans of the table that comes with MSAD."""
    facts = {}
    for file in sorted(root.rglob("anomaly_annotation.csv")):
        for number, cells in enumerate(csv.DictReader(_text(file).splitlines()), start=2):
            try:
                name = cells["name"].strip().removesuffix(".mp4")
                frames = int(float(cells["total frames"]))
                start = int(float(cells["starting frame of anomaly"]))
                stop = int(float(cells["ending frame of anomaly"])) + (end == "inclusive")
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                raise DatasetError(
                    f"{file}, line {number}: {error!r}; the columns are name, scenario, total "
                    "frames, starting frame of anomaly, ending frame of anomaly"
                ) from error
            spans: Spans = ((start, min(stop, frames)),) if 0 <= start < stop else ()
            facts[splits.get(name, "test"), name] = VideoFacts(frames, spans)
    return facts


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read the list {file}: {error}") from error
