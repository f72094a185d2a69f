"""The few labelled training videos of a seed: drawn by video, both labels and all classes."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hiprobe.datasets.clips import LabelledClip
from hiprobe.datasets.manifest import ManifestRow
from hiprobe.errors import LabelError
from hiprobe.store.atomic import atomic_path

SHARE = 0.01
"""Part of the training videos that is labelled (paper, section 4.1: about 1 %)."""

LEAST = 2
"""Fewest videos of a label: one would leave no variance and no fold."""


def draw_few(
    rows: Sequence[ManifestRow], *, share: float = SHARE, seed: int
) -> tuple[ManifestRow, ...]:
    """About `share` of the videos, as many of each label as in the whole, in the rows' order.

    Anomalous classes take turns in a random order, so that as many as possible are there; a
    recording is taken twice only when there are no others left of its class.

    Raises:
        LabelError: fewer than `LEAST` videos of one label.
    """
    rng = np.random.default_rng(seed)
    chosen: set[str] = set()
    for label in (0, 1):
        own = [r for r in rows if r.label == label]
        if len(own) < LEAST:
            kind = ("normal", "anomalous")[label]
            raise LabelError(f"{len(own)} {kind} training videos; {LEAST} or more are needed")
        count = max(LEAST, round(share * len(own)))
        chosen |= {r.name for r in _in_turns(own, count, rng)}
    return tuple(r for r in rows if r.name in chosen)


def write_few(rows: Sequence[ManifestRow], path: Path) -> None:
    """Keep a draw beside the results: `name,label,class,source`.

    Raises:
        StorageError: it cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("name", "label", "class", "source"))
        writer.writerows((r.name, r.label, r.class_name, r.source) for r in rows)


def clips_of_rows(rows: Sequence[ManifestRow]) -> tuple[LabelledClip, ...]:
    """The videos as labelled clips."""
    return tuple(
        LabelledClip(r.video, r.label, r.class_name, r.source, None, None, r.name) for r in rows
    )


def _in_turns(
    rows: Sequence[ManifestRow], count: int, rng: np.random.Generator
) -> list[ManifestRow]:
    by_class: dict[str, list[ManifestRow]] = defaultdict(list)
    for row in rows:
        by_class[row.class_name].append(row)
    queues = [_new_sources_first(by_class[c], rng) for c in sorted(by_class)]
    queues = [queues[i] for i in rng.permutation(len(queues))]
    longest = max(len(q) for q in queues)
    dealt = [q[turn] for turn in range(longest) for q in queues if turn < len(q)]
    return dealt[:count]


def _new_sources_first(rows: Sequence[ManifestRow], rng: np.random.Generator) -> list[ManifestRow]:
    shuffled = [rows[i] for i in rng.permutation(len(rows))]
    seen: set[str] = set()
    first: list[ManifestRow] = []
    again: list[ManifestRow] = []
    for row in shuffled:
        (again if row.source in seen else first).append(row)
        seen.add(row.source)
    return first + again
