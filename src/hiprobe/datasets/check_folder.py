"""Check a data set's folder against what is published, and build its manifest."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.data_set import KnownSet, Published, VideoFacts
from hiprobe.datasets.files_found import FoundVideo, find_all
from hiprobe.datasets.findings import CheckFinding, CheckReport, by_kind
from hiprobe.datasets.identify import Identified, identify_all, published
from hiprobe.datasets.known_sets import FOLDER, known_set
from hiprobe.datasets.manifest import Manifest, ManifestRow
from hiprobe.datasets.measure import Measured, kept_file, measure_all, near_duplicates
from hiprobe.datasets.stretches import (
    SPANS_FILE,
    OwnSpans,
    beyond_words,
    frame_seconds,
    read_own_spans,
    to_frames,
)
from hiprobe.errors import DatasetError
from hiprobe.evaluation.truth import EndConvention
from hiprobe.names import path_text, shown, text_path
from hiprobe.progress import Progress

# The stretch of a film in the names of XD-Violence: `Film__#00-01-45_00-02-50_label_A`.
_TIMES = re.compile(r"__#(\d+)-(\d+)-(\d+)_(\d+)-(\d+)-(\d+)_label_")


def check_dataset(
    name: str,
    root: Path | str,
    *,
    quick: bool = False,
    spans: str | None = None,
    end: EndConvention | None = None,
    splits: Sequence[str] = (),
    kept: Path | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> CheckReport:
    """Look at every video of a data set.

    Args:
        name: one of `known_sets()`, or another name of it.
        root: the folder it lies in; files are found by name at any depth.
        quick: count packets instead of decoding; see `measure`.
        spans: set of spans, `official` or (UCF-Crime) `alternative`.
        end: how published end frames are read; None takes the set's own convention.
        splits: look at these only; empty for all.
        kept: folder for measurements, so that a check goes on where it was interrupted; None
            takes the user's cache.
        progress: called before each file.
        say: called with a sentence on files that are passed over, since HiProbe wrote them.

    Raises:
        UsageError: no such data set.
        DatasetError: `root` holds nothing of it.
    """
    from hiprobe.settings import cache_folder

    known, folder = known_set(name), Path(root)
    facts = published(known, folder, spans=spans, end=end)
    files = find_all(folder, say=say)
    rows, findings = identify_all(known, folder, files, facts, splits=splits)
    if not rows:
        raise DatasetError(*_nothing(known, folder, files).split("\n"))
    measured = measure_all(
        [found for found, _ in rows],
        kept=kept_file(folder, folder=kept or cache_folder() / "data-checks"),
        quick=quick,
        progress=progress,
    )
    usable, unfit = _measured_rows(known, folder, rows, measured, facts)
    pictures = {found.path: measured[found].picture for found, _ in rows}
    counts = Counter(row.split for _, row in rows)
    findings = [
        *unfit,
        *findings,
        *_missing(facts, rows, splits),
        *_counts(facts.counts, counts, splits),
        *_unsplit(known, usable),
        *_sources(known, usable),
        *_film_overlaps(usable),
        *_alike([(row, pictures[row.video]) for row in usable]),
    ]
    manifest = Manifest(known.name, tuple(usable), facts.span_set, facts.end) if usable else None
    return CheckReport(
        manifest=manifest,
        findings=by_kind(findings),
        folders=Counter(f.relative.parts[0] if len(f.relative.parts) > 1 else "." for f, _ in rows),
        counts=counts,
        published={s: n for s, n in facts.counts.items() if not splits or s in splits},
        quick=quick,
    )


def _nothing(known: KnownSet, root: Path, files: Sequence[FoundVideo]) -> str:
    pictures = sum(bool(f.pictures) for f in files)
    extracts = (
        f" ({pictures} are folders of pictures: extracts that mix videos or keep every tenth frame "
        "are in circulation, and cannot stand for the videos)"
    )
    place = "\n  ".join(known.place).replace("ROOT", str(root))
    there = ", ".join(shown(f.relative) for f in files[:3])
    return (
        f"{root} holds nothing of {known.title}: none of its {len(files)} videos is named as "
        f"there{extracts if pictures else ''}{f'; it has {there}' if there else ''}.\n"
        f"Get the set at {known.ask}, and place it as\n  {place}\n"
        f"Videos in folders of your own: hiprobe data check {FOLDER} {root}"
    )


def _measured_rows(
    known: KnownSet,
    root: Path,
    rows: Identified,
    measured: Mapping[FoundVideo, Measured],
    facts: Published,
) -> tuple[list[ManifestRow], list[CheckFinding]]:
    """The rows of videos that can be read, with frames and spans, and what does not fit.

    Spans are those published, cut at the last frame that the file has.

    Raises:
        LabelError: the user's own spans cannot be read.
    """
    # Published sets are measured against what is published, whatever tables lie in the folder.
    own: OwnSpans = read_own_spans(root) if known.truth is None else {}
    usable: list[ManifestRow] = []
    findings = [
        CheckFinding("missing", name, f"{SPANS_FILE} names it")
        for name in own
        if not (root / text_path(name)).exists()
    ]
    for found, row in rows:
        read, where = measured[found], path_text(str(found.relative))
        count = read.frame_count
        if count is None:
            findings.append(CheckFinding("unreadable", where, read.problem))
            continue
        stated = facts.facts.get((row.split, row.name))
        if row.frame_count is not None or row.spans:  # the user's manifest counts as published
            stated = VideoFacts(row.frame_count, row.spans)
        findings += _of_frames(where, read, stated)
        spans = stated.spans if stated else ()
        mine = own.get(where)
        if mine:
            spans = to_frames(mine, cache(lambda path=found.path: frame_seconds(path)))
            seconds = count / read.fps if read.fps else None
            late = beyond_words(mine, frame_count=count, seconds=seconds)
        else:
            late = [
                f"span {start}-{end} ends after the last of {count} frames"
                for start, end in spans
                if start < count < end
            ]
        findings += [CheckFinding("beyond", where, text) for text in late]
        inside = tuple((a, min(b, count)) for a, b in spans if a < min(b, count))
        if not row.label:
            inside = ()
        if len(inside) != len(spans):
            listed = ", ".join(f"{a}-{b}" for a, b in spans)
            why = f"it is normal, but has the spans {listed}"
            if row.label:
                why = f"spans {listed} of {count} frames; those that hold no frame are left out"
            findings.append(CheckFinding("spans", where, why))
        # Rounded, so that a check repeated on another machine writes the same manifest.
        fps = known.fps if read.fps is None else round(read.fps, 6)
        usable.append(replace(row, frame_count=count, fps=fps, spans=inside))
    return usable, findings


def _of_frames(where: str, read: Measured, stated: VideoFacts | None) -> list[CheckFinding]:
    expected = stated.frame_count if stated else None
    found = []
    # A header may promise more than there ever was: what has its published frames is whole.
    if read.problem and read.frame_count != expected:
        found.append(CheckFinding("damaged", where, read.problem))
    if expected is not None and read.frame_count is not None and expected != read.frame_count:
        text = f"{read.frame_count} frames, published {expected} ({read.frame_count - expected:+d})"
        found.append(CheckFinding("frames", where, text))
    return found


def _missing(facts: Published, rows: Identified, splits: Sequence[str]) -> list[CheckFinding]:
    there = {(row.split, row.name) for _, row in rows}
    return [
        CheckFinding("missing", name, f"{split} video of the published list")
        for split, name in facts.expected
        if (split, name) not in there and (not splits or split in splits)
    ]


def _counts(
    published: Mapping[str, int], counts: Mapping[str, int], splits: Sequence[str]
) -> list[CheckFinding]:
    if published.keys() == {""}:  # published without a split: a split of one's own is fine
        counts, splits = {"": sum(counts.values())}, ()
    return [
        CheckFinding("count", split or "all", f"{counts.get(split, 0)} videos, published {number}")
        for split, number in published.items()
        if (not splits or split in splits) and counts.get(split, 0) != number
    ]


def _unsplit(known: KnownSet, rows: Sequence[ManifestRow]) -> list[CheckFinding]:
    if "train" not in known.counts:
        return []
    remedy = f"put the lists of {known.ask} next to the videos"
    return [CheckFinding("unsplit", r.name, remedy) for r in rows if not r.split]


def _sources(known: KnownSet, rows: Sequence[ManifestRow]) -> list[CheckFinding]:
    if known.numbered:
        return []  # their names are no recordings: "01" is in both splits
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits[row.source].add(row.split)
    return [
        CheckFinding(
            "source" if known.own_classes else "shared", source, f"in {' and '.join(sorted(own))}"
        )
        for source, own in splits.items()
        if len(own - {""}) > 1
    ]


def _film_overlaps(rows: Sequence[ManifestRow]) -> list[CheckFinding]:
    """Pairs of one film, in two splits, whose stretches overlap by more than a second.

    The names of XD-Violence say which stretch of a film a video is; other names say nothing here.
    """
    films: dict[str, list[tuple[int, int, ManifestRow]]] = defaultdict(list)
    for row in rows:
        times = _TIMES.search(row.name)
        if times is not None:
            h, m, s, hh, mm, ss = map(int, times.groups())
            films[row.source].append((3600 * h + 60 * m + s, 3600 * hh + 60 * mm + ss, row))
    found = []
    for own in films.values():
        for i, (start, end, one) in enumerate(own):
            for other_start, other_end, other in own[:i]:
                shared = min(end, other_end) - max(start, other_start)
                # Times in the names are whole seconds, so neighbours may seem to share one.
                if shared > 1 and one.split != other.split:
                    text = f"and {other.split} {other.name}: {shared} s of the film are in both"
                    found.append(CheckFinding("leak", f"{one.split} {one.name}", text))
    return found


def _alike(rows: Sequence[tuple[ManifestRow, NDArray[np.uint8] | None]]) -> list[CheckFinding]:
    """Videos that look like one recording, by their fingerprints."""
    seen = [(row, picture) for row, picture in rows if picture is not None]
    if len(seen) < 2:
        return []
    found = []
    for pair in near_duplicates(np.stack([picture for _, picture in seen])):
        one, other = seen[pair.first][0], seen[pair.second][0]
        apart = one.split != other.split and one.split and other.split
        # Alike videos of one source are expected, and folds keep them together.
        if apart or one.source != other.source:
            what = "nothing moves, and the same picture" if pair.still else "the same recording"
            text = f"{what} as {_called(other)} (likeness {pair.likeness:.3f})"
            found.append(CheckFinding("leak" if apart else "alike", _called(one), text))
    return found


def _called(row: ManifestRow) -> str:
    """Split and name; a name that begins with the folder of its split says it already."""
    return row.name if row.name.startswith(f"{row.split}/") else f"{row.split} {row.name}".strip()
