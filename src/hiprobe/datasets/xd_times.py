"""XD-Violence names say which stretch of a film a video is: stretches must not overlap."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from hiprobe.datasets.findings import Finding
from hiprobe.datasets.manifest_row import ManifestRow

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
