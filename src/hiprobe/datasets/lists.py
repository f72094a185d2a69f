"""The lists of a data set: those that the package carries, and those that lie with the files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hiprobe.datasets.catalog import FOLDER
from hiprobe.datasets.files_found import split_of_word
from hiprobe.datasets.ground_truth import load_truth, training_videos
from hiprobe.datasets.identity import Lists
from hiprobe.datasets.known import KnownSet
from hiprobe.datasets.msad import END as MSAD_END
from hiprobe.datasets.msad import WEAKLY_SUPERVISED, msad_facts
from hiprobe.datasets.own_spans import read_own_spans
from hiprobe.datasets.text_file import read_text
from hiprobe.datasets.video_facts import VideoFacts
from hiprobe.datasets.video_files import SCORE_SUFFIXES, without_ending
from hiprobe.errors import DatasetError
from hiprobe.evaluation.truth import EndConvention
from hiprobe.walk import files_below


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
    convention = end or MSAD_END
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
