"""A small part of a data set, drawn by seed: the labelled clips of a few-shot fit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from hiprobe.datasets.manifest_row import Manifest, ManifestRow
from hiprobe.errors import LabelError, UsageError


def draw_subset(
    manifest: Manifest, *, fraction: float, seed: int, split: str | None = None
) -> Manifest:
    """Draw videos, stratified by label and then by class.

    As many as `fraction` of the split, rounded, and at least one normal and one anomalous. Each
    label, and within it each class (the first of several), gets its share, remainders to the
    largest; a class with less than one video's share may get none. The same seed on the same
    names draws the same videos, wherever the files lie.

    Args:
        split: where to draw from; None takes `train`, or all where the set has no split.

    Raises:
        UsageError: `fraction` is not in (0, 1].
        LabelError: the split has no videos of one kind.
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"fraction is {fraction}; give one above 0, at most 1 (1 % is 0.01)")
    chosen = _split(manifest) if split is None else split
    pool = sorted(manifest.split(chosen), key=lambda r: r.name)
    kinds = {str(label): [r for r in pool if r.label == label] for label in (0, 1)}
    if not all(kinds.values()):
        raise LabelError(
            f"{manifest.dataset}, split {chosen or 'all'}: {len(kinds['0'])} normal and "
            f"{len(kinds['1'])} anomalous videos; a fit needs both. Draw from another split"
        )
    rng = np.random.default_rng(seed)
    total = max(2, round(fraction * len(pool)))
    shares = _shares({k: len(v) for k, v in kinds.items()}, total, rng)
    names: set[str] = set()
    for kind, rows in kinds.items():
        names |= _draw(rows, min(max(1, shares[kind]), total - 1), rng)
    note = f"{fraction * 100:g} % of {chosen or 'all'}, seed {seed}, stratified by class"
    drawn = tuple(r for r in manifest.rows if r.split == chosen and r.name in names)
    return replace(manifest, rows=drawn, note=note)


def _split(manifest: Manifest) -> str:
    splits = {r.split for r in manifest.rows}
    if "train" in splits:
        return "train"
    if splits == {""}:
        return ""
    raise LabelError(
        f"{manifest.dataset} has the splits {', '.join(sorted(splits))} and no train; say which"
    )


def _draw(rows: Sequence[ManifestRow], count: int, rng: np.random.Generator) -> set[str]:
    classes: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        classes[row.classes[0]].append(row.name)
    shares = _shares({k: len(v) for k, v in classes.items()}, count, rng)
    return {
        str(name)
        for kind, names in sorted(classes.items())
        for name in rng.choice(names, size=shares[kind], replace=False)
    }


def _shares(sizes: Mapping[str, int], total: int, rng: np.random.Generator) -> dict[str, int]:
    """`total` shared out by size, largest remainders first; equal ones in random order."""
    whole = sum(sizes.values())
    exact = {k: total * n / whole for k, n in sorted(sizes.items())}
    shares = {k: int(v) for k, v in exact.items()}
    order = rng.permutation(list(exact))
    by_remainder = sorted(map(str, order), key=lambda k: shares[k] - exact[k])
    for kind in by_remainder[: total - sum(shares.values())]:
        shares[kind] += 1
    return shares
