"""A data set as `hiprobe data` knows it: one value, which another package can add."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hiprobe.datasets.clips import looks_normal
from hiprobe.datasets.files_found import FoundVideo, split_of_word
from hiprobe.datasets.manifest import ManifestRow
from hiprobe.datasets.stretches import Spans
from hiprobe.evaluation.truth import NORMAL, EndConvention
from hiprobe.names import path_text


@dataclass(frozen=True)
class VideoFacts:
    """Frame count, None where none is published, and half-open spans in frames from 0."""

    frame_count: int | None
    spans: Spans


@dataclass(frozen=True)
class Published:
    """All that is known of a set before its files are looked at.

    Attributes:
        counts: published videos of each split.
        span_set: which of the published sets of spans this is.
        end: how the spans' end frames were read.
        classes, splits, names: class, split and published name of each video that is listed, by
            its name without an ending.
        facts: frame counts and half-open spans by (split, name).
        expected: (split, name) of every video that must be there.
    """

    counts: Mapping[str, int]
    span_set: str = "official"
    end: EndConvention = "half-open"
    classes: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[tuple[str, str], VideoFacts] = field(default_factory=dict)
    expected: tuple[tuple[str, str], ...] = ()


def by_folder(found: FoundVideo, published: Published) -> ManifestRow | None:
    """What a file is where folders are classes, below folders of splits or not.

    Without folders of classes, a video with spans is abnormal where there is a list of spans.
    """
    # a folder `train/` says where a video belongs and nothing of what happens in it
    kinds = [p for p in found.relative.parts[:-1] if not split_of_word(p)]
    if not kinds and not published.classes:
        return None
    listed = published.classes.get(str(found.relative), NORMAL)
    class_name = path_text(kinds[0]) if kinds else listed
    return row_in_class(found, class_name, normal=looks_normal(class_name))


def row_in_class(found: FoundVideo, class_name: str, *, normal: bool) -> ManifestRow:
    """The row of a file that is named after its place below the root.

    Args:
        normal: whether nothing abnormal happens in videos of the class.
    """
    # with its folders: two classes may hold files of the same name
    name = path_text(found.relative.with_name(found.stem).as_posix())
    return ManifestRow(found.path, name, class_name, int(not normal), found.folder_split)


@dataclass(frozen=True)
class KnownSet:
    """A data set that `hiprobe data` can check.

    Attributes:
        name: what the commands call it.
        title: its title and where it was published.
        counts: published videos of each split; empty where nobody has counted.
        ask: where the files can be got.
        place: where the files go, line by line, with ROOT for the folder; several layouts are
            recognised.
        licence: of the videos.
        identify: gives the row of a file (path, name, class, label, split and source), or None
            where it does not belong to the set.
        read_lists: completes what is published by lists below the root; None where there are none.
        truth: name of the packaged ground truth, None where none is packaged.
        truth_split: the split that this truth belongs to.
        end: how the end frames of spans in lists below the root are read.
        fps: nominal frames a second, for frames that come as pictures.
        clone: address of a public repository that holds all of it.
        aliases: other names of it.
        own_classes: whether the folders, or a `manifest.csv` in the root, say the classes and
            splits; if not, the published lists do.
        numbered: whether its names are numbers that repeat between the splits.
    """

    name: str
    title: str
    counts: Mapping[str, int]
    ask: str
    place: tuple[str, ...]
    licence: str
    identify: Callable[[FoundVideo, Published], ManifestRow | None] = by_folder
    read_lists: Callable[[Path, Published], Published] | None = None
    truth: str | None = None
    truth_split: str = "test"
    end: EndConvention = "half-open"
    fps: float = 30.0
    clone: str | None = None
    aliases: tuple[str, ...] = ()
    # Off unless a set asks for it, since where folders and published lists disagree the lists are
    # right.
    own_classes: bool = False
    numbered: bool = False
