"""Check a data set's folder against what is published, and build its manifest."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from hiprobe.datasets.files_found import Found, find_all
from hiprobe.datasets.findings import CheckReport, Finding, by_kind
from hiprobe.datasets.identify import BY_FOLDER, Entry, SortedOut, sort_out
from hiprobe.datasets.known_sets import FOLDER, KnownSet, known_set
from hiprobe.datasets.manifest import Manifest, ManifestRow, Spans
from hiprobe.datasets.measure import (
    Measured,
    frame_seconds,
    kept_file,
    measure_all,
    near_duplicates,
)
from hiprobe.datasets.published import (
    NAME,
    OwnSpan,
    OwnSpans,
    Published,
    VideoFacts,
    beyond_words,
    published,
    read_own_spans,
    to_frames,
)
from hiprobe.errors import DatasetError
from hiprobe.evaluation.truth import EndConvention
from hiprobe.names import path_text, shown, text_path
from hiprobe.progress import Progress

_TIMES = re.compile(r"__#(\d+)-(\d+)-(\d+)_(\d+)-(\d+)-(\d+)_label_")


def stretch_seconds(name: str) -> tuple[int, int] | None:
    """Start and end of `Film__#00-01-45_00-02-50_label_A` in seconds; None for `Film__#1_...`."""
    found = _TIMES.search(name)
    if found is None:
        return None
    h, m, s, hh, mm, ss = map(int, found.groups())
    return 3600 * h + 60 * m + s, 3600 * hh + 60 * mm + ss


def overlaps(rows: Sequence[ManifestRow]) -> list[Finding]:
    """Pairs of one film, in two splits, whose stretches overlap by more than a second."""
    films: dict[str, list[tuple[int, int, ManifestRow]]] = defaultdict(list)
    for row in rows:
        stretch = stretch_seconds(row.name)
        if stretch is not None:
            films[row.source].append((*stretch, row))
    found = []
    for own in films.values():
        for i, (start, end, one) in enumerate(own):
            for other_start, other_end, other in own[:i]:
                shared = min(end, other_end) - max(start, other_start)
                if shared > 1 and one.split != other.split:
                    text = f"and {other.split} {other.name}: {shared} s of the film are in both"
                    found.append(Finding("leak", f"{one.split} {one.name}", text))
    return found


def compare_all(
    known: KnownSet,
    rows: Sequence[ManifestRow],
    measured: Mapping[Found, Measured],
    sorted_out: SortedOut,
    facts: Published,
    *,
    splits: Sequence[str],
) -> list[Finding]:
    """Missing videos, counts, sources in two splits, near-duplicates."""
    counts = Counter(e.split for e in sorted_out.entries)
    there = {e.key for e in sorted_out.entries}
    return [
        *_missing(facts, there, splits),
        *_counts(facts.counts, counts, splits),
        *_unsplit(known, rows),
        *_sources(known, rows),
        *(overlaps(rows) if known.name == "xd-violence" else ()),
        *_alike(rows, {e.found.path: measured[e.found] for e in sorted_out.entries}),
    ]


def _missing(facts: Published, there: set[tuple[str, str]], splits: Sequence[str]) -> list[Finding]:
    return [
        Finding("missing", name, f"{split} video of the published list")
        for split, name in facts.expected
        if (split, name) not in there and (not splits or split in splits)
    ]


def _counts(
    published: Mapping[str, int], counts: Mapping[str, int], splits: Sequence[str]
) -> list[Finding]:
    if published.keys() == {""}:  # published without a split: a split of one's own is fine
        counts, splits = {"": sum(counts.values())}, ()
    return [
        Finding("count", split or "all", f"{counts.get(split, 0)} videos, published {number}")
        for split, number in published.items()
        if (not splits or split in splits) and counts.get(split, 0) != number
    ]


def _unsplit(known: KnownSet, rows: Sequence[ManifestRow]) -> list[Finding]:
    if "train" not in known.counts:
        return []
    remedy = f"put the lists of {known.ask} beside the videos"
    return [Finding("unsplit", r.name, remedy) for r in rows if not r.split]


def _sources(known: KnownSet, rows: Sequence[ManifestRow]) -> list[Finding]:
    if known.truth is not None and known.name != "xd-violence":
        return []  # their names are no recordings: "01" is in both splits
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits[row.source].add(row.split)
    kind = "source" if known.name in BY_FOLDER else "shared"
    return [
        Finding(kind, source, f"in {' and '.join(sorted(own))}")  # type: ignore[arg-type]
        for source, own in splits.items()
        if len(own - {""}) > 1
    ]


def _alike(rows: Sequence[ManifestRow], measured: Mapping[object, Measured]) -> list[Finding]:
    seen = [(r, p) for r in rows if (p := measured[r.video].picture) is not None]
    if len(seen) < 2:
        return []
    found = []
    for pair in near_duplicates(np.stack([p for _, p in seen])):
        one, other = seen[pair.first][0], seen[pair.second][0]
        apart = one.split != other.split and one.split and other.split
        if apart or one.source != other.source:
            what = "nothing moves, and the same picture" if pair.still else "the same recording"
            text = f"{what} as {_called(other)} (likeness {pair.likeness:.3f})"
            found.append(Finding("leak" if apart else "alike", _called(one), text))
    return found


def _called(row: ManifestRow) -> str:
    """Split and name; a name that begins with the folder of its split says it already."""
    return row.name if row.name.startswith(f"{row.split}/") else f"{row.split} {row.name}".strip()


def build_rows(
    known: KnownSet,
    root: Path,
    entries: Sequence[Entry],
    measured: Mapping[Found, Measured],
    facts: Published,
) -> tuple[list[ManifestRow], list[Finding]]:
    """A row for each video that can be read, and what does not fit.

    Spans are those published, cut at the last frame that the file has.

    Raises:
        LabelError: the user's own spans cannot be read.
    """
    own = read_own_spans(root) if known.truth is None else {}
    rows: list[ManifestRow] = []
    findings = [
        Finding("missing", name, f"{NAME} names it")
        for name in own
        if not (root / text_path(name)).exists()
    ]
    for entry in entries:
        read, where = measured[entry.found], path_text(str(entry.found.relative))
        if read.frame_count is None:
            findings.append(Finding("unreadable", where, read.problem))
            continue
        stated = _stated(entry, facts)
        findings += _of_frames(where, read, stated)
        spans = _spans(entry, stated, own)
        late = _beyond(spans, read, own.get(where, []))
        findings += [Finding("beyond", where, text) for text in late]
        kept = _cut(spans, read.frame_count) if entry.identity.label else ()
        if len(kept) != len(spans):
            findings.append(Finding("spans", where, _why(spans, read.frame_count, entry)))
        rows.append(_row(known, entry, read, kept))
    return rows, findings


def _row(known: KnownSet, entry: Entry, read: Measured, spans: Spans) -> ManifestRow:
    identity = entry.identity
    return ManifestRow(
        video=entry.found.path,
        name=identity.name,
        class_name=identity.class_name,
        label=identity.label,
        split=identity.split,
        source=identity.source,
        frame_count=read.frame_count,
        fps=round(read.fps, 6) if read.fps is not None else known.fps,
        spans=spans,
    )


def _stated(entry: Entry, facts: Published) -> VideoFacts | None:
    """Published frame count and spans; those of the user's manifest count as published."""
    row = entry.stated
    if row is None:
        return facts.facts.get(entry.key)
    return VideoFacts(row.frame_count, row.spans)


