"""What is published of a data set, and which of its videos each file is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from hiprobe.datasets.data_set import KnownSet, Published, VideoFacts
from hiprobe.datasets.files_found import FoundVideo
from hiprobe.datasets.findings import CheckFinding
from hiprobe.datasets.ground_truth import load_truth, training_videos
from hiprobe.datasets.manifest import ManifestRow, read_csv
from hiprobe.datasets.video_files import without_ending
from hiprobe.errors import DatasetError
from hiprobe.evaluation.truth import EndConvention
from hiprobe.names import absolute

# Files with what they are: rows without what only reading the file will show.
Identified = Sequence[tuple[FoundVideo, ManifestRow]]


def published(
    known: KnownSet, root: Path, *, spans: str | None = None, end: EndConvention | None = None
) -> Published:
    """Lists and truth of a set, from the package and from files below `root`.

    Args:
        known: the set.
        root: the folder that it lies in.
        spans: which set of spans, `official` or (UCF-Crime) `alternative`; None takes the first.
        end: how published end frames are read; None takes the set's own convention.

    Raises:
        EvaluationError: no such set of spans.
        DatasetError: a list below `root` cannot be read.
    """
    if known.truth is not None:
        base = _packaged(known, known.truth, spans=spans, end=end)
    elif spans is not None:
        raise DatasetError(f"{known.name} has one set of spans only; leave --spans away")
    else:
        base = Published(known.counts, end=end or known.end)
    return base if known.read_lists is None else known.read_lists(root, base)


def _packaged(
    known: KnownSet, truth_name: str, *, spans: str | None, end: EndConvention | None
) -> Published:
    """Truth of one split and training list, both of the package."""
    truth = load_truth(truth_name, spans=spans, end=end)
    listed = [(known.truth_split, v.name, v.classes) for v in truth.videos]
    listed += [("train", name, classes) for name, classes in training_videos(truth_name).items()]
    stems = [without_ending(name) for _, name, _ in listed]
    return Published(
        counts=known.counts,
        span_set=truth.spans,
        end=truth.end,
        classes={s: "+".join(own) for s, (_, _, own) in zip(stems, listed, strict=True)},
        splits={s: split for s, (split, _, _) in zip(stems, listed, strict=True)},
        names={s: name for s, (_, name, _) in zip(stems, listed, strict=True)},
        facts={
            (known.truth_split, v.name): VideoFacts(
                v.frames, tuple((int(a), int(b)) for a, b in v.half_open(truth.end))
            )
            for v in truth.videos
        },
        expected=tuple((split, name) for split, name, _ in listed),
    )


def identify_all(
    known: KnownSet,
    root: Path,
    files: Sequence[FoundVideo],
    facts: Published,
    *,
    splits: Sequence[str],
) -> tuple[Identified, list[CheckFinding]]:
    """What each file is; a video that is there twice is used once.

    Args:
        known: the set.
        root: the folder that it lies in.
        files: all videos in the folder.
        facts: what is published of the set.
        splits: use these only; empty for all.

    Returns:
        The rows of the files that are used. A row of the user's own manifest has the frame count
        and the spans that it states; in others both are unknown. And what was found on the way.

    Raises:
        LabelError: the user's own manifest cannot be read.
    """
    if known.own_classes and (root / "manifest.csv").is_file():
        return _of_manifest(root, files, splits=splits)
    findings: list[CheckFinding] = []
    chosen: dict[tuple[str, str], tuple[FoundVideo, ManifestRow]] = {}
    for found in files:
        row = known.identify(found, facts)
        if row is None:
            unknown = "its name is not of this set"
            findings.append(CheckFinding("unknown", str(found.relative), unknown))
        elif not splits or row.split in splits:
            key = row.split, row.name
            if key not in chosen:
                chosen[key] = found, row
                continue
            other = chosen[key]
            chosen[key] = min(other, (found, row), key=lambda pair: _rank(pair[0]))
            used, left = (other[0], found) if chosen[key] is other else (found, other[0])
            findings.append(_twice(used, left))
    for found, row in chosen.values():
        # Said and not corrected: a video that lies in the wrong folder is still the one that was
        # published.
        where = found.folder_split
        if not known.own_classes and where and row.split and where != row.split:
            text = f"lies in a folder for {where}, is published for {row.split}"
            findings.append(CheckFinding("placed", str(found.relative), text))
    return list(chosen.values()), findings


def _of_manifest(
    root: Path, files: Sequence[FoundVideo], *, splits: Sequence[str]
) -> tuple[Identified, list[CheckFinding]]:
    there = {absolute(f.path): f for f in files}
    rows, findings, named = [], [], set()
    for row in read_csv(root / "manifest.csv").rows:
        video, path = row.video, absolute(row.video)
        named.add(path)
        if splits and row.split not in splits:
            continue
        if not video.exists():
            where = video.relative_to(root).as_posix() if video.is_relative_to(root) else str(video)
            findings.append(CheckFinding("missing", where, "manifest.csv names it"))
            continue
        # a manifest may name videos outside its folder, which no walk through the folder meets
        found = there.get(path, FoundVideo(video, PurePosixPath(video.as_posix())))
        rows.append((found, replace(row, video=found.path)))
    findings += [
        CheckFinding("unknown", str(f.relative), "manifest.csv does not name it")
        for path, f in there.items()
        if path not in named
    ]
    return rows, findings


def _rank(found: FoundVideo) -> tuple[bool, bool, int]:
    """A video before its pictures, a folder of the experiment before one of extra material."""
    where = str(found.relative)
    extra = re.search(r"event|recognition", where, re.IGNORECASE) is not None
    # Then by the shorter path: an archive that was unpacked twice lies one folder deeper.
    return bool(found.pictures), extra, len(where)


def _twice(used: FoundVideo, left: FoundVideo) -> CheckFinding:
    text = f"the same video as {used.relative}"
    here, there = used.folder_split, left.folder_split
    if here and there and here != there:
        return CheckFinding("overlap", str(left.relative), text + ": one is for another split")
    return CheckFinding("copy", str(left.relative), text)
