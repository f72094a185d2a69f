"""Compare videos with the published lists and with each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from hiprobe.datasets.files_found import Found
from hiprobe.datasets.findings import Finding
from hiprobe.datasets.fingerprint import near_duplicates
from hiprobe.datasets.known import KnownSet
from hiprobe.datasets.lists import Published
from hiprobe.datasets.manifest_row import ManifestRow
from hiprobe.datasets.measure import Measured
from hiprobe.datasets.sort_out import BY_FOLDER, SortedOut
from hiprobe.datasets.xd_times import overlaps


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