def _of_frames(where: str, read: Measured, stated: VideoFacts | None) -> list[Finding]:
    expected = stated.frame_count if stated else None
    found = []
    # A header may promise more than there ever was: what has its published frames is whole.
    if read.problem and read.frame_count != expected:
        found.append(Finding("damaged", where, read.problem))
    if expected is not None and read.frame_count is not None and expected != read.frame_count:
        text = f"{read.frame_count} frames, published {expected} ({read.frame_count - expected:+d})"
        found.append(Finding("frames", where, text))
    return found


def _spans(entry: Entry, stated: VideoFacts | None, own: OwnSpans) -> Spans:
    mine = own.get(path_text(str(entry.found.relative)))
    if mine:
        return to_frames(mine, cache(lambda: frame_seconds(entry.found.path)))
    return stated.spans if stated else ()


def _beyond(spans: Spans, read: Measured, own: OwnSpan) -> list[str]:
    """What of the spans ends after the video, with the numbers that were given."""
    count = read.frame_count or 0
    if own:
        return beyond_words(own, frame_count=count, seconds=count / read.fps if read.fps else None)
    return [
        f"span {start}-{end} ends after the last of {count} frames"
        for start, end in spans
        if start < count < end
    ]


def _cut(spans: Spans, frame_count: int) -> Spans:
    return tuple((a, min(b, frame_count)) for a, b in spans if a < min(b, frame_count))


def _why(spans: Spans, frame_count: int, entry: Entry) -> str:
    listed = ", ".join(f"{a}-{b}" for a, b in spans)
    if not entry.identity.label:
        return f"it is normal, but has the spans {listed}"
    return f"spans {listed} of {frame_count} frames; those that hold no frame are left out"


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
        say: told how many files are passed over, since HiProbe wrote them.

    Raises:
        UsageError: no such data set.
        DatasetError: `root` holds nothing of it.
    """
    from hiprobe.settings import cache_folder

    known, folder = known_set(name), Path(root)
    facts = published(known, folder, spans=spans, end=end)
    files = find_all(folder, say=say)
    sorted_out = sort_out(known, folder, files, facts, splits=splits)
    if not sorted_out.entries:
        raise DatasetError(*_nothing(known, folder, files).split("\n"))
    measured = measure_all(
        [e.found for e in sorted_out.entries],
        kept=kept_file(folder, folder=kept or cache_folder() / "data-checks"),
        quick=quick,
        progress=progress,
    )
    rows, findings = build_rows(known, folder, sorted_out.entries, measured, facts)
    findings += sorted_out.findings
    findings += compare_all(known, rows, measured, sorted_out, facts, splits=splits)
    manifest = Manifest(known.name, tuple(rows), facts.span_set, facts.end) if rows else None
    return CheckReport(
        manifest=manifest,
        findings=by_kind(findings),
        folders=Counter(_first_folder(e.found) for e in sorted_out.entries),
        counts=Counter(e.split for e in sorted_out.entries),
        published={s: n for s, n in facts.counts.items() if not splits or s in splits},
        quick=quick,
    )


def _first_folder(found: Found) -> str:
    return found.relative.parts[0] if len(found.relative.parts) > 1 else "."


def _nothing(known: KnownSet, root: Path, files: Sequence[Found]) -> str:
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
        f"The set is had at {known.ask}, and placed as\n  {place}\n"
        f"Videos in folders of your own: hiprobe data check {FOLDER} {root}"
    )
